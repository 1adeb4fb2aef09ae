"""Numbers that runs wait for: shares of a group, headcounts, and the times of instances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.blocking import Amount, Condition, Headcount, instant, unix_of


@pytest.mark.parametrize(
    ("amount", "total", "runs"),
    [
        (Amount(3), 10, 3),
        (Amount(25, True), 10, 3),
        (Amount(25, True), 0, 0),
        (Amount(1, True), 1, 1),
        (Amount(100, True), 7, 7),
    ],
)
def test_a_share_is_rounded_up(amount: Amount, total: int, runs: int) -> None:
    assert amount.of(total) == runs


@given(st.integers(1, 100), st.integers(0, 200), st.integers(1, 200))
def test_a_share_is_exceeded_by_more_than_it(percent: int, count: int, total: int) -> None:
    assert Amount(percent, True).is_exceeded(count, total) is (count / total > percent / 100 + 1e-12)
    assert Amount(percent).is_exceeded(count, total) is (count > percent)


def test_a_condition_is_fulfilled_by_all_or_not() -> None:
    counted = Headcount(total=2, triggered=2, succeeded=1, finished=2)
    fulfilled = {condition for condition in Condition if counted.fulfils(condition)}
    assert fulfilled == {Condition.TRIGGERED, Condition.FINISHED}
    assert Headcount(total=0).fulfils(Condition.SUCCEEDED)


@given(st.lists(st.integers(0, 253_402_300_799), min_size=1))
def test_times_of_instances_are_read_back_and_sort_as_they_come(times: list[int]) -> None:
    assert [unix_of(instant(time)) for time in times] == times
    assert sorted(map(instant, times)) == list(map(instant, sorted(times)))


@pytest.mark.parametrize("text", ["", "soon", "2026-11-23", "2026-11-23T03:00:00", "2026-02-30T03:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match format|day is out of range"):
        unix_of(text)
