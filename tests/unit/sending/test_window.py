"""How many requests are under way: bounded, never none, halved by trouble and recovered from it, in virtual time."""

from __future__ import annotations

import asyncio
import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.manual_clock import ManualClock
from wfdeploy.sending.window import FIRST, Pace, Sign, Window


class Server:
    """Answers within `latency_s` while at most `capacity` requests are with it; what is beyond waits in line, or is
    refused with a sign of trouble."""

    def __init__(self, *, latency_s: float, capacity: int, refuses: bool) -> None:
        self.latency_s = latency_s
        self.capacity = capacity
        self.refuses = refuses

    def run(self, pace: Pace, seconds: float, start_s: float = 0.0) -> list[int]:
        """Keep the window full for so long; gives the limit after each answer."""
        limits: list[int] = []
        under_way: list[tuple[float, float, str]] = []  # until, since, sign
        now_s = start_s
        while now_s < start_s + seconds:
            while len(under_way) < pace.limit:
                crowd = len(under_way) + 1
                refused = self.refuses and crowd > self.capacity
                rounds = 1 if refused else -(-crowd // self.capacity)
                sign = Sign.TROUBLE if refused else Sign.WELL
                heapq.heappush(under_way, (now_s + rounds * self.latency_s, now_s, sign.value))
            assert under_way, "nothing is under way, and nothing would ever be"
            full = len(under_way) >= pace.limit
            now_s, since_s, told = heapq.heappop(under_way)
            pace.take(Sign(told), began_at=since_s, now=now_s, full=full)
            limits.append(pace.limit)
        return limits


@given(
    most=st.integers(1, 200),
    answers=st.lists(
        st.tuples(
            st.sampled_from(Sign),
            st.floats(0, 100, allow_nan=False),
            st.floats(0, 10, allow_nan=False),
            st.booleans(),
        )
    ),
)
def test_it_stays_within_its_bounds_whatever_is_answered(
    most: int, answers: list[tuple[Sign, float, float, bool]]
) -> None:
    pace = Pace(most=most)
    now_s = 0.0
    for sign, took_s, passed_s, full in answers:
        now_s += passed_s
        pace.take(sign, began_at=now_s - took_s, now=now_s, full=full)
        assert 1 <= pace.limit <= most


@settings(deadline=None)
@given(latency_s=st.sampled_from([0.001, 0.03, 0.5, 2.0]), most=st.integers(1, 128))
def test_a_server_that_takes_everything_soon_gets_all_there_is(latency_s: float, most: int) -> None:
    pace = Pace(most=most)
    # 8, 16, 32, 64, 128: a doubling with each round trip.
    Server(latency_s=latency_s, capacity=1000, refuses=False).run(pace, 6 * latency_s)
    assert pace.limit == most


@settings(deadline=None, max_examples=40)
@given(capacity=st.integers(1, 100), latency_s=st.sampled_from([0.005, 0.03, 0.3]))
def test_a_server_that_refuses_what_is_too_much_is_used_and_not_flooded(capacity: int, latency_s: float) -> None:
    pace = Pace(most=128)
    limits = Server(latency_s=latency_s, capacity=capacity, refuses=True).run(pace, 600 * latency_s)
    settled = limits[len(limits) // 2 :]
    assert max(settled) <= capacity + 2
    assert sum(settled) / len(settled) >= min(capacity, 128) * 0.5


@settings(deadline=None, max_examples=40)
@given(capacity=st.integers(4, 60), latency_s=st.sampled_from([0.06, 0.3]))
def test_a_server_that_gets_slow_is_not_given_more_and_more(capacity: int, latency_s: float) -> None:
    pace = Pace(most=1000)
    limits = Server(latency_s=latency_s, capacity=capacity, refuses=False).run(pace, 20.0)
    settled = limits[len(limits) // 2 :]
    assert max(settled) <= 3 * capacity + FIRST
    assert min(settled) >= capacity * 0.7


@settings(deadline=None, max_examples=20)
@given(latency_s=st.sampled_from([0.01, 0.1]), trouble_s=st.floats(0.5, 30))
def test_it_recovers_after_trouble(latency_s: float, trouble_s: float) -> None:
    pace = Pace(most=64)
    ill = Server(latency_s=latency_s, capacity=0, refuses=True)
    well = Server(latency_s=latency_s, capacity=1000, refuses=False)
    ill.run(pace, trouble_s)
    assert pace.limit == 1
    # One more with each round trip, so 64 of them and some.
    well.run(pace, 80 * latency_s, start_s=trouble_s + 1)
    assert pace.limit == 64


def test_one_bad_moment_halves_it_once() -> None:
    pace = Pace(most=64, first=64)
    for _ in range(64):  # all of one round trip
        pace.take(Sign.TROUBLE, began_at=0.0, now=0.1, full=True)
    assert pace.limit == 32
    pace.take(Sign.TROUBLE, began_at=0.2, now=0.3, full=True)
    assert pace.limit == 16


def test_refusals_of_runs_and_windows_that_are_not_full_change_nothing() -> None:
    pace = Pace(most=64)
    pace.take(Sign.NOTHING, began_at=0.0, now=0.1, full=True)
    pace.take(Sign.WELL, began_at=0.0, now=0.1, full=False)
    assert pace.limit == FIRST


def test_a_server_that_got_slower_for_good_is_taken_as_it_is() -> None:
    pace = Pace(most=64)
    Server(latency_s=0.03, capacity=1000, refuses=False).run(pace, 5.0)
    slower = Server(latency_s=0.5, capacity=1000, refuses=False)
    slower.run(pace, 60.0, start_s=5.0)
    assert pace.limit < 64
    slower.run(pace, 120.0, start_s=65.0)
    assert pace.limit == 64


@given(
    most=st.integers(1, 12),
    waits=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    cancelled=st.sets(st.integers(0, 59)),
)
def test_everybody_gets_a_place_in_turn_and_no_more_than_there_are(
    most: int, waits: list[int], cancelled: set[int]
) -> None:
    async def run() -> None:
        clock = ManualClock()
        window = Window(clock, most=most)
        inside = 0
        entered: list[int] = []

        async def request(number: int) -> None:
            nonlocal inside
            with await window.enter() as place:
                entered.append(number)
                inside += 1
                assert inside <= most
                place.begin()
                for _ in range(waits[number]):
                    await asyncio.sleep(0)
                place.take(Sign.TROUBLE if number % 5 == 0 else Sign.WELL)
                inside -= 1

        tasks = [asyncio.create_task(request(number)) for number in range(len(waits))]
        await asyncio.sleep(0)
        given_up = {number for number in cancelled if number < len(tasks) and number not in entered}
        for number in given_up:
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert entered == [number for number in range(len(waits)) if number not in given_up]

    asyncio.run(run())
