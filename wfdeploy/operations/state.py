"""The `state` commands: look at what is recorded, and mend it by hand. None of them asks the server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from wfdeploy.errors import StateError, UsageError
from wfdeploy.model.address import Address, split_address
from wfdeploy.model.edits import Edit, Forget, PutAttempt, PutRecord, Rename
from wfdeploy.model.state import Attempt, AttemptStatus, Origin, Record
from wfdeploy.model.status import StatusRow
from wfdeploy.operations.status import attempted_row, recorded_row
from wfdeploy.operations.workspace import Workspace
from wfdeploy.pipeline.diff.targets import Targets
from wfdeploy.ports import StateStore


class Resolution(Enum):
    """What the user knows of a run whose answer was lost."""

    TRIGGERED = "triggered"
    RESEND = "resend"


def list_records(workspace: Workspace, globs: Sequence[str]) -> Sequence[StatusRow]:
    """What is recorded, in address order. Raises: `StateUnusable`, `UsageError` for a glob that matches nothing."""
    targets = Targets(globs)
    with _opened(workspace) as store:
        rows = {
            record.address: recorded_row(record, None) for record in store.records() if targets.match(record.address)
        }
        for attempt in store.attempts():
            if targets.match(attempt.address):
                rows[attempt.address] = attempted_row(attempt, None)
    targets.check()
    return [rows[address] for address in sorted(rows)]


def show(workspace: Workspace, address: str) -> Mapping[str, Any]:
    """Everything that is recorded of an address, as JSON. Raises: `StateUnusable`, `UsageError`: nothing recorded."""
    with _opened(workspace) as store:
        record = next(iter(store.records([address])), None)
        attempt = _attempt(store, address)
        history = store.history(address)
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


def remove(workspace: Workspace, globs: Sequence[str]) -> Sequence[Address]:
    """Forget what is recorded of these addresses; a tombstone keeps their generations. Nothing is cancelled.

    Returns the addresses. Raises: `StateError`, `UsageError`.
    """
    targets = Targets(globs)
    with workspace.lock(), _opened(workspace, readonly=False) as store:
        addresses = {key.address for key in store.record_keys() if targets.match(key.address)}
        addresses |= {attempt.address for attempt in store.attempts() if targets.match(attempt.address)}
        targets.check()
        write(workspace, store, [Forget(address) for address in sorted(addresses)])
    return sorted(addresses)


def move(workspace: Workspace, origin: str, to: str) -> None:
    """Give an address another name. Raises: `StateError`, `UsageError`."""
    try:
        split_address(to)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with workspace.lock(), _opened(workspace, readonly=False) as store:
        known = {key.address for key in store.record_keys()} | {attempt.address for attempt in store.attempts()}
        if origin not in known:
            raise UsageError(f"nothing is recorded of {origin}", hint="`wfdeploy state list` shows what is")
        if to in known:
            raise UsageError(f"{to} is recorded already", hint=f"forget it first: wfdeploy state rm '{to}'")
        write(workspace, store, [Rename(Address(origin), Address(to))])


def resolve(workspace: Workspace, address: str, resolution: Resolution) -> None:
    """Settle by hand a run whose answer was lost. Raises: `StateError`, `UsageError`: its outcome isn't open."""
    with workspace.lock(), _opened(workspace, readonly=False) as store:
        attempt = _attempt(store, address)
        if attempt is None or not attempt.is_open:
            raise UsageError(f"the outcome of {address} is not open", hint="`wfdeploy state list` shows what is")
        edit: Edit
        if resolution is Resolution.RESEND:
            edit = PutAttempt(attempt._replace(status=AttemptStatus.UNKNOWN, resend=True))
        else:
            edit = PutRecord(
                Record(
                    address=attempt.address,
                    fingerprint=attempt.fingerprint,
                    generation=attempt.generation,
                    workflow_run_id=attempt.workflow_run_id,
                    delivery=attempt.delivery,
                    origin=Origin.RECOVERED,
                    recorded_at_ms=workspace.clock.now_ms(),
                    by=attempt.by,
                    source=attempt.source,
                    request=attempt.request,
                )
            )
        write(workspace, store, [edit])


def export(workspace: Workspace) -> Iterator[str]:
    """The state as sorted JSON Lines. Raises: `StateUnusable`."""
    with _opened(workspace) as store:
        yield from workspace.stores.export(store)


def import_(workspace: Workspace, lines: Iterable[str]) -> int:
    """Make the state from exported lines; it must not exist yet, and must belong to this target.

    Returns the number of records. Raises: `StateError`.
    """
    with workspace.lock():
        if workspace.has_state:
            raise StateError(
                f"the state {workspace.target.state_file} exists",
                hint="move it away first: import never replaces a state",
            )
        store = workspace.stores.import_(lines, workspace.target.state_file, workspace.binding)
        try:
            return sum(1 for _ in store.record_keys())
        finally:
            store.close()


def _opened(workspace: Workspace, *, readonly: bool = True) -> _Closing:
    if not workspace.has_state:
        raise StateError(
            f"there is no state {workspace.target.state_file}",
            hint="`wfdeploy apply` begins one, --state names another",
        )
    return _Closing(workspace.open_state(readonly=readonly))


class _Closing:
    def __init__(self, store: StateStore) -> None:
        self._store = store

    def __enter__(self) -> StateStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _attempt(store: StateStore, address: str) -> Attempt | None:
    return next((attempt for attempt in store.attempts() if attempt.address == address), None)


def write(workspace: Workspace, store: StateStore, edits: Sequence[Edit]) -> None:
    """Commit what a person decided, under the lock."""
    was_latest = workspace.stores.is_latest(store)
    store.commit(edits)
    if was_latest:
        # Mending a state says nothing about whether it was the whole story.
        workspace.stores.mark_latest(store)


def _plain(value: Record | Attempt) -> dict[str, Any]:
    """camelCase JSON; JSON texts unfolded."""
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
