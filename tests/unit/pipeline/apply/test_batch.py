"""Batches: cut by count and bytes, whether or not their runs were made ready together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import hypothesis.strategies as st
from hypothesis import given

from tests.fakes.manual_clock import ManualClock
from wfdeploy.model.address import Address
from wfdeploy.model.attempts import Columns, FirstAttempts
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt
from wfdeploy.pipeline.apply.batch import Batch, ReadyBatch, flat, halves, halves_by_bytes, pack
from wfdeploy.pipeline.apply.server_time import ServerTime
from wfdeploy.pipeline.apply.shipment import Shipment


def ready(names: Sequence[str], encoded: Sequence[bytes]) -> ReadyBatch:
    count = len(names)
    columns = Columns(
        address=[Address(f"g/{name}") for name in names],
        fingerprint=["1:a"] * count,
        generation=[1] * count,
        workflow_run_id=[f"id-{name}" for name in names],
        intent_at_ms=[7] * count,
        since_ms=[None] * count,
        delay_s=[None] * count,
        not_before_s=[3] * count,
        explicit_id=[False] * count,
        delivery=["d"] * count,
        source=["m.yaml:1"] * count,
        own=[f'{{"body":"{name}"' for name in names],
        end=["}"] * count,
        tries=[0] * count,
        by=["{}"] * count,
        triggered_id=[""] * count,
    )
    return ReadyBatch(FirstAttempts(columns, {"g": (count, 5)}), encoded)


def loose(name: str, encoded: bytes) -> Shipment:
    (one,) = ready([name], [encoded])
    return one


SIZES = st.lists(st.one_of(st.integers(1, 30), st.lists(st.integers(1, 30), min_size=1, max_size=9)), max_size=12)


def made(sizes: Sequence[int | list[int]]) -> list[Shipment | ReadyBatch]:
    """A shipment for each number, a ready batch for each list: of items of so many bytes."""
    found: list[Shipment | ReadyBatch] = []
    for number, size in enumerate(sizes):
        if isinstance(size, int):
            found.append(loose(str(number), b"x" * size))
        else:
            names = [f"{number}.{place}" for place in range(len(size))]
            found.append(ready(names, [b"x" * one for one in size]))
    return found


@given(SIZES, st.integers(1, 8), st.integers(5, 120), st.integers(0, 12))
def test_all_are_sent_in_order_and_none_is_lost_when_it_stops(
    sizes: list[int | list[int]], max_items: int, max_bytes: int, taken: int
) -> None:
    given_ = [one.attempt.address for one in flat(made(sizes))]
    ahead: deque[Shipment | ReadyBatch] = deque()
    source = iter(made(sizes))
    batches = pack(source, max_items=max_items, max_bytes=max_bytes, ahead=ahead)
    sent: list[str] = []
    for _, batch in zip(range(taken), batches, strict=False):
        assert 0 < len(batch) <= max_items
        body = b"[" + b",".join(item.encoded for item in batch.items) + b"]"
        assert len(batch) == 1 or len(body) <= max_bytes
        assert [item.workflow_run_id for item in batch.items] == list(batch.workflow_run_ids)
        sent += batch.addresses
    left = [one.attempt.address for waiting in (ahead, source) for one in flat(waiting)]
    assert [*sent, *left] == given_


def test_small_ones_that_are_ready_are_sent_together_and_stay_so() -> None:
    parts = [ready([str(number)], [b"x"]) for number in range(7)]
    batches = list(pack(parts, max_items=3, max_bytes=1000))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    attempts = batches[0].attempts
    assert isinstance(attempts, FirstAttempts)
    assert attempts.shifts == {"g": (3, 15)}
    assert [one.address for one in attempts] == ["g/0", "g/1", "g/2"]


def test_what_is_ready_is_what_its_shipments_are() -> None:
    encoded = [b"a", b"b", b"c"]
    untouched, touched = ready("abc", encoded), ready("abc", encoded)
    shipments = list(touched)
    assert [one.item for one in shipments] == [Item(f"id-{name}", name.encode()) for name in "abc"]
    assert shipments[0].attempt == Attempt(
        Address("g/a"), "1:a", 1, "id-a", 7, None, None, 3, False, "d", "m.yaml:1", '{"body":"a"}', 1
    )
    as_shipments = Batch(shipments)
    for one in (untouched, touched, as_shipments):
        assert list(one.attempts) == list(as_shipments.attempts)
        assert list(one.intents(9)) == list(as_shipments.intents(9))
        assert list(one.items) == list(as_shipments.items)
        assert list(one.addresses) == list(as_shipments.addresses)
        assert list(one.workflow_run_ids) == list(as_shipments.workflow_run_ids)
        assert one.late(10**15) == []
        assert len(one) == 3


def test_what_became_of_one_that_was_looked_at_is_not_forgotten() -> None:
    batch = ready("ab", [b"a", b"b"])
    batch[0].unknown(ServerTime(ManualClock()), "lost")
    batch[1].send_before_ms = 5
    assert [one.error for one in batch.attempts] == ["lost", None]
    assert [one.intent_at_ms for one in batch.intents(9)] == [9, 7]
    assert batch.late(6) == [batch[1]]


@given(st.lists(st.integers(1, 50), min_size=2, max_size=9))
def test_halves_are_all_of_it(sizes: list[int]) -> None:
    batch = Batch([loose(str(number), b"x" * size) for number, size in enumerate(sizes)])
    for cut in (halves, halves_by_bytes):
        first, second = cut(batch)
        assert first
        assert second
        assert [*first, *second] == list(batch)
