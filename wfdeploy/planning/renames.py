"""Former names, by `moved:` and by former spellings of numbers, matched with what the state has under them.

About spellings see `manifests/expand/numbers.py`. A difference of spelling alone triggers nothing: such runs are found
under their former identities.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TypeVar

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address, group_of, instance_parts, shell_pattern, whole_groups
from wfdeploy.model.blocking import RolloutProgress
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.edits import Decide, Edit, RenameGroup
from wfdeploy.model.run import DesiredRun, OnRemove
from wfdeploy.model.state import Record
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import StateReader

T = TypeVar("T")


class Renames:
    """Which recorded addresses have another name now.

    Raises: `InvalidInput` when a move can't be made; `UsageError` for moves in shards.
    """

    def __init__(self, manifests: Manifests, store: StateReader, *, sharded: bool) -> None:
        self._moved = manifests.moved
        self._groups = manifests.groups
        self._desired: Catalogue = manifests.runs
        self._store = store
        self.respelled = Respelled(manifests)
        # For what the state still has under a former address: the declared one, and the other way round.
        self.by_origin: Mapping[Address, Address] = self._find(store, sharded)
        self.by_name: Mapping[Address, Address] = {to: origin for origin, to in self.by_origin.items()}

    def renamed(self, address: Address) -> Address:
        """The name that a recorded address has now."""
        return self.by_origin.get(address, address)

    def recorded_as(self, address: Address) -> Address:
        """The name that the state still has an address under."""
        return self.by_name.get(address, address)

    def names(self, run: DesiredRun) -> Iterator[Address]:
        """All former names of a run."""
        yield from self.origins(run.address)
        yield from self._spellings(run)

    def owners(self, addresses: Collection[Address]) -> Mapping[Address, Address]:
        """These addresses and all their former names, each with the address that it belongs to now."""
        found: dict[Address, Address] = {}
        runs = {address: (instance_parts(address) or (address, None)) for address in addresses}
        declared = self._desired.find({name for name, _ in runs.values() if group_of(name) in self.respelled.groups})
        for address, (name, at) in runs.items():
            origins = list(self.origins(address))
            if (run := declared.get(Address(name))) is not None:
                origins += [Address(f"{one}@{at}") if at else one for one in self._spellings(run)]
            found.update((origin, address) for origin in origins)
        return found | {address: address for address in addresses}

    def origins(self, address: str) -> Iterator[Address]:
        """Former names of an address by `moved:`, nearest first, through chains of moves."""
        seen = {address}
        waiting = [address]
        while waiting:
            current = waiting.pop()
            for move in self._moved:
                origin = move.before(current)
                if origin is not None and origin not in seen:
                    seen.add(origin)
                    waiting.append(origin)
                    yield Address(origin)

    def destination(self, address: str) -> str:
        """The name that the moves give an address, through chains of moves, whether it is declared or not."""
        seen = {address}
        while True:
            names = (move.after(address) for move in self._moved)
            following = next((name for name in names if name is not None and name not in seen), None)
            if following is None:
                return address
            seen.add(following)
            address = following

    # --- groups ----------------------------------------------------------------------------------------------

    def former_groups(self, name: str) -> Iterator[str]:
        """Former names of a whole group, nearest first."""
        return (group_of(origin) for origin in self.origins(f"{name}/"))

    @cached_property
    def schedules(self) -> Mapping[str, int]:
        """`RolloutReader.schedules`, by the names that groups have now."""
        known = self._store.schedules()
        if not self._moved:
            return known
        result = {**known, **self._inherited(known)}
        for name, group in self._groups.items():
            if group.schedule is not None and name not in result:
                # Its runs were moved one by one, so their former groups say what is decided.
                moved = [move.to for move in self._moved if "/" in move.to and group_of(move.to) == name]
                former = {group_of(origin) for address in moved for origin in self.origins(address)}
                if times := [known[each] for each in former if each in known]:
                    result[name] = max(times)
        return result

    @cached_property
    def rollouts(self) -> Mapping[str, RolloutProgress]:
        """`RolloutReader.rollouts`, by the names that groups have now."""
        known = self._store.rollouts()
        inherited = self._inherited(known) if self._moved else {}
        return {**known, **{name: replace(one, group=name) for name, one in inherited.items()}}

    def group_edits(self) -> Iterator[Edit]:
        """Rename what the state holds of whole groups."""
        if not self._moved:
            return
        schedules = self._store.schedules()
        held = {*schedules, *self._store.rollouts()}
        for name in self._groups:
            former = [origin for origin in self.former_groups(name) if origin in held]
            yield from (RenameGroup(origin, name) for origin in former)
            if name in self.schedules and not held.intersection((name, *former)):
                yield Decide(name, self.schedules[name])

    def _inherited(self, known: Mapping[str, T]) -> dict[str, T]:
        """What is known of a group only under a former name."""
        found: dict[str, T] = {}
        for name in self._groups:
            former = next((origin for origin in (name, *self.former_groups(name)) if origin in known), name)
            if former != name:
                found[name] = known[former]
        return found

    def _is_known(self, store: StateReader) -> bool:
        """Whether the state knows any run by a moved name. Mostly it doesn't: the move was made long ago, and the entry
        stays."""
        origins = [move.origin for move in self._moved]
        if not origins:
            return False
        spans = Targets([*origins, *(f"{origin}@*" for origin in origins if "/" in origin)]).spans
        return next(chain(store.record_keys(spans), store.attempts(spans)), None) is not None

    def _movable(self) -> Iterator[DesiredRun]:
        """The runs that a move may be about."""
        targets = {move.to for move in self._moved}
        groups = [name for name in self._desired.groups if name in targets]
        yield from self._desired.runs(groups)
        yield from self._desired.find([name for name in targets if "/" in name]).values()

    def _find(self, store: StateReader, sharded: bool) -> dict[Address, Address]:
        """The declared address of each former one that the state still has."""
        spelled = dict(self._spelled(store, sharded=sharded))
        if not self._moved and not spelled:
            return {}
        if self._moved and sharded:
            raise UsageError(
                "moved: entries can't be carried out in shards: a run's new name may belong to another shard's state",
                hint="remove the entries, and record the renamed runs as triggered: wfdeploy adopt --target NEW-NAME "
                "with each --shard",
            )
        candidates: dict[Address, Address] = {}
        recurring: dict[str, Address] = {}
        for run in self._movable() if self._is_known(store) else ():
            for origin in self.origins(run.address):
                (candidates if run.group.schedule is None else recurring).setdefault(origin, run.address)
        for origin, run in spelled.items():
            (candidates if run.group.schedule is None else recurring).setdefault(origin, run.address)
        candidates |= _instances(recurring, store)
        if not candidates:
            return {}
        records = {record.address: record for record in store.records({*candidates, *candidates.values()})}
        known = records.keys() | {attempt.address for attempt in store.attempts()}
        result: dict[Address, Address] = {}
        problems: list[Diagnostic] = []
        taken: dict[Address, Address] = {}
        for origin, to in candidates.items():
            if origin not in known:
                continue
            if to in known or to in taken:
                if origin in spelled and not self._matters(records.get(origin), records.get(to), spelled[origin]):
                    continue
                problems.append(
                    Diagnostic(
                        code="moved-onto-known",
                        message=f"moved from {origin}, and the state knows both {origin} and {to}",
                        place=self._place(to),
                        address=to,
                        hint=f"keep the one that counts, and drop the other: wfdeploy state rm {shell_pattern(origin)}",
                    )
                )
            else:
                result[origin] = taken[to] = to
        if problems:
            raise InvalidInput(problems)
        return result

    def _spelled(self, store: StateReader, *, sharded: bool) -> Iterator[tuple[Address, DesiredRun]]:
        """Former spellings that the state knows and nobody declares, with their runs.

        Raises: `UsageError` where such a run's new name may belong to another shard.
        """
        tallies = store.tallies() if self.respelled.groups else {}
        attempts = [attempt.address for attempt in store.attempts()] if self.respelled.groups else []
        for group in sorted(self.respelled.groups):
            names = {group, *self.former_groups(group)}
            known = {address for address in attempts if group_of(address) in names}
            recorded = {name: tallies[name] for name in names if name in tallies}
            if not known and recorded.keys() <= {group} and recorded.get(group) == self._desired.groups[group].tally:
                continue  # all is as it is declared
            known |= {key.address for key in store.record_keys(whole_groups(recorded))}
            strays = {Address((instance_parts(address) or (address,))[0]) for address in known}
            strays.difference_update(run.address for run in self._desired.runs([group]))
            if not strays:
                continue
            if sharded and not strays.isdisjoint(self.respelled.former_addresses(self._desired.file_of(group))):
                raise UsageError(
                    f"{group}: numbers in keys are written otherwise than before (1 for 1.0), and a run's new name may "
                    "belong to another shard's state",
                    hint="record the runs under their new names: wfdeploy adopt --target NEW-NAME with each --shard, "
                    "and drop the former ones: wfdeploy state rm",
                )
            for run in self._desired.runs([group]):
                for name in self._spellings(run):
                    if name in strays:
                        yield name, run

    def _spellings(self, run: DesiredRun) -> Iterator[Address]:
        """The run's names under former spellings of numbers, where they differ."""
        former = self.respelled.former(run)
        if former is not None and former.address != run.address:
            yield former.address
            yield from self.origins(former.address)

    def _matters(self, origin: Record | None, to: Record | None, run: DesiredRun) -> bool:
        """Whether it matters which of two records counts for a run: the newer one of its former name, or its own."""
        if origin is None or to is None:
            return True
        if origin.recorded_at_ms <= to.recorded_at_ms:
            return False
        former = self.respelled.former(run)
        same = to.fingerprint in (run.fingerprint, run.fingerprint if former is None else former.fingerprint)
        return not same or run.group.policy.on_remove is not OnRemove.KEEP

    def _place(self, address: Address) -> Place:
        name = Address((instance_parts(address) or (address,))[0])
        return self._desired.find([name])[name].source.place


