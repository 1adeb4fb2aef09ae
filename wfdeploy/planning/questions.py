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
from wfdeploy.planning.diff.failure_policy import Case, by_policy
from wfdeploy.planning.listing.successors import Failed, past_failures
from wfdeploy.planning.targets import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a plan depends on and only the server knows."""

    sends: int  # runs to be sent: another runner may have triggered them
    attempts: list[Attempt]  # requests whose answers were lost
    standings: list[Standing]  # recorded runs whose state decides something
    failed: list[Failed]  # failed runs that somebody may have handled elsewhere
    undecided: bool  # whether instances of a schedule may have been triggered that the state doesn't know

    @property
    def ask_for_absence(self) -> bool:
        """Whether it decides something that a run was *not* triggered: a listing must begin late enough to prove it."""
        return bool(self.sends or self.attempts or self.undecided)

    def __bool__(self) -> bool:
        return bool(self.ask_for_absence or self.standings or self.failed)


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


def failed_in_question(
    baseline: Baseline, selection: Selection, states: RunStates, adopted: Iterable[Standing], *, has_strangers: bool
) -> list[Failed]:
    """All failed runs, if it must be known of one whether somebody handled it elsewhere: when it is to be started
    again, which could be once too often, or to be resumed without a known dead letter.

    adopted: runs that the state doesn't hold yet.
    has_strangers: whether the listing shows runs that nobody here started, which may continue any of the failed ones.
    """
    groups, targets = baseline.manifests.groups, Targets(selection.targets)
    now_ms = baseline.workspace.clock.now_ms()
    retention_s = baseline.workspace.project.server.dlq_retention_s
    requested, is_off = selection.requested, selection.refresh is Refresh.OFF

    def is_wanted(standing: Standing) -> bool:
        address = baseline.renames.renamed(standing.address)
        if standing.run_state is not RunState.FAILED:
            return False
        if requested is not None:
            return requested is not RequestedAction.CANCEL and targets.match(address)
        if address in selection.replace or (has_strangers and not is_off):
            return True
        group = groups.get(group_of(address))
        if group is None or standing.handled:
            return False
        case, on_failure = Case(standing=standing, now_ms=now_ms, dlq_retention_s=retention_s), group.policy.on_failure
        if by_policy(case, group.policy).action is Action.RESTART:
            return True
        is_resumed = on_failure.action is FailureAction.RESUME and standing.tries < on_failure.max_attempts
        return is_resumed and standing.dlq_id is None and not case.is_too_late and not is_off

    standings = [*states.troubled.values(), *adopted]
    past = past_failures(baseline.store.history()) if has_strangers and not is_off else []
    if not past and not any(map(is_wanted, standings)):
        return []
    # All of them: see `find_successors`.
    renamed = baseline.renames.renamed
    failed = [one._replace(address=renamed(one.address)) for one in standings if one.run_state is RunState.FAILED]
    return [*map(Failed, failed), *past]
