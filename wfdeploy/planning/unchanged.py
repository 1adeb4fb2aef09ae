"""The most common plan: nothing has changed. It is made without loading what explains differences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfdeploy.model.observed import TROUBLED
from wfdeploy.model.plan import Action, Plan, Selection
from wfdeploy.model.run import Policy

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.state import Head
    from wfdeploy.ports import StateReader
    from wfdeploy.workspace import Workspace


def unchanged(
    workspace: Workspace, manifests: Manifests, store: StateReader, selection: Selection, *, offline: bool
) -> Plan | None:
    """The plan, where declared and recorded runs are the same and nothing else is known of any. None where a closer
    look is needed (which may come to the same plan)."""
    with workspace.phase("plan"):
        return _unchanged(workspace, manifests, store, selection, offline=offline)


def _unchanged(
    workspace: Workspace, manifests: Manifests, store: StateReader, selection: Selection, *, offline: bool
) -> Plan | None:
    if selection != Selection(variables=selection.variables) or any(manifests.cautions):
        return None
    # Below, the recorded runs must be the declared ones, so no move of a run is left to be made.
    if manifests.moved and (workspace.target.shard is not None or store.schedules() or store.rollouts()):
        return None
    groups = manifests.runs.groups.values()
    if any(
        one.schedule is not None
        or one.rollout is not None
        or one.depends_on
        or one.policy != Policy(one.policy.on_change, one.policy.on_remove)
        for one in (group.group for group in groups)
    ):
        return None
    declared = {group.group.name: group.tally for group in groups if group.tally.count}
    if store.tallies() != declared or any(True for _ in store.attempts()) or store.unclaimed():
        return None
    if any(True for _ in store.standings(TROUBLED)):
        return None
    plan = plan_without_changes(workspace, manifests, store.head(), verified=not offline)
    kept = sum(tally.count for tally in declared.values())
    return replace(plan, summary={**plan.summary, Action.KEEP: kept})


def plan_without_changes(workspace: Workspace, manifests: Manifests, head: Head, *, verified: bool) -> Plan:
    """A plan with its target and no changes."""
    target = workspace.target
    return Plan(
        project=target.project.name,
        environment=target.project.environment,
        url=target.url,
        token_source=target.token_source,
        state=target.state_name,
        lineage=head.lineage,
        serial=head.serial,
        verified=verified,
        changes=(),
        sends=0,
        summary=dict.fromkeys(Action, 0),
        warnings=tuple(manifests.doubts),
        manifests_digest=manifests.digest,
        shard="" if target.shard is None else str(target.shard),
        versions=tuple(workspace.state_backend.versions),
    )
