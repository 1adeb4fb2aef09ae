"""Changes that say the same, counted instead of repeated: a new header in ten thousand runs is one line to read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from wfdeploy.model.plan import ABSENT, Change
from wfdeploy.render.encode import dump

FOLD_FROM = 8
"""That many alike are folded; fewer are quicker read one by one."""

SAMPLES = 3
_MOST_KINDS = 1000
"""Changes of the same fields to more kinds of values than this are told as differing without being held."""


@dataclass(slots=True)
class Fold:
    """Changes of one group that are shown together: the first, some more, how many in all. `values_differ`: they
    change the same fields, but not to the same values."""

    samples: list[Change]
    count: int = 1
    values_differ: bool = False

    @property
    def first(self) -> Change:
        return self.samples[0]

    def add(self, change: Change) -> None:
        """One more, later in address order than those before."""
        if len(self.samples) < FOLD_FROM:
            self.samples.append(change)
        self.count += 1


def fold(changes: Iterable[Change], *, everything: bool = False) -> Iterator[Fold]:
    """The changes of one group, in address order, as folds, each where its first change stands. `everything`: fold
    nothing. No more than a few thousand changes are held, however many there are."""
    if everything:
        yield from (Fold([change]) for change in changes)
        return
    kinds: dict[Hashable, _Kind] = {}
    for change in changes:
        key = change.action, change.reason, change.warnings, tuple(one.path for one in change.diff)
        kinds.setdefault(key, _Kind()).add(change)
    folds = [entry for kind in kinds.values() for entry in kind.folds()]
    yield from sorted(folds, key=lambda entry: entry.first.address)


@dataclass(slots=True)
class _Kind:
    """Changes with one action and reason, of the same fields. `rest`: those that were too many to tell apart."""

    by_values: dict[Hashable, Fold] = field(default_factory=dict)
    rest: Fold | None = None

    def add(self, change: Change) -> None:
        key = tuple((_encoded(one.old), _encoded(one.new)) for one in change.diff)
        known = self.by_values.get(key)
        if known is not None:
            known.add(change)
        elif self.rest is not None:
            self.rest.add(change)
        elif len(self.by_values) < _MOST_KINDS:
            self.by_values[key] = Fold([change])
        else:
            self.rest = Fold([change], values_differ=True)

    def folds(self) -> Iterator[Fold]:
        singles: list[Change] = []
        for entry in self.by_values.values():
            if entry.count >= FOLD_FROM:
                yield entry
            else:
                singles += entry.samples
        singles.sort(key=lambda change: change.address)
        count = len(singles)
        if self.rest is not None:
            singles = sorted([*singles, *self.rest.samples], key=lambda change: change.address)
            count += self.rest.count
        if count >= FOLD_FROM and singles[0].diff:
            yield Fold(singles[:SAMPLES], count, values_differ=True)
        else:
            yield from (Fold([change]) for change in singles)


def _encoded(value: object) -> str | None:
    return None if value is ABSENT else dump(value)
