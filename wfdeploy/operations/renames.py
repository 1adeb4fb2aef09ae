"""`moved:` against what the state has under a former name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.model.address import Address, group_of, instance_parts
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.run import DesiredRun, Move
from wfdeploy.operations.manifests import Manifests
from wfdeploy.ports import StateStore


class Renames:
    """Which recorded addresses have another name now. Raises: `InvalidInput` when a move can't be made,
    `UsageError` for moves where the runs are shared out to shards."""

    def __init__(self, manifests: Manifests, store: StateStore, *, sharded: bool) -> None:
        self._moved = manifests.moved
        self._desired: Catalogue = manifests.runs
        self.by_origin: Mapping[Address, Address] = self._find(store, sharded)
        """Former address -> declared one, for what the state still has under the former."""

    def origins(self, address: str) -> Iterator[Address]:
        """Former names of an address, nearest first, through chains of moves."""
        seen = {address}
        waiting = [address]
        while waiting:
            current = waiting.pop()
            for move in self._moved:
                origin = _before(move, current)
                if origin is not None and origin not in seen:
                    seen.add(origin)
                    waiting.append(origin)
                    yield Address(origin)

    def destination(self, address: str) -> str:
        """The name that the moves give an address, through chains of them, whether it is declared or not."""
        seen = {address}
        while True:
            names = (after(move, address) for move in self._moved)
            following = next((name for name in names if name is not None and name not in seen), None)
            if following is None:
                return address
            seen.add(following)
            address = following

    def former_groups(self, name: str) -> Iterator[str]:
        """Former names of a whole group."""
        return (group_of(origin) for origin in self.origins(f"{name}/"))

    def _movable(self) -> Iterator[DesiredRun]:
        """The runs that some move may be about."""
        targets = {move.to for move in self._moved}
        groups = [name for name in self._desired.groups if name in targets]
        yield from self._desired.runs(groups)
        yield from self._desired.find([name for name in targets if "/" in name]).values()

    def _find(self, store: StateStore, sharded: bool) -> dict[Address, Address]:
        """Former address -> declared one, for what the state still has under the former."""
        if not self._moved:
            return {}
        if sharded:
            raise UsageError(
                "moved: entries can't be carried out in shards: a run's new name may belong to another shard's state",
                hint="remove the entries, and record the renamed runs as triggered: wfdeploy adopt --target NEW-NAME "
                "with each --shard",
            )
        candidates: dict[Address, Address] = {}
        recurring: dict[str, Address] = {}
        for run in self._movable():
            for origin in self.origins(run.address):
                (candidates if run.group.schedule is None else recurring).setdefault(origin, run.address)
        candidates |= _instances(recurring, store)
        if not candidates:
            return {}
        asked = {*candidates, *candidates.values()}
        known = {record.address for record in store.records(asked)} | {attempt.address for attempt in store.attempts()}
        result: dict[Address, Address] = {}
        problems: list[Diagnostic] = []
        taken: dict[Address, Address] = {}
        for origin, to in candidates.items():
            if origin not in known:
                continue
            if to in known or to in taken:
                problems.append(
                    Diagnostic(
                        code="moved-onto-known",
                        message=f"moved from {origin}, and the state knows both {origin} and {to}",
                        place=self._place(to),
                        address=to,
                        hint=f"if {origin} is of no interest any more: wfdeploy state rm '{origin}'",
                    )
                )
            else:
                result[origin] = taken[to] = to
        if problems:
            raise InvalidInput(problems)
        return result

    def _place(self, address: Address) -> Place:
        name = Address((instance_parts(address) or (address,))[0])
        return self._desired.find([name])[name].source.place


def _instances(recurring: Mapping[str, Address], store: StateStore) -> dict[Address, Address]:
    """The new names of recorded instances. `recurring`: former names of their runs, with the new ones."""
    if not recurring:
        return {}
    recorded = [key.address for key in store.record_keys({group_of(origin) for origin in recurring})]
    found: dict[Address, Address] = {}
    for address in (*recorded, *(attempt.address for attempt in store.attempts())):
        parts = instance_parts(address)
        if parts is not None and parts[0] in recurring:
            found[address] = Address(f"{recurring[parts[0]]}@{parts[1]}")
    return found


def after(move: Move, address: str) -> str | None:
    """The name that an address has after a move; None when the move isn't about it."""
    if "/" in move.origin:
        return move.to if move.origin == address else None
    return f"{move.to}/{address.partition('/')[2]}" if group_of(address) == move.origin else None


def _before(move: Move, address: str) -> str | None:
    """The name that an address had before a move; None when the move isn't about it."""
    if "/" in move.to:
        return move.origin if move.to == address else None
    return f"{move.origin}/{address.partition('/')[2]}" if group_of(address) == move.to else None
