"""The engine in virtual time: thousands of messages over a year, killed and begun anew, under limits that must hold."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.delivery.engine import WINDOW_MS, DeliveryEngine, DueQueue
from wfdeploy.localserver.delivery.flow_keys import FlowKeys
from wfdeploy.localserver.fault_plan import FaultPlan
from wfdeploy.localserver.runs.flow import FlowKey, FlowLimits
from wfdeploy.localserver.store import database
from wfdeploy.localserver.store.records import DeliverySettings, DueMessage, MessageKind
from wfdeploy.localserver.store.run_store import RunStore

YEAR_MS = 365 * 86_400_000


@dataclass
class World:
    """A ledger in memory, an engine over it, and deliveries that take `takes_ms()` of the clock's time."""

    takes_ms: Callable[[], int] = lambda: 0
    clock: ManualClock = field(default_factory=ManualClock)
    max_open: int = 64
    store: RunStore = field(default_factory=lambda: RunStore(database.open_database(None)))
    begun: list[tuple[int, int, str | None]] = field(default_factory=list)
    """(when, seq, key) of each delivery that began."""
    open: dict[str | None, int] = field(default_factory=lambda: defaultdict(int))
    most: dict[str | None, int] = field(default_factory=lambda: defaultdict(int))
    delivered: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A server that was just started on what the one before left."""
        self.engine = DeliveryEngine(
            self.deliver,
            due_queue=DueQueue(self.store),
            clock=self.clock,
            faults=FaultPlan(),
            on_error=lambda error: pytest.fail(repr(error)),
            max_open=self.max_open,
        )
        self.open.clear()

    @contextmanager
    def running(self) -> Iterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.engine.run())
        yield task
        task.cancel()

    def limit(self, key: str, limits: FlowLimits) -> None:
        keys = FlowKeys(self.store, self.engine)
        with self.store.transaction():
            keys._write(FlowKey("t", key), limits)
        keys.commit()

    def add(self, due_ms: int, key: str | None = None) -> DueMessage:
        with self.store.transaction():
            _, due = self.store.add_message(
                tenant="t",
                run_seq=None,
                kind=MessageKind.PLAIN,
                url="http://127.0.0.1:9/",
                body=b"",
                settings=DeliverySettings(flow_key=key),
                now_ms=self.clock.now_ms(),
                due_ms=due_ms,
            )
        return due

    async def deliver(self, seq: int) -> list[DueMessage]:
        key = self.store.connection.execute("SELECT flow_key FROM messages WHERE seq = ?", (seq,)).fetchone()[0]
        self.begun.append((self.clock.now_ms(), seq, key))
        self.open[key] += 1
        self.most[key] = max(self.most[key], self.open[key])
        await self.clock.sleep_until(self.clock.now_ms() + self.takes_ms())
        self.open[key] -= 1
        with self.store.transaction():
            assert self.store.settle(seq, "delivered", now_ms=self.clock.now_ms())
        self.delivered.add(seq)
        return []

    async def until(self, enough: Callable[[], bool]) -> None:
        """Let time go on from one thing that happens to the next."""
        while True:
            for _ in range(20):  # everybody who was woken says what comes next
                await asyncio.sleep(0)
            if enough():
                return
            assert self.clock._sleepers, "nothing will ever happen again"
            self.clock.advance_to(self.clock._sleepers[0][0])


def run(main: Awaitable[None]) -> None:
    async def whole() -> None:
        await main

    asyncio.run(whole())


def test_far_messages_are_not_in_memory_and_leave_in_time() -> None:
    """A million of them would weigh no more."""
    world = World()
    start = world.clock.now_ms()
    moments = sorted(random.Random(1).sample(range(start, start + YEAR_MS), 2000))

    async def main() -> None:
        with world.running():
            world.engine.schedule([world.add(moment) for moment in moments])
            await world.engine.wait_idle()
            while len(world.delivered) < len(moments):
                now = world.clock.now_ms()
                near = sum(now < moment <= now + WINDOW_MS for moment in moments)
                assert len(world.engine._upcoming) <= near
                assert world.engine.next_at is not None
                world.clock.advance_to(world.engine.next_at)
                await world.engine.wait_idle()

    run(main())
    assert [when for when, _, _ in world.begun] == moments


def test_message_that_becomes_due_behind_what_is_known_is_not_missed() -> None:
    """The server sat idle for an hour; what it knows ends long before now."""
    world = World()

    async def main() -> None:
        with world.running():
            await world.engine.wait_idle()
            for wait_ms in (3_600_000, 1, WINDOW_MS, WINDOW_MS - 1, 0):
                world.clock.advance_to(world.clock.now_ms() + wait_ms)
                due = world.add(world.clock.now_ms())
                world.engine.schedule([due])
                await world.engine.wait_idle()
                assert due.seq in world.delivered

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_limits_hold_under_load_across_restarts(seed: int) -> None:
    """Parallelism at any moment, rates in any period, every message at last; whatever is killed when."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    world = World(takes_ms=lambda: chance.choice([0, 5, 50, 700]))
    limits: dict[str | None, FlowLimits] = {
        f"k{number}": FlowLimits(
            parallelism=chance.choice([None, 1, 2, 7]),
            rate=chance.choice([None, 1, 5, 20]),
            period_ms=chance.choice([100, 1000, 60_000]),
        )
        for number in range(12)
    }
    for key, limit in limits.items():
        assert key is not None
        world.limit(key, limit)
    start = world.clock.now_ms()
    total = 1500

    async def main() -> None:
        for _ in range(total):
            world.add(start + chance.choice([0, 0, chance.randrange(20_000)]), chance.choice([*limits, None]))
        for killed_after in (40, 200, 500, 900, total):
            with world.running() as task:
                await world.until(lambda: len(world.delivered) >= killed_after)  # noqa: B023
            await asyncio.gather(task, return_exceptions=True)
            world.begin()

    run(main())
    assert len(world.delivered) == total
    for key, limit in limits.items():
        assert limit.parallelism is None or world.most[key] <= limit.parallelism
        if limit.rate is None:
            continue
        began, count = -1, 0
        for when, _, _ in (each for each in world.begun if each[2] == key):
            if began < 0 or when >= began + limit.period_ms:
                began, count = when, 0
            count += 1
            assert count <= limit.rate, (key, limit)


