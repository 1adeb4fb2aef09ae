"""Recorded runs for people and programs: their states as JSON, a refresh, a wait, and the records of the state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wfdeploy.errors import several
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import StateVersion
from wfdeploy.model.status import Refreshed, RowStatus, StateChange, StatusRow
from wfdeploy.render.encode import continuation_fields, document, dump, utc, version_fields
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import WORDS, continuation, counted, state_of
from wfdeploy.render.width import Cell, table


def json_text(
    rows: Sequence[StatusRow], versions: Sequence[StateVersion] = (), *, failed_on: Sequence[str] | None = None
) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,"summary":{…},"runs":[…]}`, one run per line; times in Unix milliseconds.

    versions: of a shared state that were read.
    failed_on: the states of `--fail-on` that runs are in; None without that option.
    """
    head: dict[str, object] = {**version_fields(versions), "summary": _summary(Counter(row.run_state for row in rows))}
    if failed_on is not None:
        head["failedOn"] = list(failed_on)
    return document(head, "runs", map(row_fields, rows))


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
        "lastSeenAt": row.seen_at_ms,
        "live": row.is_live,
        "source": row.source,
        "error": row.error,
        "attempts": row.tries,
        "handled": row.handled,
    }


def refreshed_text(found: Refreshed, style: Style = plain, *, width: int | None = None) -> Iterator[str]:
    """The runs whose recorded state changed, and the number of runs by state."""
    if not found.asked:
        yield "No recorded run is unfinished or failed; the server was not contacted.\n"
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
    for turn in found.turns:
        if turn.continues:
            yield (
                f"{printable(turn.address)} was resumed or restarted elsewhere: {printable(turn.workflow_run_id)} "
                f"continues {printable(turn.continues)}.\n"
            )
    for one in found.continuations:
        yield f"{style('warning:', Tone.CHANGED)} {printable(continuation(one))}\n"
    words = ", ".join(f"{count:,} {state_of(state)[0]}" for state, count in found.states.items())
    yield f"{style('Checked', Tone.STRONG)} {several(found.asked)}: {words}.\n"


def refreshed_json(found: Refreshed) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,"asked":…,"summary":{…},"changed":[…]}`, one run per line."""
    head = {
        "asked": found.asked,
        "summary": _summary(found.states),
        **({"continuations": list(map(continuation_fields, found.continuations))} if found.continuations else {}),
    }
    return document(head, "changed", map(_turned, found.turns))


def _turned(turn: StateChange) -> Mapping[str, object]:
    return {
        "address": turn.address,
        "workflowRunId": turn.workflow_run_id,
        "before": None if turn.before is None else turn.before.value,
        "after": turn.after.value,
        **({"continues": turn.continues} if turn.continues else {}),
    }


def _summary(states: Mapping[RunState | None, int]) -> Mapping[str, int]:
    """The number of runs in every state, also with zero."""
    return {state.value: states.get(state, 0) for state in RunState} | {"NOT_LISTED": states.get(None, 0)}


def waited_text(
    states: Mapping[RunState, int],
    *,
    fulfilled: bool,
    cut_short: str | None = None,
    unknown_outcomes: int = 0,
    next_step: str | None = None,
    style: Style = plain,
) -> Iterator[str]:
    """The number of runs in each state, and what to do about those that are not as wanted. `cut_short`: why the wait
    ended before they had all ended, as in `Timed out after 15 s`."""
    if fulfilled:
        yield f"{style('Done:', Tone.GOOD)} {counted(states, style) or 'no runs'}.\n"
        return
    total = sum(states.values())
    found = counted(states, style, running=f"of {total:,} still running") or "no runs"
    why = cut_short or "Not all succeeded"
    yield f"{style(f'{why}:', Tone.BAD)} {found}.\n"
    if unknown_outcomes:
        requests, them = ("request was", "it") if unknown_outcomes == 1 else ("requests were", "them")
        yield f"The answers to {unknown_outcomes:,} {requests} lost; `wfdeploy apply` looks {them} up.\n"
    if next_step is not None:
        yield f"{next_step}\n"


def waited_json(
    states: Mapping[RunState, int],
    *,
    fulfilled: bool,
    timed_out: bool,
    interrupted: bool,
    unknown_outcomes: int,
    failed_on: Sequence[str] | None = None,
) -> str:
    """`{"formatVersion":1,"fulfilled":…,"timedOut":…,"interrupted":…,"unknownOutcomes":…,"states":{…}}` with every
    state, also with zero.

    failed_on: the states of `--fail-on` that runs are in; None without that option.
    """
    fields = {
        "formatVersion": 1,
        "fulfilled": fulfilled,
        "timedOut": timed_out,
        "interrupted": interrupted,
        "unknownOutcomes": unknown_outcomes,
        "states": {state.value: states.get(state, 0) for state in RunState},
        **({} if failed_on is None else {"failedOn": list(failed_on)}),
    }
    return dump(fields) + "\n"


_LABELS: Mapping[str, str] = {
    "status": "status",
    "origin": "origin",
    "runState": "run state",
    "workflowRunId": "workflow run",
    "generation": "generation",
    "fingerprint": "fingerprint",
    "createdAtMs": "created",
    "recordedAtMs": "recorded",
    "observedAtMs": "observed",
    "intentAtMs": "started",
    "endedAtMs": "abandoned",
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


def list_text(rows: Sequence[StatusRow], style: Style = plain, *, width: int | None = None) -> Iterator[str]:
    """A table of records by address."""
    if not rows:
        yield "The state contains no runs.\n"
        return
    has_errors = any(row.error for row in rows)
    cells = [
        (
            Cell(printable(row.address)),
            Cell(row.status.value, _TONES[row.status]),
            Cell(str(row.generation)),
            Cell(printable(row.source), Tone.FAINT),
            *([Cell(printable(row.error or ""), Tone.BAD)] if has_errors else ()),
            Cell(printable(row.workflow_run_id), Tone.FAINT),
        )
        for row in rows
    ]
    headings = ("ADDRESS", "STATUS", "GEN", "SOURCE", *(["ERROR"] if has_errors else ()), "WORKFLOW RUN")
    yield from table(headings, cells, style, width=width)


def list_json(rows: Sequence[StatusRow]) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,"runs":[…]}`, one run per line; times in Unix milliseconds."""
    return document({}, "runs", map(row_fields, rows))


def show_text(shown: Mapping[str, Any], style: Style = plain) -> Iterator[str]:
    """Everything that is recorded about one address."""
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
    """Everything that is recorded about one address, as one JSON object with `formatVersion`."""
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
