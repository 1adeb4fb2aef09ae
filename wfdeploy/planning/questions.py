"""What a plan depends on and only the server knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from wfdeploy.model.address import Address, group_of
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Plan, Refresh, RequestedAction, Selection
from wfdeploy.model.run import FailureAction, Group, ReplaceRunning
from wfdeploy.model.state import Attempt, Standing
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.diff.context import RunStates
from wfdeploy.planning.diff.failure_policy import Case
from wfdeploy.planning.targets import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a plan depends on and only the server knows."""

    sends: int  # runs to be sent: another runner may have triggered them
    attempts: list[Attempt]  # requests whose answers were lost
    standings: list[Standing]  # recorded runs whose state decides something
    dead_letters: list[Standing]  # failed runs whose dead letter isn't known
    undecided: bool  # whether instances of a schedule may have been triggered that the state doesn't know

    @property
    def ask_for_absence(self) -> bool:
        """Whether it decides something that a run was *not* triggered: a listing must begin late enough to prove it."""
        return bool(self.sends or self.attempts or self.undecided)

    def __bool__(self) -> bool:
        return bool(self.ask_for_absence or self.standings or self.dead_letters)


def standings_in_question(
    baseline: Baseline, selection: Selection, plan: Plan, adopted: Iterable[Standing], watched: Collection[str]
) -> list[Standing]:
    """The runs that aren't known to have ended and whose state should be known for this plan. They cost no request
    each, but together a listing that begins with the oldest.

    adopted: runs that the state doesn't hold yet.
    watched: groups whose run states matter.
    """
    if selection.refresh is Refresh.OFF:
        return []
    groups = baseline.manifests.groups
    names = {name for name, group in groups.items() if group.policy.acts}.union(watched)
    addresses = _addresses_in_question(selection, groups, plan)
    # By now, a run that was still running may be in the states that are selected.
    may_be_selected = Targets(selection.targets).match if selection.run_states else None
    if selection.refresh is Refresh.AUTO and not names and not addresses and may_be_selected is None:
        return []
    return [
        standing
        for standing in chain(baseline.unfinished(), adopted)
        if selection.refresh is Refresh.ALL
        or (address := baseline.renames.renamed(standing.address)) in addresses
        or group_of(address) in names
        or (may_be_selected is not None and may_be_selected(address))
    ]


def _addresses_in_question(selection: Selection, groups: Mapping[str, Group], plan: Plan) -> set[Address]:
    """Addresses whose run states the plan depends on."""
    careful = any(group.policy.replace_running is not ReplaceRunning.ALLOW for group in groups.values())
    if selection.requested is None and not careful and not plan.summary[Action.CANCEL]:
        return set()
    return {
        change.address
        for change in (*plan.changes, *(plan.kept if selection.requested else ()))
        if selection.requested is not None
        or change.action is Action.CANCEL
        or (
            change.action in (Action.RETRIGGER, Action.BLOCKED)
            and change.desired is not None
            and change.desired.group.policy.replace_running is not ReplaceRunning.ALLOW
        )
    }


def missing_dead_letters(baseline: Baseline, selection: Selection, states: RunStates) -> list[Standing]:
    """The failed runs that are to be resumed, now or later, and whose dead letter isn't known."""
    if selection.refresh is Refresh.OFF or selection.requested not in (None, RequestedAction.RESUME):
        return []
    groups, targets = baseline.manifests.groups, Targets(selection.targets)
    now_ms = baseline.workspace.clock.now_ms()
    retention_s = baseline.workspace.project.server.dlq_retention_s

    def is_wanted(standing: Standing) -> bool:
        address = baseline.renames.renamed(standing.address)
        if standing.run_state is not RunState.FAILED or standing.dlq_id is not None or standing.handled:
            return False
        if Case(standing=standing, now_ms=now_ms, dlq_retention_s=retention_s).is_too_late:
            return False
        if selection.requested is RequestedAction.RESUME:
            return targets.match(address)
        group = groups.get(group_of(address))
        policy = None if group is None else group.policy.on_failure
        return policy is not None and policy.action is FailureAction.RESUME and standing.tries < policy.max_attempts

    return [standing for standing in states.troubled.values() if is_wanted(standing)]
