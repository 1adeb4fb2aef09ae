"""Batches: cut by count and bytes."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.model.address import Address
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.batches import OutgoingRequest, halves, halves_by_bytes, pack


def request(name: str, size: int) -> OutgoingRequest:
    """One whose item has so many bytes."""
    address, run_id = Address(f"g/{name}"), f"id-{name}"
    attempt = Attempt(address, "1:a", 1, run_id, intent_at_ms=7, since_ms=None, status=AttemptStatus.INTENT)
    return OutgoingRequest(Item(run_id, b"x" * size), attempt)


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 8), st.integers(5, 120), st.integers(0, 12))
def test_all_are_sent_in_order_and_none_is_lost_when_it_stops(
    sizes: list[int], max_items: int, max_bytes: int, taken: int
) -> None:
    given_ = [request(str(number), size) for number, size in enumerate(sizes)]
    ahead: deque[OutgoingRequest] = deque()
    source = iter(given_)
    sent: list[OutgoingRequest] = []
    for _, batch in zip(
        range(taken), pack(source, max_items=max_items, max_bytes=max_bytes, ahead=ahead), strict=False
    ):
        assert 0 < len(batch) <= max_items
        body = b"[" + b",".join(one.item.encoded for one in batch) + b"]"
        assert len(batch) == 1 or len(body) <= max_bytes
        sent += batch
    assert [*sent, *ahead, *source] == given_


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(1, 8), st.integers(5, 120))
def test_no_batch_is_smaller_than_it_has_to_be(sizes: list[int], max_items: int, max_bytes: int) -> None:
    given_ = [request(str(number), size) for number, size in enumerate(sizes)]
    batches = list(pack(given_, max_items=max_items, max_bytes=max_bytes))
    for batch, after in pairwise(batches):
        with_one_more = sum(len(one.item.encoded) + 1 for one in (*batch, after[0])) + 2  # a comma for each
        assert len(batch) == max_items or with_one_more > max_bytes


def test_a_batch_is_made_when_it_is_asked_for() -> None:
    source = iter([request(str(number), 1) for number in range(9)])
    batches = pack(source, max_items=3, max_bytes=1000)
    assert [len(next(batches)), len(next(batches))] == [3, 3]
    assert len(list(source)) == 2, "one is taken to know that it is the next batch's"


@given(st.lists(st.integers(1, 50), min_size=2, max_size=9))
def test_halves_are_all_of_it(sizes: list[int]) -> None:
    batch = [request(str(number), size) for number, size in enumerate(sizes)]
    for cut in (halves, halves_by_bytes):
        first, second = cut(batch)
        assert first
        assert second
        assert [*first, *second] == batch
