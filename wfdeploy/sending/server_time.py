"""Tell the server's time without trusting the machine's wall clock.

An answer's `Date` is the server's time at some moment between request and answer, cut to seconds (RFC 9110, 5.6.7).
From then on the monotonic clock counts. So any moment of this process has an earliest and a latest server time; the
wall clock, which may be wrong or be set meanwhile, has no part in it.

If the server sends no time, the wall clock stands in for it, read once: within one process that is as good.
"""

from __future__ import annotations

import math

from wfdeploy.model.event import Notice
from wfdeploy.ports import Clock

DATE_RESOLUTION_MS = 1000
"""`Date` is cut to seconds: the server's clock may be that much later."""

ROUNDED_S = 0.002
"""Moments are rounded to milliseconds, so waits are that much longer."""

TOLERATED_MS = 5000
"""How far this machine's clock may be off before a notice says so."""


class ServerTime:
    """Server times of moments (seconds of the process's monotonic clock). The newest answer counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._low_ms = self._high_ms = self._wall_offset_ms
        self.is_known = False
        self._has_complained = False

    def learn(self, date_ms: int | None, *, asked_at: float, answered_at: float) -> None:
        """Take an answer's `Date` into account (Unix ms, whole seconds; None: it has none)."""
        if date_ms is not None:
            self._low_ms = date_ms - 1000 * answered_at
            self._high_ms = date_ms + DATE_RESOLUTION_MS - 1000 * asked_at
            self.is_known = True

    def now(self) -> float:
        """This moment."""
        return self._clock.monotonic()

    def earliest_ms(self, at: float | None = None) -> int:
        """No later than the server's time at a moment (None: now), in Unix ms."""
        return math.floor(self._low_ms + 1000 * (self.now() if at is None else at))

    def latest_ms(self, at: float | None = None) -> int:
        """No earlier than the server's time at a moment (None: now), in Unix ms."""
        return math.ceil(self._high_ms + 1000 * (self.now() if at is None else at))

    def recorded_ms(self) -> int | None:
        """This moment for another process: its latest server time, if that is known."""
        return self.latest_ms() if self.is_known else None

    def complaint(self) -> Notice | None:
        """A notice about the clocks, if something is wrong with them; once."""
        if not self.is_known:
            message = "the server's answers tell no time (Date): this machine's clock stands in for it"
            return self._once(Notice(message, "a proxy may have taken the header away"))
        ours = self._wall_offset_ms
        if self._low_ms - TOLERATED_MS <= ours <= self._high_ms + TOLERATED_MS:
            return None
        ahead_s = (ours - (self._low_ms + self._high_ms) / 2) / 1000
        side = "ahead of" if ahead_s > 0 else "behind"
        message = f"this machine's clock is {abs(ahead_s):,.0f} s {side} the server's"
        return self._once(Notice(message, "set the clock (NTP); an instance of a schedule is due when both say so"))

    def _once(self, notice: Notice) -> Notice | None:
        has_complained, self._has_complained = self._has_complained, True
        return None if has_complained else notice

    @property
    def _wall_offset_ms(self) -> float:
        return self._clock.now_ms() - 1000 * self._clock.monotonic()
