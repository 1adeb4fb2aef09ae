"""Headcounts: how many runs of a group are triggered, succeeded or finished, for the groups that wait for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from wfdeploy.manifests.identify.fingerprint import version_of
from wfdeploy.model.address import Address, group_of, instance_parts, whole_groups
from wfdeploy.model.blocking import Headcount, instant
from wfdeploy.model.observed import NOT_SUCCEEDED, RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun, Group, OnChange
from wfdeploy.planning.blocking.due import due
from wfdeploy.planning.blocking.inputs import Inputs
from wfdeploy.planning.diff.differ import diff


class Headcounts:
    """Counts the runs of groups."""

    def __init__(self, inputs: Inputs, unchanged: Collection[str]) -> None:
        """`unchanged`: groups in which everything is as declared."""
        self.manifests = inputs.baseline.manifests
        self.store = inputs.baseline.store
        self.renames = inputs.baseline.renames
        self.context = inputs.context
        self.recurrences = inputs.recurrences
        self.unchanged = unchanged
        self._counted: dict[str, Headcount | None] = {}

    def of(self, name: str) -> Headcount | None:
        """The headcount of a group; None where nothing is known of it."""
        if name not in self._counted:
            self._counted[name] = self._count(name)
        return self._counted[name]

    def _count(self, name: str) -> Headcount | None:
        if name not in self.manifests.groups:
            counted = self._count_elsewhere(name)
            return None if counted is None else self._headcount(name, *counted)
        total = self.manifests.runs.groups[name].tally.count
        if name in self.recurrences:
            return self._count_newest(name, total)
        if name in self.unchanged:
            return self._headcount(name, total, total, None)
        current = {change.address for change in self._changes(name) if _is_current(change)}
        return self._headcount(name, total, len(current), current)

    def _changes(self, name: str) -> Iterator[Change]:
        """The changes of one group."""
        context = self.context
        mine = replace(
            context,
            attempts={address: one for address, one in context.attempts.items() if group_of(address) == name},
            adopted={address: one for address, one in context.adopted.items() if group_of(address) == name},
        )
        changes = diff(self._runs_of(name), self.store.record_keys(whole_groups(self._names(name))), mine, [])
        return (change for change in changes if group_of(change.address) == name)

    def _runs_of(self, name: str) -> Iterable[DesiredRun]:
        """The desired runs of a group: of a recurring group, its instances."""
        recurrence = self.recurrences.get(name)
        return self.manifests.runs.runs([name]) if recurrence is None else recurrence.runs

    def _names(self, name: str) -> list[str]:
        """The names under which the state has a group's runs. The plan's own edits make the renames."""
        renames = self.context.renames
        return [name, *sorted({group_of(origin) for origin, to in renames.items() if group_of(to) == name} - {name})]

    def _count_newest(self, name: str, total: int) -> Headcount:
        """Count the newest instance of each run of a recurring group, whether or not it is triggered yet."""
        due = self.recurrences[name].runs
        pending = {change.address for change in self._changes(name) if not _is_current(change)} if due else set()
        renames = self.context.renames
        recorded = self.store.record_keys(whole_groups(self._names(name)))
        known = (renames.get(key.address, key.address) for key in recorded)
        newest = _newest_instances({*known, *self.context.adopted, *(run.address for run in due)})
        templates = {run.address for run in self.manifests.runs.runs([name])}
        current = {address for template, address in newest.items() if template in templates} - pending
        return self._headcount(name, total, len(current), current)

    def _headcount(self, name: str, total: int, triggered: int, current: Collection[Address] | None) -> Headcount:
        """Make a headcount of the current runs (None: of all that are recorded)."""
        unfinished = self.states(name)
        states = [state for address, state in unfinished.items() if current is None or address in current]
        failed = sum(state is not None and state.is_final for state in states)
        succeeded = triggered - len(states)
        return Headcount(total=total, triggered=triggered, succeeded=succeeded, finished=succeeded + failed)

    def states(self, name: str) -> dict[Address, RunState | None]:
        """The states of the recorded runs that aren't known to have succeeded."""
        context = self.context
        states: dict[Address, RunState | None] = {}
        for recorded_as in self._names(name):
            for standing in self.store.standings(NOT_SUCCEEDED, recorded_as):
                address = context.renames.get(standing.address, standing.address)
                if group_of(address) == name:
                    states[address] = context.states.live.get(address, standing.run_state)
        for address, record in context.adopted.items():
            if group_of(address) == name:
                states[address] = record.run_state
        states |= self.recovered(name)
        return {address: state for address, state in states.items() if state is not RunState.SUCCESS}

    def recovered(self, name: str) -> dict[Address, RunState]:
        """The states of runs whose answers were lost and that were found."""
        return {
            address: verdict.run.state
            for address, verdict in self.context.verdicts.items()
            if verdict.run is not None and group_of(address) == name
        }

    # --- groups that aren't loaded -----------------------------------------------------------------------------

    def _count_elsewhere(self, name: str) -> tuple[int, int, Collection[Address] | None] | None:
        """For a group that isn't loaded: how many runs it has, how many are triggered as declared, and which (None: all
        that are recorded). None where nothing is known of the group.

        The rest of the project's manifests decide; where they can't be read, the records do. Runs that were refused, or
        may have started, count in either case.
        """
        context, renames = self.context, self.renames
        elsewhere = self.manifests.elsewhere
        whole = None if elsewhere is None else elsewhere.whole
        group = None if whole is None else whole.groups.get(name)
        decided = self.store.schedules()
        decided_s = max((decided[one] for one in (name, *renames.former_groups(name)) if one in decided), default=None)
        names = self._names(name)
        has_attempts = any(group_of(address) == name for address in context.attempts)
        adopted = {address: one.fingerprint for address, one in context.adopted.items() if group_of(address) == name}
        recurs = decided_s is not None if group is None else group.schedule is not None
        if not (recurs or has_attempts or adopted or names != [name]):
            tally = self.store.tallies().get(name)
            if group is None or whole is None:
                return None if tally is None else (tally.count, tally.count, None)
            if tally == whole.runs.groups[name].tally:
                return tally.count, tally.count, None
        known: dict[Address, str] = {}
        for key in self.store.record_keys(whole_groups(names)):
            address = renames.renamed(key.address)
            if group_of(address) == name:
                known[address] = key.fingerprint
        known |= adopted
        pending = self._pending(name, known)
        if not recurs and group is None:
            current = known.keys() - pending
            return (len({*known, *pending}), len(current), current) if known or pending else None
        declared: dict[Address, str] = {}
        if whole is not None and group is not None:
            declared = {run.address: run.fingerprint for run in whole.runs.runs([name])}
        if not recurs:
            assert group is not None
            same = {address for address, text in declared.items() if _is_same(known.get(address), text, group)}
            return len(declared), len(same - pending), same - pending
        if group is not None:
            pending |= _due(group, declared, decided_s, context.now_ms // 1000) - known.keys()
        newest = _newest_instances({*known, *pending})
        if group is not None:
            newest = {template: address for template, address in newest.items() if template in declared}
        current = set(newest.values()) - pending
        return len(declared) if group is not None else len(newest), len(current), current

    def _pending(self, name: str, known: dict[Address, str]) -> set[Address]:
        """The runs that aren't known to have started. Adds those that were found on the server to `known`."""
        pending: set[Address] = set()
        for address, attempt in self.context.attempts.items():
            if group_of(address) != name:
                continue
            verdict = self.context.verdicts.get(address)
            if verdict is not None and verdict.run is not None:
                known[address] = attempt.fingerprint
            elif attempt.is_open or known.get(address) != attempt.fingerprint:
                pending.add(address)
        return pending


def _is_current(change: Change) -> bool:
    """Whether what runs, or ran, at an address is what is declared."""
    if change.desired is None or change.action in (Action.TRIGGER, Action.RETRIGGER) or change.is_put_off:
        return False
    return change.action is not Action.RECOVER or change.is_found


def _newest_instances(addresses: Iterable[Address]) -> dict[str, Address]:
    """The newest of these instances, by run."""
    newest: dict[str, Address] = {}
    for address in sorted(addresses):
        parts = instance_parts(address)
        if parts is not None:
            newest[parts[0]] = address
    return newest


def _is_same(recorded: str | None, declared: str, group: Group) -> bool:
    """Whether the recorded run is the declared one, as far as fingerprints of the same version can tell."""
    if recorded is None:
        return False
    is_told = version_of(recorded) == version_of(declared)
    return recorded == declared or not is_told or group.policy.on_change is OnChange.IGNORE


def _due(group: Group, templates: Iterable[str], decided_s: int | None, now_s: int) -> set[Address]:
    """The latest instances that are due."""
    assert group.schedule is not None
    if decided_s is None:
        if group.schedule.start_s is None:
            return set()  # it hasn't begun
        decided_s = group.schedule.start_s - 1
    times = due(group.schedule, decided_s=decided_s, now_s=now_s).times
    return {Address(f"{template}@{instant(times[-1])}") for template in templates} if times else set()
