"""Recorded runs with their live state, as a table and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.model.observed import RunState
from wfdeploy.model.status import RowStatus, StatusRow
from wfdeploy.render.encode import dump, utc
from wfdeploy.render.printable import printable
from wfdeploy.render.run_states import WORDS
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.table import Cell, table

_STATUS_WORDS: Mapping[RowStatus, tuple[str, Tone]] = {
    RowStatus.TRIGGERED: ("not in the logs", Tone.FAINT),
    RowStatus.INTENT: ("outcome not known yet", Tone.CHANGED),
    RowStatus.UNKNOWN: ("outcome not known yet", Tone.CHANGED),
    RowStatus.REJECTED: ("rejected", Tone.BAD),
}


def text(rows: Sequence[StatusRow], style: Style = plain, *, width: int = 100) -> Iterator[str]:
    """A table by address, with a line of counts under it."""
    if not rows:
        yield "No runs are recorded.\n"
        return
    cells = [
        (
            Cell(printable(row.address)),
            _state(row),
            Cell(_when(row), Tone.FAINT),
            Cell(printable(row.error or row.workflow_run_id), Tone.FAINT),
        )
        for row in rows
    ]
    yield from table(("ADDRESS", "STATE", "STARTED", "WORKFLOW RUN"), cells, style, width=width)
    counted = Counter(_word(row) for row in rows)
    yield "\n" + ", ".join(style(f"{n:,} {word}", tone) for (word, tone), n in counted.most_common()) + ".\n"


def json_text(rows: Sequence[StatusRow]) -> Iterator[str]:
    """`{"formatVersion":1,"summary":{…},"runs":[…]}`, one run a line, in pieces; times in Unix milliseconds."""
    states = Counter(row.run_state for row in rows)
    summary = {state.value: states[state] for state in RunState} | {"NOT_LISTED": states[None]}
    yield f'{dump({"formatVersion": 1, "summary": summary})[:-1]},"runs":['
    separator = "\n"
    for row in rows:
        yield separator + dump(row_fields(row))
        separator = ",\n"
    yield "]}\n" if separator == "\n" else "\n]}\n"


def row_fields(row: StatusRow) -> Mapping[str, object]:
    """One row as JSON fields."""
    return {
        "address": row.address,
        "status": row.status.value,
        "runState": None if row.run_state is None else row.run_state.value,
        "workflowRunId": row.workflow_run_id,
        "generation": row.generation,
        "createdAt": row.created_at_ms,
        "completedAt": row.completed_at_ms,
        "observedAt": row.observed_at_ms,
        "source": row.source,
        "error": row.error,
        "attempts": row.tries,
        "handled": row.handled,
    }


def _word(row: StatusRow) -> tuple[str, Tone]:
    return _STATUS_WORDS[row.status] if row.run_state is None else WORDS[row.run_state]


def _state(row: StatusRow) -> Cell:
    word, tone = _word(row)
    return Cell(f"{word}, attempt {row.tries}" if row.tries else word, tone)


def _when(row: StatusRow) -> str:
    if row.created_at_ms is None:
        return "-"
    if row.completed_at_ms is None:
        return utc(row.created_at_ms)
    return f"{utc(row.created_at_ms)}, {_span((row.completed_at_ms - row.created_at_ms) / 1000)}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