def test_database_that_fails_for_a_moment_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world, errors = World(), list[BaseException]()
    world.engine._on_error = errors.append
    world.limit("k", FlowLimits(rate=100))

    def fail(queues: object) -> None:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(DueQueue, "note_begun", lambda self, queues: fail(queues))
    monkeypatch.setattr("wfdeploy.localserver.delivery.engine.PAUSE_AFTER_ERROR_MS", 1)

    async def main() -> None:
        now = world.clock.now_ms()
        with world.running():
            for _ in range(2):
                world.engine.schedule([world.add(now, "k")])
                await world.engine.wait_idle()

    run(main())
    assert [str(error) for error in errors] == ["disk is full"]
    assert len(world.delivered) == 2


def test_keys_are_served_alike_under_back_pressure() -> None:
    """Ten keys, one with a hundred times the load, four places: the others wait no longer than their turns take."""
    world = World(takes_ms=lambda: 10, max_open=4)

    async def main() -> None:
        now = world.clock.now_ms()
        entries = [world.add(now, "big") for _ in range(1000)]
        entries += [world.add(now, f"k{number % 9}") for number in range(90)]
        with world.running():
            world.engine.schedule(entries)
            await world.until(lambda: len(world.delivered) == len(entries))

    run(main())
    assert sum(world.most.values()) >= 4
    keys = [key for _, _, key in world.begun]
    for turn in range(10):
        assert sorted(str(key) for key in keys[10 * turn : 10 * turn + 10]) == sorted(
            ["big", *(f"k{number}" for number in range(9))]
        )


def test_thousands_at_once_are_bounded() -> None:
    world = World(takes_ms=lambda: 3)

    async def main() -> None:
        now = world.clock.now_ms()
        with world.running():
            world.engine.schedule([world.add(now) for _ in range(5000)])
            await world.until(lambda: len(world.delivered) == 5000)

    run(main())
    assert world.most[None] == 64
    assert not world.engine.queues.open
    assert world.engine.queues.busy(FlowKey("t", None)) is None
