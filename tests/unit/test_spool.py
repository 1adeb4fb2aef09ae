"""A list that may grow very long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
