"""A list that may grow very long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render import samples
from wfdeploy.model.packing import change_spool
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun, Group, Source
from wfdeploy.model.spool import Spool


@given(st.lists(st.text()), st.integers(0, 5))
def test_it_is_a_list_wherever_its_items_live(items: list[str], held: int) -> None:
    spool = Spool(items, held=held)
    assert list(spool) == items
    assert len(spool) == len(items)
    assert spool == items
    assert spool == Spool(items)
    assert [spool[index] for index in range(-len(items), len(items))] == items + items
    assert spool[1:3] == items[1:3]
    assert (spool == [*items, "x"]) is False
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            spool[index]


def test_items_may_be_added_while_it_is_read() -> None:
    spool = Spool(range(3), held=1)
    seen = []
    for item in spool:
        seen.append(item)
        if item < 5:
            spool.append(item + 3)
    assert seen == list(range(8))


@given(
    st.lists(
        st.builds(
            samples.change,
            st.integers(0, 999).map(lambda number: f"g/r{number}"),
            st.sampled_from(Action),
            st.text(),
            sends=st.booleans(),
        ),
        max_size=200,
    ),
    st.integers(0, 3),
)
def test_changes_come_back_as_they_were(changes: list[Change], held: int) -> None:
    spool = change_spool(held)
    for number, change in enumerate(changes):
        run = DesiredRun(
            change.address, "1:a", "d", Group("g"), Source("m.yaml", number), "id" if number % 2 else None, 1, number, 3
        )
        spool.append(change._replace(desired=run, source=run.source) if number % 3 else change)
    again = list(spool)
    assert [one.address for one in again] == [one.address for one in changes]
    for number, (one, before) in enumerate(zip(again, changes, strict=True)):
        assert one._replace(desired=None, source=before.source) == before
        assert (one.desired is None) is (number % 3 == 0)
        if one.desired is not None:
            assert (one.desired.number, one.desired.source.line, one.desired.delay_s) == (number, number, 3)
