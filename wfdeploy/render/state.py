"""What a state holds: its records as a table, one address in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.model.state import Attempt, HistoryEntry, Record
from wfdeploy.render.encode import dump, utc
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.table import Cell, table

_LABELS = 13


def list_text(
    records: Sequence[Record], attempts: Sequence[Attempt], style: Style = plain, *, width: int = 100
) -> Iterator[str]:
    """A table of records, with what is open or was refused beside them."""
    rows = [
        (
            record.address,
            Cell(printable(record.address)),
            Cell(record.origin.value, Tone.GOOD),
            Cell(str(record.generation)),
            Cell(utc(record.recorded_at_ms), Tone.FAINT),
            Cell(printable(record.workflow_run_id), Tone.FAINT),
        )
        for record in records
    ] + [
        (
            attempt.address,
            Cell(printable(attempt.address)),
            Cell(attempt.status.value, Tone.CHANGED if attempt.is_open else Tone.BAD),
            Cell(str(attempt.generation)),
            Cell(utc(attempt.intent_at_ms), Tone.FAINT),
            Cell(printable(attempt.workflow_run_id), Tone.FAINT),
        )
        for attempt in attempts
    ]
    if not rows:
        yield "The state holds no runs.\n"
        return
    rows.sort(key=lambda row: row[0])
    heading = ("ADDRESS", "STATUS", "GEN", "RECORDED", "WORKFLOW RUN")
    yield from table(heading, [row[1:] for row in rows], style, width=width)


def list_json(records: Sequence[Record], attempts: Sequence[Attempt]) -> Iterator[str]:
    """`{"formatVersion":1,"records":[…],"attempts":[…]}`, one a line, in pieces."""
    yield '{"formatVersion":1,"records":['
    separator = "\n"
    for record in records:
        yield separator + dump(record_fields(record))
        separator = ",\n"
    yield '],\n"attempts":['
    separator = "\n"
    for attempt in attempts:
        yield separator + dump(attempt_fields(attempt))
        separator = ",\n"
    yield "]}\n"


def show_text(
    record: Record | None, attempt: Attempt | None, history: Sequence[HistoryEntry], style: Style = plain
) -> Iterator[str]:
    """Everything the state knows of one address."""
    if record is not None:
        yield style(printable(record.address), Tone.STRONG) + "\n"
        yield from _pairs(
            {
                "status": record.origin.value,
                "run state": _observed(record),
                "workflow run": record.workflow_run_id,
                "generation": str(record.generation),
                "fingerprint": record.fingerprint,
                "created": "" if record.created_at_ms is None else utc(record.created_at_ms),
                "recorded": utc(record.recorded_at_ms),
                "by": _by(record.by),
                "source": record.source,
            },
            style,
        )
        yield from _request(record.request, style)
    if attempt is not None:
        yield style(f"Attempt at {printable(attempt.address)}: {attempt.status.value}", Tone.CHANGED) + "\n"
        yield from _pairs(
            {
                "workflow run": attempt.workflow_run_id,
                "generation": str(attempt.generation),
                "fingerprint": attempt.fingerprint,
                "begun": utc(attempt.intent_at_ms),
                "by": _by(attempt.by),
                "source": attempt.source,
                "error": attempt.error or "",
            },
            style,
        )
    if history:
        yield style("History, oldest first", Tone.STRONG) + "\n"
        for entry in history:
            old = entry.record
            yield (
                f"  {utc(old.recorded_at_ms)}  generation {old.generation}  {printable(old.workflow_run_id)}  "
                f"{style(f'{entry.ended.value} {utc(entry.ended_at_ms)}', Tone.FAINT)}\n"
            )


def show_json(record: Record | None, attempt: Attempt | None, history: Sequence[HistoryEntry]) -> str:
    """`{"formatVersion":1,"record":…,"attempt":…,"history":[…]}`."""
    return (
        dump(
            {
                "formatVersion": 1,
                "record": None if record is None else record_fields(record),
                "attempt": None if attempt is None else attempt_fields(attempt),
                "history": [
                    {**record_fields(entry.record), "ended": entry.ended.value, "endedAt": entry.ended_at_ms}
                    for entry in history
                ],
            }
        )
        + "\n"
    )


def record_fields(record: Record) -> Mapping[str, object]:
    """A record as JSON fields; times in Unix milliseconds."""
    return {
        "address": record.address,
        "origin": record.origin.value,
        "workflowRunId": record.workflow_run_id,
        "fingerprint": record.fingerprint,
        "generation": record.generation,
        "createdAt": record.created_at_ms,
        "recordedAt": record.recorded_at_ms,
        "runState": None if record.run_state is None else record.run_state.value,
        "observedAt": record.observed_at_ms,
        "by": _parsed(record.by),
        "source": record.source,
        "request": _parsed(record.request),
    }


def attempt_fields(attempt: Attempt) -> Mapping[str, object]:
    """An attempt as JSON fields; times in Unix milliseconds."""
    return {
        "address": attempt.address,
        "status": attempt.status.value,
        "workflowRunId": attempt.workflow_run_id,
        "fingerprint": attempt.fingerprint,
        "generation": attempt.generation,
        "intentAt": attempt.intent_at_ms,
        "by": _parsed(attempt.by),
        "source": attempt.source,
        "error": attempt.error,
    }


def _parsed(text: str) -> object:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:  # of another version, or mended by hand
        return text


def _by(text: str) -> str:
    who = _parsed(text)
    return ", ".join(f"{name} {value}" for name, value in who.items()) if isinstance(who, dict) else text


def _observed(record: Record) -> str:
    if record.run_state is None:
        return ""
    seen = "" if record.observed_at_ms is None else f", seen {utc(record.observed_at_ms)}"
    return f"{record.run_state.value}{seen}"


def _pairs(pairs: Mapping[str, str], style: Style) -> Iterator[str]:
    for label, value in pairs.items():
        if value:
            yield f"  {style(label.ljust(_LABELS), Tone.FAINT)} {printable(value)}\n"


def _request(text: str, style: Style) -> Iterator[str]:
    request = _parsed(text)
    if request is None:
        return
    yield f"  {style('request', Tone.FAINT)}\n"
    if not isinstance(request, dict):
        yield f"    {printable(str(request))}\n"
        return
    for name, value in request.items():
        yield f"    {printable(str(name))}: {printable(json.dumps(value, ensure_ascii=False))}\n"