def _instances(recurring: Mapping[str, Address], store: StateReader) -> dict[Address, Address]:
    """The new names of recorded instances. `recurring`: the new names of their runs, by former name."""
    if not recurring:
        return {}
    recorded = [key.address for key in store.record_keys(whole_groups(map(group_of, recurring)))]
    found: dict[Address, Address] = {}
    for address in (*recorded, *(attempt.address for attempt in store.attempts())):
        parts = instance_parts(address)
        if parts is not None and parts[0] in recurring:
            found[address] = Address(f"{recurring[parts[0]]}@{parts[1]}")
    return found


class Respelled:
    """Gives runs the identities that they had under former spellings of numbers."""

    def __init__(self, manifests: Manifests) -> None:
        # Those with such runs; mostly there are none.
        self.groups = frozenset(name for name, group in manifests.runs.groups.items() if group.respelled)
        self._requests = manifests.requests

    def former(self, run: DesiredRun) -> DesiredRun | None:
        """The run with its former address, fingerprint and delivery; None where they are the same."""
        if group_of(run.address) not in self.groups:
            return None
        declared = self._requests.formerly(run)
        if declared is None:
            return None
        from wfdeploy.manifests.identify.fingerprint import identify

        former = identify(declared)
        same = (former.address, former.fingerprint, former.delivery) == (run.address, run.fingerprint, run.delivery)
        return None if same else former

    def former_addresses(self, file: int) -> Collection[Address]:
        """The former addresses of all runs of a file, whatever the shard."""
        return {declared.address for declared in self._requests.all_formerly(file)}
