"""A list that may grow very long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render import samples
from wfdeploy.model.address import Address
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun, Group, Source
from wfdeploy.model.spool import Spool, in_order


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


@given(st.lists(st.builds(samples.change, st.just("g/r"), st.sampled_from(Action), st.text()), max_size=200))
def test_changes_come_back_as_they_were(changes: list[Change]) -> None:
    run = DesiredRun(Address("g/r"), "1:a", "d", Group("g"), Source("m.yaml", 7), delay_s=3)
    changes = [change._replace(desired=run if number % 3 else None) for number, change in enumerate(changes)]
    assert list(Spool(changes, held=2)) == changes


@given(st.lists(st.tuples(st.integers(0, 9), st.text())), st.integers(1, 5))
def test_items_are_sorted_as_they_would_be_in_memory(items: list[tuple[int, str]], held: int) -> None:
    ordered = in_order(items, lambda item: item[0], held=held)
    assert list(ordered) == list(ordered) == sorted(items, key=lambda item: item[0])


def test_what_is_in_order_is_left_as_it_is() -> None:
    items = [1, 2, 2, 3]
    assert in_order(items, lambda item: item, held=1) is items
