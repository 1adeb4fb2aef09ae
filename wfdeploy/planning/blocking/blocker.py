"""Which changes must wait: for other groups, and for the steps of a rollout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from wfdeploy.errors import InvalidInput
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.blocking import Concurrency, Condition, Dependency, Headcount
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.edits import Edit, EndRollout
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Change
from wfdeploy.model.run import Group
from wfdeploy.model.spool import Spool
from wfdeploy.planning.blocking.headcounts import Headcounts
from wfdeploy.planning.blocking.inputs import Inputs
from wfdeploy.planning.blocking.rollouts import RolloutState, apply_rollout


class Blocker:
    """Blocks the changes that have to wait.

    Read `changes` to its end before the other attributes.
    edits: to be on disk before anything is sent.
    watched: groups whose run states matter.
    passes: a rollout waits for nothing but time.
    """

    def __init__(self, inputs: Inputs, headcounts: Headcounts) -> None:
        self.baseline = inputs.baseline
        self.manifests = inputs.baseline.manifests
        self.renames = inputs.baseline.renames
        self.context = inputs.context
        self.targets = inputs.targets
        self.headcounts = headcounts
        self.edits: list[Edit] = []
        self.watched: set[str] = set()
        self.passes = False

    def changes(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield all changes, in order, and block those that have to wait.

        Raises: `InvalidInput` in a shard, for a group that depends on another or skips instances.
        """
        groups = self.manifests.groups
        for name in self.renames.rollouts:
            group = groups.get(name)
            if group is not None and group.rollout is None:
                self.edits.append(EndRollout(name))  # its manifest wants none any more
        if self.baseline.workspace.target.shard is not None and (refused := list(self._refused())):
            raise InvalidInput(refused)
        if any(group.depends_on for group in groups.values()):
            changes = self._in_order(changes)
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

    def _in_order(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Block the changes of groups that have to wait. Only groups in which something would start are checked, once
        each."""
        reasons: dict[str, str | None] = {}
        for change in changes:
            if not change.starts:
                yield change
                continue
            group = group_of(change.address)
            if group not in reasons:
                reasons[group] = self._why_waiting(group)
            reason = reasons[group]
            yield change if reason is None else change.blocked(reason)

    def _why_waiting(self, name: str) -> str | None:
        """Why a group has to wait; None when it doesn't."""
        group = self.manifests.groups.get(name)
        for dependency in () if group is None else group.depends_on:
            reason = _why_unmet(dependency, self.headcounts.of(dependency.group))
            if reason is not None:
                if dependency.condition is not Condition.TRIGGERED:
                    self.watched.add(dependency.group)
                return reason
        return None

    # --- rollouts ----------------------------------------------------------------------------------------------

    def _rolled(self, group: Group, changes: Iterable[Change]) -> Iterator[Change]:
        assert group.rollout is not None
        held = Spool(changes)
        progress = self.renames.rollouts.get(group.name)
        members = {} if progress is None else self._members(group.name)
        states = self._member_states(group.name, members) if members else {}
        state = RolloutState(
            group=group.name,
            rollout=group.rollout,
            progress=progress,
            members=members,
            state_of=states.get,
            now_ms=self.context.now_ms,
        )
        rolled, decision = apply_rollout(held, state, self.targets.match)
        self.edits += decision.edits
        self.passes = self.passes or decision.passes
        if members and decision.progress is not None:
            self.watched.add(group.name)
        yield from rolled

    def _released(self, name: str) -> dict[Address, str]:
        """The runs that a group's rollout has released, by the addresses that they have now."""
        members: dict[Address, str] = {}
        for group in (*self.renames.former_groups(name), name):
            for address, text in self.baseline.store.members(group).items():
                own = f"{name}/{address.partition('/')[2]}"
                members[self.context.renames.get(address, Address(own))] = text
        return members

    def _member_states(self, name: str, members: Collection[Address]) -> dict[Address, RunState | None]:
        """The states of those released runs that are known to have started."""
        states = self.headcounts.states(name)
        known = {*self._recorded(members), *self.context.adopted, *self.headcounts.recovered(name)}
        return {address: states.get(address, RunState.SUCCESS) for address in members if address in known}

    def _recorded(self, addresses: Iterable[Address]) -> set[Address]:
        """Those of the addresses that have a record, maybe under a former name."""
        context = self.context
        records = self.baseline.store.records({context.former.get(address, address) for address in addresses})
        return {context.renames.get(record.address, record.address) for record in records}

    def _members(self, name: str) -> dict[Address, str]:
        """The released runs that still matter: declared or recorded ones."""
        members = self._released(name)
        known = self._recorded(members)
        known |= self.manifests.runs.find(members).keys()
        return {address: text for address, text in members.items() if address in known}


def _why_unmet(dependency: Dependency, headcount: Headcount | None) -> str | None:
    """Why a dependency isn't met yet; None when it is. Without a headcount, nothing is known of its group."""
    name = dependency.group
    if headcount is None:
        return f"waits for group {name}, which is neither loaded nor recorded"
    if headcount.fulfils(dependency.condition):
        return None
    condition = dependency.condition
    if headcount.triggered < headcount.total:
        condition = Condition.TRIGGERED  # first things first
    reason = f"waits for group {name}: {headcount.count(condition):,} of {headcount.total:,} {condition.value}"
    failed = headcount.finished - headcount.succeeded
    if dependency.condition is Condition.SUCCEEDED and failed:
        reason += f", {failed:,} ended otherwise"
    return reason
