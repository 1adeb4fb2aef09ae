"""Folding loses nothing, and holds little."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given

from tests.unit.render import samples
from tests.unit.render.views import CHANGES
from wfdeploy.model.plan import Action, Change, FieldChange
from wfdeploy.render import plan_text
from wfdeploy.render.folding import fold


@given(CHANGES)
def test_folding_loses_nothing_and_keeps_the_order(changes: list[Change]) -> None:
    folds = list(fold(changes))
    assert sum(entry.count for entry in folds) == len(changes)
    assert [entry.first.address for entry in folds] == sorted(entry.first.address for entry in folds)
    for entry in folds:
        assert entry.samples == sorted(entry.samples, key=lambda change: change.address)
        assert len({(c.action, c.reason, tuple(f.path for f in c.diff)) for c in entry.samples}) == 1
        if not entry.differs:
            assert len({c.diff for c in entry.samples}) == 1
            first = entry.first
            alike = [c for c in changes if (c.action, c.reason, c.diff) == (first.action, first.reason, first.diff)]
            assert entry.samples == alike[: len(entry.samples)] or entry.count == 1
    lines = "".join(plan_text.text(samples.plan_of(changes), everything=True)).splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("  + ", "  ~ "))] == [c.address for c in changes]


def test_folding_holds_little_however_many_values_differ() -> None:
    def many() -> Iterator[Change]:
        for number in range(20_000):
            field = FieldChange("body.seats", number, number + 1)
            yield samples.change(f"g/r{number:05}", Action.RETRIGGER, "changed", field)

    (entry,) = fold(many())
    assert (entry.count, entry.differs, entry.first.address) == (20_000, "the values differ", "g/r00000")
