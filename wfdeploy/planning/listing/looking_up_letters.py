"""Dead letters that the logs don't tell: looked up in the dead-letter queue, by one listing for all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from wfdeploy.errors import ExitCode, Interrupted, RemoteFailure
from wfdeploy.model.address import group_of
from wfdeploy.model.event import Notice
from wfdeploy.model.plan import Refresh, Wish
from wfdeploy.model.remote import DeadLetter, RunState
from wfdeploy.model.run import FailureAction
from wfdeploy.model.state import Standing
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.failure_policy import Case
from wfdeploy.planning.listing.dead_letters import Letters, letter_of
from wfdeploy.planning.listing.refreshing import since
from wfdeploy.planning.targets import Targets

if TYPE_CHECKING:
    from wfdeploy.planning.listing.discovery import Discovery
    from wfdeploy.planning.outlook import Outlook, Seen
    from wfdeploy.planning.prepared import Prepared


def lacking(prepared: Prepared) -> list[Standing]:
    """The failed runs that are to be resumed, now or after a while, and whose dead letter isn't known."""
    selection = prepared.selection
    if selection.refresh is Refresh.OFF or selection.wish not in (None, Wish.RESUME):
        return []
    groups, targets = prepared.manifests.groups, Targets(selection.targets)
    now_ms = prepared.workspace.clock.now_ms()
    retention_s = prepared.workspace.project.server.dlq_retention_s

    def is_wanted(standing: Standing) -> bool:
        address = prepared.renames.get(standing.address, standing.address)
        if standing.run_state is not RunState.FAILED or standing.dlq_id is not None or standing.handled:
            return False
        if Case(standing=standing, now_ms=now_ms, dlq_retention_s=retention_s).is_too_late:
            return False
        if selection.wish is Wish.RESUME:
            return targets.match(address)
        group = groups.get(group_of(address))
        policy = None if group is None else group.policy.on_failure
        return policy is not None and policy.action is FailureAction.RESUME and standing.tries < policy.max_attempts

    return [standing for standing in prepared.condition.standings.values() if is_wanted(standing)]


async def with_letters(
    discovery: Discovery, prepared: Prepared, seen: Seen, *, known: Letters | None = None, keep_all: bool = False
) -> tuple[Seen, Outlook]:
    """The plan that a listing makes; where it lacks dead letters, with what the dead-letter queue tells. `known`: what
    it told already. A queue that can't be read is no reason to do nothing else."""
    seen = replace(seen, letters=known)
    outlook = prepared.outlook(seen, keep_all=keep_all)
    wanted = lacking(prepared)
    if not wanted or known is not None:
        return seen, outlook
    seen = replace(seen, letters=await _find(discovery, wanted))
    return seen, prepared.outlook(seen, keep_all=keep_all)


async def _find(discovery: Discovery, wanted: Sequence[Standing]) -> Letters:
    workspace = discovery.workspace
    lag_ms = round(1000 * discovery.log_lag_s)
    began_ms = workspace.clock.now_ms()
    missing = {id_key(standing.workflow_run_id): standing for standing in wanted}
    asked = frozenset(missing)
    found: dict[str, str] = {}
    try:
        # A run fails after it was created, so the oldest run's time bounds the list whichever of both is meant by date.
        since_ms = since(wanted, lag_ms)
        async for page in discovery.gateway.list_dead_letters(label=workspace.project.label, since_ms=since_ms):
            _take(page, workspace.project.label, missing, found)
            if not missing:
                break
            if discovery.stopped():
                raise Interrupted("stopped while listing the server's dead letters", exit_code=ExitCode.SIGINT)
    except RemoteFailure as error:
        workspace.listener(Notice(f"dead letters could not be looked up: {error.message}", error.hint))
        return Letters(asked, began_ms, found)
    return Letters(asked, began_ms, found, complete_at_ms=began_ms - lag_ms)


def _take(page: Collection[DeadLetter], label: str, missing: dict[str, Standing], found: dict[str, str]) -> None:
    for letter in page:
        if letter.labels and label not in letter.labels:
            continue  # another project's, which the server was not asked for
        key = id_key(letter.workflow_run_id)
        standing = missing.get(key)
        if standing is not None and letter_of(standing, letter):
            found[key] = letter.dlq_id
            del missing[key]
