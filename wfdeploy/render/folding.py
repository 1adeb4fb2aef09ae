"""Fold similar changes into one entry with a count: a new header in ten thousand runs is one line to read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest

from wfdeploy.model.plan import ABSENT, Change
from wfdeploy.render.encode import dump

FOLD_FROM = 8
"""The number of similar changes that are folded; fewer are easier to read one by one."""

SAMPLES = 3
_MOST_WAYS = 5
"""The different changes of the same fields that get an entry each, those with the most runs; the others share one."""

_MOST_HELD = 100
"""The kinds of changes, and the variants of each kind, that are held in memory; others are only counted."""


@dataclass(slots=True, eq=False)
class Fold:
    """Changes of one group that are shown together: the first ones, and the number of all of them.

    `differs`: says what differs between them, empty if nothing does.
    """

    samples: list[Change]
    count: int = 1
    differs: str = ""

    @property
    def first(self) -> Change:
        return self.samples[0]

    def add(self, change: Change) -> None:
        """Add a change that is later in address order than the others."""
        if len(self.samples) < FOLD_FROM:
            self.samples.append(change)
        self.count += 1


def fold(changes: Iterable[Change]) -> Iterator[Fold]:
    """The folds of one group's changes (given in address order), ordered by their first changes. Memory is bounded."""
    kinds: dict[Hashable, _Kind] = {}
    others: dict[Hashable, Fold] = {}
    for change in changes:
        key = change.action, change.reason, change.warnings, tuple(one.path for one in change.diff)
        kind = kinds.get(key)
        if kind is None and len(kinds) < _MOST_HELD:
            kind = kinds[key] = _Kind()
        if kind is not None:
            kind.add(change)
        else:
            _add(others, (change.action, bool(change.warnings)), change, differs="reasons or fields differ")
    folds = [*(entry for kind in kinds.values() for entry in kind.folds()), *others.values()]
    yield from sorted(folds, key=lambda entry: entry.first.address)


@dataclass(slots=True)
class _Kind:
    """Changes with one action and reason, of the same fields. `rest`: changes beyond the number of variants held."""

    ways: dict[Hashable, Fold] = field(default_factory=dict)
    rest: dict[Hashable, Fold] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        way = tuple((_encoded(one.old), _encoded(one.new)) for one in change.diff)
        if way in self.ways or len(self.ways) < _MOST_HELD:
            _add(self.ways, way, change)
        else:
            _add(self.rest, None, change)

    def folds(self) -> Iterator[Fold]:
        many = [entry for entry in self.ways.values() if entry.count >= FOLD_FROM]
        apart = many if len(many) <= _MOST_WAYS + 1 else nlargest(_MOST_WAYS, many, key=lambda entry: entry.count)
        yield from apart
        left = [entry for entry in (*self.ways.values(), *self.rest.values()) if entry not in apart]
        count = sum(entry.count for entry in left)
        samples = sorted((change for entry in left for change in entry.samples), key=lambda change: change.address)
        if count >= FOLD_FROM and samples[0].diff:
            yield Fold(samples[:SAMPLES], count, "the values differ")
        else:
            yield from (Fold([change]) for change in samples)


def _add(folds: dict[Hashable, Fold], key: Hashable, change: Change, differs: str = "") -> None:
    known = folds.get(key)
    if known is None:
        folds[key] = Fold([change], differs=differs)
    else:
        known.add(change)


def _encoded(value: object) -> str | None:
    return None if value is ABSENT else dump(value)
