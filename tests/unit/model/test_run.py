"""What is said of desired runs together: tallies, moves, and when one may be tried again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.run import LONGEST_BACKOFF_S, Move, OnFailure, Tally, sum_of, term

TERMS = st.lists(st.integers(0, 2**256 - 1), max_size=8)


@given(TERMS, TERMS, st.randoms(use_true_random=False))
def test_a_tally_takes_no_order_and_follows_each_change(
    kept: list[int], dropped: list[int], chance: random.Random
) -> None:
    everything = [*kept, *dropped]
    chance.shuffle(everything)
    whole = Tally.of(everything)
    assert sum_of([Tally.of(kept), Tally.of(dropped)]) == whole
    assert whole.plus(-len(dropped), -sum(dropped)) == Tally.of(kept)
    assert len(whole.to_bytes()) == 32


def test_each_part_of_a_run_counts_in_its_place() -> None:
    runs = [("a", "b", "c"), ("b", "a", "c"), ("a", "c", "b"), ("a", "b", ""), ("a", "", "b")]
    assert len({term(*run) for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("move", "before", "after"),
    [
        (Move("old", "new"), "old/a", "new/a"),
        (Move("old", "new"), 'old/a["x/y"]', 'new/a["x/y"]'),
        (Move("old", "new"), "older/a", None),
        (Move("old/a", "new/b"), "old/a", "new/b"),
        (Move("old/a", "new/b"), "old/a2", None),
    ],
)
def test_a_move_renames_what_it_is_about(move: Move, before: str, after: str | None) -> None:
    assert move.after(before) == after
    if after is not None:
        assert move.before(after) == before


@pytest.mark.parametrize(
    ("backoff_s", "tries", "wait_s"),
    [
        (0, 5, 0),
        (60, 0, 60),
        (60, 3, 480),
        (60, 10_000, LONGEST_BACKOFF_S),
        (100_000, 0, 100_000),
        (100_000, 9, 100_000),
    ],
)
def test_each_try_waits_twice_as_long_and_no_longer_than_a_day(backoff_s: int, tries: int, wait_s: int) -> None:
    assert OnFailure(backoff_s=backoff_s).due_ms(7, tries) == 7 + 1000 * wait_s
