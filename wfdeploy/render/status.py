"""Recorded runs with their live state, what a refresh found, how a wait ended; for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.model.observed import RunState
from wfdeploy.model.status import Refreshed, RowStatus, StatusRow, Turn
from wfdeploy.render.encode import document, dump, utc
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.vocabulary import WORDS, counted, state_of
from wfdeploy.render.width import Cell, table

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
    summary = _summary(Counter(row.run_state for row in rows))
    return document({"summary": summary}, "runs", map(row_fields, rows))


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


def refreshed_text(found: Refreshed, style: Style = plain, *, width: int = 100) -> Iterator[str]:
    """The runs that are in another state than was known, and how many are in which."""
    if not found.asked:
        yield "All recorded runs are known to have ended; nobody was asked.\n"
        return
    if found.turns:
        cells = [
            (
                Cell(printable(turn.address)),
                Cell(state_of(turn.before)[0], Tone.FAINT),
                Cell(*WORDS[turn.after]),
                Cell(printable(turn.workflow_run_id), Tone.FAINT),
            )
            for turn in found.turns
        ]
        yield from table(("ADDRESS", "WAS", "IS", "WORKFLOW RUN"), cells, style, width=width)
        yield "\n"
    words = ", ".join(f"{count:,} {state_of(state)[0]}" for state, count in found.states.items())
    yield f"{style('Asked after', Tone.STRONG)} {found.asked:,} run{'' if found.asked == 1 else 's'}: {words}.\n"


def refreshed_json(found: Refreshed) -> Iterator[str]:
    """`{"formatVersion":1,"asked":…,"summary":{…},"changed":[…]}`, one run a line, in pieces."""
    return document({"asked": found.asked, "summary": _summary(found.states)}, "changed", map(_turned, found.turns))


def _turned(turn: Turn) -> Mapping[str, object]:
    return {
        "address": turn.address,
        "workflowRunId": turn.workflow_run_id,
        "before": None if turn.before is None else turn.before.value,
        "after": turn.after.value,
    }


def _summary(states: Mapping[RunState | None, int]) -> Mapping[str, int]:
    """How many runs are in which state, zeros too."""
    return {state.value: states.get(state, 0) for state in RunState} | {"NOT_LISTED": states.get(None, 0)}


def waited_text(states: Mapping[RunState, int], *, fulfilled: bool, style: Style = plain) -> str:
    """One line: how many runs are in which state."""
    word = style("Done:", Tone.GOOD) if fulfilled else style("Not there:", Tone.BAD)
    return f"{word} {counted(states, style) or 'no runs'}.\n"


def waited_json(states: Mapping[RunState, int], *, fulfilled: bool) -> str:
    """`{"formatVersion":1,"fulfilled":…,"states":{…}}`, every state, zeros too."""
    counts = {state.value: states.get(state, 0) for state in RunState}
    return dump({"formatVersion": 1, "fulfilled": fulfilled, "states": counts}) + "\n"


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
