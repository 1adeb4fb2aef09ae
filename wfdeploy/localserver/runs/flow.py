"""Flow control: which message may leave now. Pure bookkeeping in memory, no clock and no database of its own.

Each flow-control key of a tenant is a lane; messages without a key share one per tenant. Lanes take turns, so that a
long waitlist of one key holds up no other. A slot is held from sending until the answer; `rate` counts the deliveries
begun in a period, which begins with its first. Only lanes with something to do are in memory.

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
    """What holds for a key; `None` is without a limit."""

    parallelism: int | None = None
    rate: int | None = None
    period_ms: int = 1000
    paused: bool = False
    pinned_parallelism: bool = False
    pinned_rate: bool = False


LONGEST_PERIOD_MS = 7 * 86_400_000


def parse(text: str) -> FlowLimits:
    """`parallelism=2, rate=5, period=1m`, any of it.

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
    """Deliveries under way."""
    begun: int = 0
    """In the period that began at `period_start`."""
    period_start: int = 0
    ready: list[tuple[int, int]] = field(default_factory=list)
    """A heap of what is due: (when, seq)."""
    has_turn: bool = False
    alarm_at: int = -1
    """The moment for which the lane is to be looked at again."""

    def admits(self, now_ms: int) -> bool:
        limits = self.limits
        if limits.paused or (limits.parallelism is not None and self.open >= limits.parallelism):
            return False
        return limits.rate is None or self.begun < limits.rate or self.period_is_over(now_ms)

    def period_is_over(self, now_ms: int) -> bool:
        """Also when it lies in the future: an earlier server had a clock of its own."""
        return not self.period_start <= now_ms < self.period_start + self.limits.period_ms

    def opens_at(self, now_ms: int) -> int | None:
        """When a full period is over, if that is what holds the lane up."""
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
    """All lanes, and whose turn it is. `load` makes the lane that has a name, as it was left."""

    def __init__(self, load: Callable[[FlowKey], FlowQueue] = FlowQueue) -> None:
        self._load = load
        self._busy: dict[FlowKey, FlowQueue] = {}
        self._turns: deque[FlowQueue] = deque()
        self.open = 0

    def busy(self, name: FlowKey) -> FlowQueue | None:
        """The lane, if something is due or under way in it."""
        return self._busy.get(name)

    def queue(self, name: FlowKey) -> FlowQueue:
        """The lane to look at; a change of it has an effect only while it is busy."""
        return self._busy.get(name) or self._load(name)

    def add(self, due: DueMessage) -> None:
        """A message is due."""
        name = FlowKey(due.tenant, due.flow_key)
        queue = self._busy.get(name)
        if queue is None:
            queue = self._busy[name] = self._load(name)
        heapq.heappush(queue.ready, (due.at_ms, due.seq))
        self.look_again(queue)

    def look_again(self, queue: FlowQueue) -> None:
        """Something changed that may let the lane go on."""
        if queue.ready and not queue.has_turn:
            queue.has_turn = True
            self._turns.append(queue)

    def take(self, now_ms: int) -> tuple[FlowQueue, int] | FlowQueue | None:
        """The next message that may leave; a lane that is held up, and loses its turn; or None when nobody has one.

        The caller says `begin` when it does send the message, and `skip` when it does not.
        """
        if not self._turns:
            return None
        queue = self._turns.popleft()
        queue.has_turn = False
        if not queue.ready:
            return queue
        if not queue.admits(now_ms):
            return queue
        _, seq = heapq.heappop(queue.ready)
        self.look_again(queue)
        return queue, seq

    def begin(self, queue: FlowQueue, now_ms: int) -> None:
        self.open += 1
        queue.begin(now_ms)

    def end(self, queue: FlowQueue) -> None:
        """A delivery was answered."""
        self.open -= 1
        queue.open -= 1
        self.skip(queue)

    def skip(self, queue: FlowQueue) -> None:
        """The lane may go on, or is done with."""
        self.look_again(queue)
        if not queue.open and not queue.ready:
            self._busy.pop(queue.name, None)

    @property
    def has_turns(self) -> bool:
        return bool(self._turns)
