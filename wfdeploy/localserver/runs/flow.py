"""Flow control: decide which message may leave now. Pure bookkeeping in memory, without a clock or a database.

Each flow-control key of a tenant has a queue; messages without a key share one queue per tenant. The queues take turns,
so a long queue of one key delays no other. A delivery counts towards the parallelism until its answer; `rate` counts
the deliveries begun in a period, which starts with the first of them. Only busy queues are in memory.

Source: Upstash documentation, "Flow Control".
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from wfdeploy.localserver.runs import durations
from wfdeploy.localserver.store.records import DueMessage


class FlowKey(NamedTuple):
    tenant: str
    key: str | None


@dataclass(slots=True)
class FlowLimits:
    """The limits of a key; `None` means no limit."""

    parallelism: int | None = None
    rate: int | None = None
    period_ms: int = 1000
    paused: bool = False
    pinned_parallelism: bool = False
    pinned_rate: bool = False


LONGEST_PERIOD_MS = 7 * 86_400_000


def parse(text: str) -> FlowLimits:
    """Parse limits such as `parallelism=2, rate=5, period=1m`, any of the three.

    Raises: ValueError.
    """
    limits = FlowLimits()
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name == "period":
            limits.period_ms = durations.parse_ms(value)
            if not 0 < limits.period_ms <= LONGEST_PERIOD_MS:
                raise ValueError(value)
        elif name == "parallelism":
            limits.parallelism = positive(value)
        elif name == "rate":
            limits.rate = positive(value)
        else:
            raise ValueError(name)
    return limits


def positive(text: str) -> int:
    """Raises: ValueError."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(text)
    return int(text)


@dataclass(slots=True)
class FlowQueue:
    name: FlowKey
    limits: FlowLimits = field(default_factory=FlowLimits)
    open: int = 0
    """Deliveries in progress."""
    begun: int = 0
    """Deliveries begun in the period that started at `period_start`."""
    period_start: int = 0
    ready: list[tuple[int, int]] = field(default_factory=list)
    """A heap of the due messages: (due time, seq)."""
    has_turn: bool = False
    alarm_at: int = -1
    """When the queue is scheduled to be rechecked."""

    def admits(self, now_ms: int) -> bool:
        limits = self.limits
        if limits.paused or (limits.parallelism is not None and self.open >= limits.parallelism):
            return False
        return limits.rate is None or self.begun < limits.rate or self.period_is_over(now_ms)

    def period_is_over(self, now_ms: int) -> bool:
        """Whether a new period begins; also if the period lies in the future, by the clock of an earlier server."""
        return not self.period_start <= now_ms < self.period_start + self.limits.period_ms

    def opens_at(self, now_ms: int) -> int | None:
        """When the current period ends, if its rate is used up."""
        limits = self.limits
        if limits.paused or limits.rate is None or self.begun < limits.rate:
            return None
        return max(self.period_start + limits.period_ms, now_ms)

    def begin(self, now_ms: int) -> None:
        self.open += 1
        if self.period_is_over(now_ms):
            self.period_start, self.begun = now_ms, 0
        self.begun += 1

    def reset_rate(self, now_ms: int) -> None:
        self.period_start, self.begun = now_ms, 0


class FlowQueues:
    """The busy queues, and the order of their turns. `load` makes the queue of a key from its saved limits."""

    def __init__(self, load: Callable[[FlowKey], FlowQueue] = FlowQueue) -> None:
        self._load = load
        self._busy: dict[FlowKey, FlowQueue] = {}
        self._turns: deque[FlowQueue] = deque()
        self.open = 0

    def busy(self, name: FlowKey) -> FlowQueue | None:
        """The queue of a key, if a message in it is due or being delivered."""
        return self._busy.get(name)

    def queue(self, name: FlowKey) -> FlowQueue:
        """The queue of a key, for reading: a change of it takes effect only while it is busy."""
        return self._busy.get(name) or self._load(name)

    def add(self, due: DueMessage) -> None:
        """Queue a message that is due."""
        name = FlowKey(due.tenant, due.flow_key)
        queue = self._busy.get(name)
        if queue is None:
            queue = self._busy[name] = self._load(name)
        heapq.heappush(queue.ready, (due.at_ms, due.seq))
        self.recheck(queue)

    def recheck(self, queue: FlowQueue) -> None:
        """Give the queue a turn, after a change that may let it continue."""
        if queue.ready and not queue.has_turn:
            queue.has_turn = True
            self._turns.append(queue)

    def take(self, now_ms: int) -> tuple[FlowQueue, int] | FlowQueue | None:
        """The next message that may leave, with its queue.

        Or a queue that has to wait and loses its turn, or None when no queue has a turn. The caller calls `begin` if it
        sends the message, and `skip` if it does not.
        """
        if not self._turns:
            return None
        queue = self._turns.popleft()
        queue.has_turn = False
        if not queue.ready or not queue.admits(now_ms):
            return queue
        _, seq = heapq.heappop(queue.ready)
        self.recheck(queue)
        return queue, seq

    def begin(self, queue: FlowQueue, now_ms: int) -> None:
        self.open += 1
        queue.begin(now_ms)

    def end(self, queue: FlowQueue) -> None:
        """Note that a delivery was answered."""
        self.open -= 1
        queue.open -= 1
        self.skip(queue)

    def skip(self, queue: FlowQueue) -> None:
        """Let the queue continue, or drop it if it is empty."""
        self.recheck(queue)
        if not queue.open and not queue.ready:
            self._busy.pop(queue.name, None)

    @property
    def has_turns(self) -> bool:
        return bool(self._turns)
