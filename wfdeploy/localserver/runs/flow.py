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
from wfdeploy.localserver.store.records import Due


class LaneName(NamedTuple):
    tenant: str
    key: str | None


@dataclass(slots=True)
class Limits:
    """What holds for a key; `None` is without a limit."""

    parallelism: int | None = None
    rate: int | None = None
    period_ms: int = 1000
    paused: bool = False
    pinned_parallelism: bool = False
    pinned_rate: bool = False


LONGEST_PERIOD_MS = 7 * 86_400_000


def parse(text: str) -> Limits:
    """`parallelism=2, rate=5, period=1m`, any of it.

    Raises: ValueError.
    """
    limits = Limits()
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
class Lane:
    name: LaneName
    limits: Limits = field(default_factory=Limits)
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


class Lanes:
    """All lanes, and whose turn it is. `load` makes the lane that has a name, as it was left."""

    def __init__(self, load: Callable[[LaneName], Lane] = Lane) -> None:
        self._load = load
        self._busy: dict[LaneName, Lane] = {}
        self._turns: deque[Lane] = deque()
        self.open = 0

    def busy(self, name: LaneName) -> Lane | None:
        """The lane, if something is due or under way in it."""
        return self._busy.get(name)

    def lane(self, name: LaneName) -> Lane:
        """The lane to look at; a change of it has an effect only while it is busy."""
        return self._busy.get(name) or self._load(name)

    def add(self, due: Due) -> None:
        """A message is due."""
        name = LaneName(due.tenant, due.flow_key)
        lane = self._busy.get(name)
        if lane is None:
            lane = self._busy[name] = self._load(name)
        heapq.heappush(lane.ready, (due.at_ms, due.seq))
        self.look_again(lane)

    def look_again(self, lane: Lane) -> None:
        """Something changed that may let the lane go on."""
        if lane.ready and not lane.has_turn:
            lane.has_turn = True
            self._turns.append(lane)

    def take(self, now_ms: int) -> tuple[Lane, int] | Lane | None:
        """The next message that may leave; a lane that is held up, and loses its turn; or None when nobody has one.

        The caller says `begin` when it does send the message, and `skip` when it does not.
        """
        if not self._turns:
            return None
        lane = self._turns.popleft()
        lane.has_turn = False
        if not lane.ready:
            return lane
        if not lane.admits(now_ms):
            return lane
        _, seq = heapq.heappop(lane.ready)
        self.look_again(lane)
        return lane, seq

    def begin(self, lane: Lane, now_ms: int) -> None:
        self.open += 1
        lane.begin(now_ms)

    def end(self, lane: Lane) -> None:
        """A delivery was answered."""
        self.open -= 1
        lane.open -= 1
        self.skip(lane)

    def skip(self, lane: Lane) -> None:
        """The lane may go on, or is done with."""
        self.look_again(lane)
        if not lane.open and not lane.ready:
            self._busy.pop(lane.name, None)

    @property
    def has_turns(self) -> bool:
        return bool(self._turns)
