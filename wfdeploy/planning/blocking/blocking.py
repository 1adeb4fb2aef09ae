"""Whose turn it is: runs that wait for other groups, and runs that wait for the steps of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address, group_of, whole_groups
from wfdeploy.model.blocking import Concurrency, Condition, Headcount, Progress
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.edits import Edit, EndRollout
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.remote import RunState
from wfdeploy.model.run import DesiredRun, Group
from wfdeploy.model.spool import Spool
from wfdeploy.planning.blocking.order import in_order, is_found, is_put_off, missing
from wfdeploy.planning.blocking.rolling import Underway, roll
from wfdeploy.planning.blocking.unloaded import count_elsewhere, newest_instances
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.planning.diff.differ import diff
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import StateReader

_NOT_SUCCEEDED = (None, *(state for state in RunState if state is not RunState.SUCCESS))


@dataclass(slots=True, kw_only=True)
class Turns:
    """Blocks the changes that have to wait.

    Raises: `InvalidInput` where runs are shared out to shards and a group depends on another, or skips instances.

    `runs_of` gives the desired runs of a group (instances, of a recurring one); `former` the names that a group had
    before; `rollouts`: those under way, by the names that groups have now. `quiet`: groups in which everything is as
    declared. After `changes` was read to its end: `edits` are to be on disk before anything is sent; `watched` are
    groups of which it matters how their runs do; `passes`: a rollout waits for nothing but time.
    """

    manifests: Manifests
    store: StateReader
    context: DiffContext
    targets: Targets
    quiet: Collection[str]
    runs_of: Callable[[str], Iterable[DesiredRun]]
    rollouts: Mapping[str, Progress] = field(default_factory=dict)
    former: Callable[[str], Iterable[str]] = lambda _: ()
    sharded: bool = False
    edits: list[Edit] = field(default_factory=list)
    watched: set[str] = field(default_factory=set)
    passes: bool = False
    _counted: dict[str, Headcount | None] = field(default_factory=dict)

    def changes(self, changes: Iterable[Change]) -> Iterator[Change]:
        """All changes, in order, those blocked that have to wait."""
        groups = self.manifests.groups
        for name in self.rollouts:
            group = groups.get(name)
            if group is not None and group.rollout is None:
                self.edits.append(EndRollout(name))  # its manifest wants none any more
        if self.sharded and (refused := list(self._refused())):
            raise InvalidInput(refused)
        if any(group.depends_on for group in groups.values()):
            changes = in_order(changes, self._waits)
        if not any(group.rollout is not None for group in groups.values()):
            yield from changes
            return
        for name, members in groupby(changes, lambda change: group_of(change.address)):
            group = groups.get(name)
            if group is None or group.rollout is None:
                yield from members
            else:
                yield from self._rolled(group, members)

    # --- the order of groups -----------------------------------------------------------------------------------

    def _refused(self) -> Iterator[Diagnostic]:
        manifests = self.manifests
        for name, group in manifests.groups.items():
            place = Place(manifests.files[manifests.runs.file_of(name)])
            if group.schedule is not None and group.schedule.concurrency is Concurrency.SKIP:
                yield Diagnostic(
                    code="sharded-skip",
                    message=f"{name} has concurrency: skip, which can't be judged in shards: the instances of one run "
                    "belong to several of them",
                    place=place,
                    address=name,
                    hint="leave it to the flow control of the runs, or apply the file without --shard",
                )
            for dependency in group.depends_on:
                yield Diagnostic(
                    code="sharded-order",
                    message=f"{name} depends on the group {dependency.group}, which can't be judged in shards: none of "
                    "them knows how all runs of a group do",
                    place=replace(place, line=dependency.line),
                    address=name,
                    hint="share out the files of the groups that wait for nobody; then apply everything without "
                    "--shard, which adopts what the shards have triggered",
                )

    def _waits(self, name: str) -> str | None:
        """Why a group has to wait; None when it doesn't."""
        group = self.manifests.groups.get(name)
        for dependency in () if group is None else group.depends_on:
            if dependency.group not in self._counted:
                self._counted[dependency.group] = self._count(dependency.group)
            headcount = self._counted[dependency.group]
            reason = missing(dependency, headcount)
            if reason is not None:
                if dependency.condition is not Condition.TRIGGERED:
                    self.watched.add(dependency.group)
                return reason
        return None

    def _count(self, name: str) -> Headcount | None:
        """How the runs of a group do; None where nothing is known of it."""
        group = self.manifests.groups.get(name)
        decided = self.store.schedules()
        if group is None:
            counted = count_elsewhere(
                name,
                names=self._names(name),
                manifests=self.manifests,
                store=self.store,
                context=self.context,
                decided_s=max((decided[one] for one in (name, *self.former(name)) if one in decided), default=None),
            )
            return None if counted is None else self._tell(name, *counted)
        total = self.manifests.runs.groups[name].tally.count
        if group.schedule is not None:
            return self._count_newest(name, total)
        if name in self.quiet:
            return self._tell(name, total, total, None)
        current = {change.address for change in self._alone(name) if _is_current(change)}
        return self._tell(name, total, len(current), current)

    def _alone(self, name: str) -> Iterator[Change]:
        """The changes of one group."""
        context = self.context
        mine = replace(
            context,
            attempts={address: one for address, one in context.attempts.items() if group_of(address) == name},
            adopted={address: one for address, one in context.adopted.items() if group_of(address) == name},
        )
        changes = diff(self.runs_of(name), self.store.record_keys(whole_groups(self._names(name))), mine, [])
        return (change for change in changes if group_of(change.address) == name)

    def _names(self, name: str) -> list[str]:
        """The groups under whose names the state has runs of a group: renames are made by the plan's own edits."""
        renames = self.context.renames
        return [name, *sorted({group_of(origin) for origin, to in renames.items() if group_of(to) == name} - {name})]

    def _count_newest(self, name: str, total: int) -> Headcount:
        """Of a recurring group: the newest instance of each of its runs, whether or not it is triggered yet."""
        due = self.runs_of(name)
        pending = {change.address for change in self._alone(name) if not _is_current(change)} if due else set()
        renames = self.context.renames
        recorded = self.store.record_keys(whole_groups(self._names(name)))
        known = (renames.get(key.address, key.address) for key in recorded)
        newest = newest_instances({*known, *self.context.adopted, *(run.address for run in due)})
        templates = {run.address for run in self.manifests.runs.runs([name])}
        current = {address for template, address in newest.items() if template in templates} - pending
        return self._tell(name, total, len(current), current)

    def _tell(self, name: str, total: int, triggered: int, current: Collection[Address] | None) -> Headcount:
        """A headcount of the current runs (None: all that are recorded)."""
        unwell = self._states(name)
        states = [state for address, state in unwell.items() if current is None or address in current]
        failed = sum(state is not None and state.is_final for state in states)
        succeeded = triggered - len(states)
        return Headcount(total=total, triggered=triggered, succeeded=succeeded, finished=succeeded + failed)

    def _states(self, name: str) -> dict[Address, RunState | None]:
        """How the recorded runs of a group do that aren't known to have succeeded."""
        context = self.context
        states: dict[Address, RunState | None] = {}
        for recorded_as in self._names(name):
            for standing in self.store.standings(_NOT_SUCCEEDED, recorded_as):
                address = context.renames.get(standing.address, standing.address)
                if group_of(address) == name:
                    states[address] = context.live_states.get(address, standing.run_state)
        for address, record in context.adopted.items():
            if group_of(address) == name:
                states[address] = record.run_state
        states |= self._recovered(name)
        return {address: state for address, state in states.items() if state is not RunState.SUCCESS}

    def _recovered(self, name: str) -> dict[Address, RunState]:
        """How those runs do whose answers were lost, and found."""
        return {
            address: verdict.run.state
            for address, verdict in self.context.verdicts.items()
            if verdict.run is not None and group_of(address) == name
        }

    # --- rollouts ----------------------------------------------------------------------------------------------

    def _rolled(self, group: Group, changes: Iterable[Change]) -> Iterator[Change]:
        assert group.rollout is not None
        held = Spool(changes)
        progress = self.rollouts.get(group.name)
        members = {} if progress is None else self._members(group.name)
        states = self._member_states(group.name, members) if members else {}
        underway = Underway(
            group=group.name,
            rollout=group.rollout,
            progress=progress,
            members=members,
            state_of=states.get,
            now_ms=self.context.now_ms,
        )
        rolled, decision = roll(held, underway, self.targets.match)
        self.edits += decision.edits
        self.passes = self.passes or decision.passes
        if members and decision.progress is not None:
            self.watched.add(group.name)
        yield from rolled

    def _let_go(self, name: str) -> dict[Address, str]:
        """The runs of a group that are let go, by the addresses that they have now."""
        members: dict[Address, str] = {}
        for group in (*self.former(name), name):
            for address, text in self.store.members(group).items():
                own = f"{name}/{address.partition('/')[2]}"
                members[self.context.renames.get(address, Address(own))] = text
        return members

    def _member_states(self, name: str, members: Collection[Address]) -> dict[Address, RunState | None]:
        """How those of the runs let go do that are known to be started."""
        unwell = self._states(name)
        known = {*self._recorded(members), *self.context.adopted, *self._recovered(name)}
        return {address: unwell.get(address, RunState.SUCCESS) for address in members if address in known}

    def _recorded(self, addresses: Iterable[Address]) -> set[Address]:
        """Those that have a record, maybe under a former name."""
        context = self.context
        records = self.store.records({context.former.get(address, address) for address in addresses})
        return {context.renames.get(record.address, record.address) for record in records}

    def _members(self, name: str) -> dict[Address, str]:
        """The runs let go that are still of interest: declared, or recorded."""
        members = self._let_go(name)
        known = self._recorded(members)
        known |= self.manifests.runs.find(members).keys()
        return {address: text for address, text in members.items() if address in known}


def _is_current(change: Change) -> bool:
    """Whether what runs, or ran, at an address is what is declared."""
    if change.desired is None or change.action in (Action.TRIGGER, Action.RETRIGGER):
        return False
    if is_put_off(change):
        return False
    if change.action is Action.RECOVER:
        return is_found(change)
    return True
