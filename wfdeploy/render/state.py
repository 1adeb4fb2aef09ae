"""What a state holds: its addresses as a table, one address in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wfdeploy.model.status import RowStatus, StatusRow
from wfdeploy.render.encode import document, dump, utc
from wfdeploy.render.printable import printable
from wfdeploy.render.status import row_fields
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.width import Cell, table

_LABELS: Mapping[str, str] = {
    "status": "status",
    "origin": "came by",
    "runState": "run state",
    "workflowRunId": "workflow run",
    "generation": "generation",
    "fingerprint": "fingerprint",
    "createdAtMs": "created",
    "recordedAtMs": "recorded",
    "observedAtMs": "observed",
    "intentAtMs": "begun",
    "endedAtMs": "given up",
    "resend": "resend",
    "source": "source",
    "error": "error",
}
_COLUMN = 13

_TONES: Mapping[RowStatus, Tone] = {
    RowStatus.TRIGGERED: Tone.GOOD,
    RowStatus.INTENT: Tone.CHANGED,
    RowStatus.UNKNOWN: Tone.CHANGED,
    RowStatus.REJECTED: Tone.BAD,
}


def list_text(rows: Sequence[StatusRow], style: Style = plain, *, width: int = 100) -> Iterator[str]:
    """A table by address."""
    if not rows:
        yield "The state holds no runs.\n"
        return
    cells = [
        (
            Cell(printable(row.address)),
            Cell(row.status.value, _TONES[row.status]),
            Cell(str(row.generation)),
            Cell(printable(row.source), Tone.FAINT),
            Cell(printable(row.error or row.workflow_run_id), Tone.FAINT),
        )
        for row in rows
    ]
    yield from table(("ADDRESS", "STATUS", "GEN", "SOURCE", "WORKFLOW RUN"), cells, style, width=width)


def list_json(rows: Sequence[StatusRow]) -> Iterator[str]:
    """`{"formatVersion":1,"runs":[…]}`, one run a line, in pieces; times in Unix milliseconds."""
    return document({}, "runs", map(row_fields, rows))


def show_text(shown: Mapping[str, Any], style: Style = plain) -> Iterator[str]:
    """Everything that is recorded of one address."""
    yield style(printable(str(shown["address"])), Tone.STRONG) + "\n"
    record, attempt, history = shown.get("record"), shown.get("attempt"), shown.get("history") or ()
    if record is not None:
        yield from _facts(record, style)
    if attempt is not None:
        yield (
            style("\nOpen attempt" if attempt.get("status") != "rejected" else "\nRejected attempt", Tone.CHANGED)
            + "\n"
        )
        yield from _facts(attempt, style)
    if history:
        yield style("\nHistory, oldest first", Tone.STRONG) + "\n"
        for entry in history:
            old = entry["record"]
            ended = style(f"{entry['ended']} {_time(entry['endedAtMs'])}", Tone.FAINT)
            run_id = printable(str(old["workflowRunId"]))
            yield f"  {_time(old['recordedAtMs'])}  generation {old['generation']}  {run_id}  {ended}\n"


def show_json(shown: Mapping[str, Any]) -> str:
    """The same as one JSON object with `formatVersion`."""
    return dump({"formatVersion": 1, **shown}) + "\n"


def _facts(values: Mapping[str, Any], style: Style) -> Iterator[str]:
    for name, label in _LABELS.items():
        value = values.get(name)
        if value is None or value == "" or value is False:
            continue
        yield _line(label, _time(value) if name.endswith("AtMs") else str(value), style)
    by = values.get("by")
    if isinstance(by, Mapping) and by:
        yield _line("by", ", ".join(f"{name} {value}" for name, value in by.items()), style)
    request = values.get("request")
    if isinstance(request, Mapping):
        yield f"  {style('request', Tone.FAINT)}\n"
        for name, value in request.items():
            yield f"    {printable(str(name))}: {printable(json.dumps(value, ensure_ascii=False))}\n"


def _line(label: str, value: str, style: Style) -> str:
    return f"  {style(label.ljust(_COLUMN), Tone.FAINT)} {printable(value)}\n"


def _time(value: object) -> str:
    return utc(value) if isinstance(value, int) else "-"
