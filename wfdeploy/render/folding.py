"""Changes that say the same, counted instead of repeated: a new header in ten thousand runs is one line to read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from wfdeploy.model.plan import ABSENT, Change
from wfdeploy.render.encode import dump

FOLD_FROM = 8
"""That many alike are folded; fewer are quicker read one by one."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Changes of one group that are shown together, in address order. `values_differ`: they change the same fields,
    but not to the same values."""

    changes: tuple[Change, ...]
    values_differ: bool = False

    @property
    def first(self) -> Change:
        return self.changes[0]


def fold(changes: Iterable[Change], *, everything: bool = False) -> Sequence[Fold]:
    """The changes of one group as folds, each where its first change stands. `everything`: fold nothing."""
    changes = list(changes)
    if everything or len(changes) < FOLD_FROM:
        return [Fold((change,)) for change in changes]
    folds: dict[Hashable, list[Change]] = {}
    for members in _by_key(changes, _alike).values():
        if len(members) >= FOLD_FROM:
            folds[("alike", members[0].address)] = members
        else:
            for change in members:
                folds[("one", change.address)] = [change]
    same_fields = _by_key((m[0] for m in folds.values() if len(m) == 1 and m[0].diff), _same_fields)
    in_order = (sorted(members, key=_address) for members in same_fields.values() if len(members) >= FOLD_FROM)
    differing = {members[0].address: members for members in in_order}
    gathered = {change.address for members in differing.values() for change in members}
    result = [Fold(tuple(members)) for members in folds.values() if members[0].address not in gathered]
    result += [Fold(tuple(members), values_differ=True) for members in differing.values()]
    return sorted(result, key=lambda entry: entry.first.address)


def _address(change: Change) -> str:
    return change.address


def _by_key(changes: Iterable[Change], key_of: Callable[[Change], Hashable]) -> dict[Hashable, list[Change]]:
    found: dict[Hashable, list[Change]] = {}
    for change in changes:
        found.setdefault(key_of(change), []).append(change)
    return found


def _alike(change: Change) -> Hashable:
    fields = tuple((field.path, _encoded(field.old), _encoded(field.new)) for field in change.diff)
    return change.action, change.reason, change.warnings, fields


def _same_fields(change: Change) -> Hashable:
    return change.action, change.reason, change.warnings, tuple(field.path for field in change.diff)


def _encoded(value: object) -> str | None:
    return None if value is ABSENT else dump(value)
