"""Show what is recorded, and mend it by hand. Nothing here contacts the server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from wfdeploy.errors import StateError, UsageError, Withheld
from wfdeploy.manifests.identify.run_ids import parse_attempt
from wfdeploy.model.address import Address, exactly, shell_pattern, split_address
from wfdeploy.model.edits import DropAttempt, Forget, PutAttempt, PutRecord, Rename
from wfdeploy.model.state import Attempt, AttemptStatus, Origin, Record
from wfdeploy.model.status import StatusRow
from wfdeploy.model.workflow_id import id_key, parse_run_id
from wfdeploy.operations.status import attempted_row, recorded_row
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import RecordReader
from wfdeploy.workspace import Workspace

_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")


class Resolution(Enum):
    """What the user decides about a run whose answer was lost."""

    TRIGGERED = "triggered"
    RESEND = "resend"


def list_records(workspace: Workspace, globs: Sequence[str]) -> Sequence[StatusRow]:
    """One row per recorded address, in order. Raises: `StateUnusable`, `UsageError` for a glob that matches nothing."""
    targets = Targets(globs)
    with workspace.existing_state() as store:
        rows = {
            record.address: recorded_row(record, None)
            for record in store.records(within=targets.spans)
            if targets.match(record.address)
        }
        for attempt in store.attempts(targets.spans):
            if targets.match(attempt.address):
                rows[attempt.address] = attempted_row(attempt, None)
    targets.check()
    return [rows[address] for address in sorted(rows)]


def show(workspace: Workspace, address: str) -> Mapping[str, Any]:
    """Everything recorded about an address, as JSON. Raises: `StateUnusable`, `UsageError` when that is nothing."""
    with workspace.existing_state() as store:
        record = next(iter(store.records([address])), None)
        attempt = _attempt(store, address)
        history = store.history(exactly(address))
    if record is None and attempt is None and not history:
        raise UsageError(f"nothing is recorded of {address}", hint="`wfdeploy state list` shows what is")
    return {
        "address": address,
        "record": None if record is None else _plain(record),
        "attempt": None if attempt is None else _plain(attempt),
        "history": [
            {"ended": entry.ended.value, "endedAtMs": entry.ended_at_ms, "record": _plain(entry.record)}
            for entry in history
        ],
    }


def remove(
    workspace: Workspace, globs: Sequence[str], confirm: Callable[[Sequence[Address]], bool] = lambda _: True
) -> Sequence[Address]:
    """Forget the records of these addresses; tombstones keep their generations. Nothing is cancelled.

    Returns the addresses. Raises: `StateError`, `UsageError`; `Withheld` when `confirm` declines.
    """
    with workspace.lock(), workspace.existing_state(readonly=False) as store:
        addresses = _recorded(store, globs)
        if not confirm(addresses):
            raise Withheld("declined: nothing was forgotten")
        workspace.commit(store, [Forget(address) for address in addresses])
    return addresses


def removable(workspace: Workspace, globs: Sequence[str]) -> Sequence[Address]:
    """What `remove` would forget. Raises: `StateError`, `UsageError`."""
    with workspace.existing_state() as store:
        return _recorded(store, globs)


def _recorded(store: RecordReader, globs: Sequence[str]) -> Sequence[Address]:
    targets = Targets(globs)
    addresses = {key.address for key in store.record_keys(targets.spans) if targets.match(key.address)}
    addresses |= {one.address for one in store.attempts(targets.spans) if targets.match(one.address)}
    targets.check()
    return sorted(addresses)


def move(workspace: Workspace, origin: str, to: str) -> None:
    """Rename an address. Raises: `StateError`, `UsageError`."""
    try:
        split_address(to)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with workspace.lock(), workspace.existing_state(readonly=False) as store:
        asked = exactly(*sorted({origin, to}))
        known = {key.address for key in store.record_keys(asked)} | {one.address for one in store.attempts(asked)}
        if origin not in known:
            raise UsageError(f"nothing is recorded of {origin}", hint="`wfdeploy state list` shows what is")
        if to in known:
            raise UsageError(
                f"{to} is already recorded", hint=f"forget it first: wfdeploy state rm {shell_pattern(to)}"
            )
        workspace.commit(store, [Rename(Address(origin), Address(to))])


def resolve(workspace: Workspace, address: str, resolution: Resolution, run_id: str | None = None) -> None:
    """Resolve by hand a run whose answer was lost. `run_id`: the id of the run that the server started; needed for a
    resumed run, whose id only the server knows.

    Raises: `StateError`; `UsageError` when its outcome isn't open, or the id is missing or can't be that of its run.
    """
    with workspace.lock(), workspace.existing_state(readonly=False) as store:
        attempt = _attempt(store, address)
        if attempt is None or not attempt.is_open:
            raise UsageError(f"the outcome of {address} is not open", hint="`wfdeploy state list` shows what is")
        if resolution is Resolution.RESEND:
            again = attempt._replace(status=AttemptStatus.UNKNOWN, resend=True)
            workspace.commit(store, [PutAttempt(again)])
            return
        record = attempt.record(
            origin=Origin.RECOVERED,
            created_at_ms=None,
            # When it was sent: a listing that begins now would call it missing.
            recorded_at_ms=attempt.intent_at_ms,
            workflow_run_id=_resumed_id(store, attempt, run_id) if attempt.is_resume else _own_id(attempt, run_id),
        )
        workspace.commit(store, [DropAttempt(attempt.address), PutRecord(record)])


def _own_id(attempt: Attempt, run_id: str | None) -> str:
    if run_id is not None and id_key(run_id) != id_key(attempt.workflow_run_id):
        raise UsageError(
            f"the run of {attempt.address} has the id {attempt.workflow_run_id}, and not {run_id}",
            hint="leave --run-id out; it is for resumed runs, whose ids the server chooses",
        )
    return attempt.workflow_run_id


def _resumed_id(store: RecordReader, attempt: Attempt, run_id: str | None) -> str:
    where = f"look in the console for the run with the label {attempt.workflow_run_id}"
    if run_id is None:
        raise UsageError(
            f"{attempt.address} was resumed, as a run with an id of the server's making: give it with --run-id",
            hint=where,
        )
    records = [*store.records([attempt.address]), *(entry.record for entry in store.history(exactly(attempt.address)))]
    is_former = id_key(run_id) in {id_key(record.workflow_run_id) for record in records}
    is_triggered = parse_run_id(run_id) is not None  # with an id of our own making
    if not _RUN_ID.fullmatch(run_id) or parse_attempt((run_id,)) is not None or is_former or is_triggered:
        raise UsageError(f"{run_id} is not the id of the run that was resumed from {attempt.address}", hint=where)
    return run_id


def export(workspace: Workspace) -> Iterator[str]:
    """Yield the state as sorted JSON Lines. Raises: `StateUnusable`."""
    with workspace.existing_state() as store:
        yield from workspace.state_backend.export(store)


def import_(workspace: Workspace, lines: Iterable[str]) -> int:
    """Make the state from exported lines. It must not exist yet, and must belong to this target.

    Returns the number of records. Raises: `StateError`.
    """
    workspace.require_state_name()
    with workspace.lock():
        if workspace.has_state:
            raise StateError(
                f"the state {workspace.target.state_name} exists",
                hint="move it away first: import never replaces a state",
            )
        store = workspace.state_backend.import_(lines)
        try:
            return sum(1 for _ in store.record_keys())
        finally:
            store.close()


def _attempt(store: RecordReader, address: str) -> Attempt | None:
    return next(store.attempts(exactly(address)), None)


def _plain(value: Record | Attempt) -> dict[str, Any]:
    """Convert to JSON with camelCase keys; fields that hold JSON are parsed."""
    result: dict[str, Any] = {}
    names = value._fields if isinstance(value, Attempt) else [field.name for field in fields(value)]
    for name in names:
        item = getattr(value, name)
        if name in ("request", "by"):
            item = json.loads(item) if item else None
        elif isinstance(item, Enum):
            item = item.value
        head, *rest = name.split("_")
        result[head + "".join(part.capitalize() for part in rest)] = item
    return result
