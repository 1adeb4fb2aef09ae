"""A closer look at recorded runs: their steps in the server's logs, and their past in the state."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Address
from wfdeploy.model.state import Record
from wfdeploy.model.status import LoggedRun, PastRun
from wfdeploy.planning.targets import Targets, labels_of, require_chosen, require_labels
from wfdeploy.ports import RecordReader
from wfdeploy.workspace import Workspace

MOST_LOGS = 100
"""Each costs a request, and the server limits how many there may be."""


def logs(workspace: Workspace, globs: Sequence[str], labels: Collection[str]) -> Sequence[LoggedRun]:
    """The steps of the selected runs, by address. One request a run.

    Raises: `UsageError` for a glob that matches nothing, or too much; `StateError`; `RemoteFailure`.
    """
    require_chosen(globs, labels)
    with workspace.existing_state() as store:
        records = list(selected(store, globs, labels))
    if len(records) > MOST_LOGS:
        raise UsageError(
            f"{len(records)} runs are selected, and the steps of {MOST_LOGS} can be shown at once",
            hint="say more exactly which ones; `wfdeploy status` shows how all of them do",
        )

    async def read() -> list[LoggedRun]:
        gateway = workspace.gateway()
        try:
            return [
                LoggedRun(record, await gateway.read_run(record.workflow_run_id, record.created_at_ms))
                for record in records
            ]
        finally:
            await gateway.aclose()

    return asyncio.run(read())


def history(workspace: Workspace, globs: Sequence[str], labels: Collection[str]) -> Sequence[PastRun]:
    """All runs of the selected addresses that the state knows of: by address, oldest first. The server isn't asked.

    Raises: `UsageError` for a glob that matches nothing; `StateError`.
    """
    targets = Targets(globs)
    within = None if labels else targets.spans
    with workspace.existing_state() as store:
        past: dict[Address, list[PastRun]] = {}
        for entry in store.history(within):
            past.setdefault(entry.record.address, []).append(
                PastRun(entry.record, entry.ended.value, entry.ended_at_ms)
            )
        for record in store.records(within=within):
            past.setdefault(record.address, []).append(PastRun(record))
    chosen = _chosen((runs[-1].record for _, runs in sorted(past.items())), targets, labels)
    return [run for record in chosen for run in past[record.address]]


def selected(store: RecordReader, globs: Sequence[str], labels: Collection[str]) -> Iterator[Record]:
    """The records that a glob matches (all, without any) and that carry one of the labels (any, without one).

    Raises: `UsageError` at the end for a glob or a label that matched nothing.
    """
    targets = Targets(globs)
    # Whether any run carries a label is known once all were looked at.
    return _chosen(store.records(within=None if labels else targets.spans), targets, labels)


def _chosen(records: Iterator[Record], targets: Targets, labels: Collection[str]) -> Iterator[Record]:
    wanted = set(labels)
    carried: set[str] = set()
    for record in records:
        found = wanted.intersection(labels_of(record)) if wanted else wanted
        carried |= found
        if targets.match(record.address) and (found or not wanted):
            yield record
    targets.check()
    require_labels(wanted, carried)
