"""The changes of a first plan: every declared run is new, so each is made from its declaration alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import overload

from wfdeploy.model.plan import Change
from wfdeploy.model.run import DesiredRun


def but_plain_triggers(changes: Sequence[Change]) -> Sequence[Change]:
    """Changes without those that are known, without a look at them, to trigger a run and do nothing else."""
    return () if isinstance(changes, FirstChanges) else changes


class FirstChanges(Sequence[Change]):
    """One change for each run of these groups (with how many they have), by address, made each time they are gone
    through: that takes less time than to keep many of them takes memory.

    `runs` gives the runs of some groups in address order, `change` makes a run's change. Who only counts them, or looks
    at a few, needs none of the others.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        runs: Callable[[Collection[str]], Iterator[DesiredRun]],
        change: Callable[[DesiredRun], Change],
    ) -> None:
        self._counts = counts
        self._runs = runs
        self._change = change

    def alike(self) -> Iterator[tuple[int, Iterator[Change]]]:
        """Group by group: how many changes it has, all of which say the same, and these."""
        for name in sorted(self._counts, key=lambda name: f"{name}/"):
            if count := self._counts[name]:
                yield count, map(self._change, self._runs([name]))

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[Change]:
        return map(self._change, self._runs(self._counts.keys()))

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Change]: ...
    def __getitem__(self, index: int | slice) -> Change | Sequence[Change]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
