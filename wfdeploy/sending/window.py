"""Bound the requests in flight to as many as the server takes well.

Additive increase, multiplicative decrease, as in TCP (RFC 5681): the only rule of this kind under which clients that
share a server end up with equal shares (Chiu and Jain, 1989).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import Enum
from types import TracebackType

from wfdeploy.model.remote import Answered, ItemReply, Lost, NotSent, Throttled, TriggerReply
from wfdeploy.ports import Clock

FIRST = 8
"""Requests at once, to begin with."""

_TROUBLE = 0.5
_SLOW = 0.9
_SLACK_S = 0.05
"""Answers may take that much longer than the quickest, or twice as long, before the server counts as busy."""

_FORGET_S = 30.0
"""The quickest answer is one of the last half or whole minute, so that a server that got slower for good is not held
to its former speed."""


class Sign(Enum):
    """What an answer says about the server's load."""

    WELL = "well"
    TROUBLE = "trouble"  # 429, 5xx, no answer, no connection
    NOTHING = "nothing"


def sign_of(reply: TriggerReply) -> Sign:
    """What an answer says about the server's load; a refusal is about the runs."""
    match reply:
        case Answered(items):
            return Sign.WELL if throttled(items) is None else Sign.TROUBLE
        case Throttled() | Lost() | NotSent():
            return Sign.TROUBLE
        case _:
            return Sign.NOTHING


def throttled(items: Sequence[ItemReply]) -> Throttled | None:
    """The reply to the first run that the server puts off."""
    return next((reply for reply in items if type(reply) is Throttled), None)


class Pace:
    """The rule alone, without waiting. Times are seconds of one clock that never goes backwards.

    Until the first sign of trouble each good answer makes room for one more request, so the number doubles with each
    round trip. After it, a round trip of good answers makes room for one. Trouble halves the number, and slowness takes
    a tenth off, each once for all the requests that were under way together. Only a full window grows.
    """

    def __init__(self, *, most: int, first: int = FIRST) -> None:
        self._most = float(most)
        self._limit = min(float(first), self._most)
        self._turn_at = self._most  # up to here it doubles
        self._cut_at = float("-inf")
        self._quickest_s = self._quickest_before_s = float("inf")
        self._forgotten_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests at once; at least one."""
        return int(self._limit)

    def take(self, sign: Sign, *, began_at: float, now: float, full: bool) -> None:
        """Take the answer to a request into account. `began_at`: when the request left. `full`: whether as many as
        allowed were in flight."""
        if sign is Sign.TROUBLE:
            self._cut(_TROUBLE, began_at, now)
        elif sign is Sign.WELL:
            took_s = now - began_at
            if took_s > self._patience_s(took_s, now):
                self._cut(_SLOW, began_at, now)
            elif full:
                self._limit = min(self._limit + (1 if self._limit < self._turn_at else 1 / self._limit), self._most)

    def _cut(self, factor: float, began_at: float, now: float) -> None:
        if began_at < self._cut_at:
            return  # it left before the last cut, and says nothing about its effect
        self._limit = max(self._limit * factor, 1.0)
        self._turn_at = self._limit
        self._cut_at = now

    def _patience_s(self, took_s: float, now: float) -> float:
        if now - self._forgotten_at > _FORGET_S:
            self._quickest_before_s, self._quickest_s = self._quickest_s, took_s
            self._forgotten_at = now
        self._quickest_s = min(self._quickest_s, took_s)
        quickest_s = min(self._quickest_s, self._quickest_before_s)
        return max(2 * quickest_s, quickest_s + _SLACK_S)


class Window:
    """Places for requests, as many as its pace allows; whoever waits longest gets the next one."""

    def __init__(self, clock: Clock, *, most: int) -> None:
        self._clock = clock
        self._pace = Pace(most=most)
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many places there are now."""
        return self._pace.limit

    async def enter(self) -> Slot:
        """Wait for a place and take it."""
        if self._taken < self._pace.limit and not self._waiting:
            self._taken += 1
        else:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._leave()
                raise
        return Slot(self)

    def _leave(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self._pace.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._taken += 1
                place.set_result(None)

    def _take(self, sign: Sign, began_at: float) -> None:
        full = self._taken >= self._pace.limit
        self._pace.take(sign, began_at=began_at, now=self._clock.monotonic(), full=full)


class Slot:
    """One request's slot, held from `enter` until the block ends."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._began_at = 0.0

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._window._leave()

    def begin(self) -> None:
        """Note that the request leaves now."""
        self._began_at = self._window._clock.monotonic()

    def take(self, sign: Sign) -> None:
        """Note that the answer is here."""
        self._window._take(sign, self._began_at)
