"""How long a listing will be, as far as that can be told while it goes on."""

from __future__ import annotations

import math

from wfdeploy.model.event import Notice
from wfdeploy.model.remote import RunPage
from wfdeploy.ports import Clock

_TOLD_AFTER_PAGES = 5
"""The first one is slower than the others: a connection has to be made for it."""

_MANY_REQUESTS = 1000


class Forecast:
    """How many runs a listing may show, and how long that takes.

    `since_ms`: where it was asked to begin. `expected`: how many runs there may be, by what is declared or recorded;
    None: nobody knows.
    """

    def __init__(self, clock: Clock, since_ms: int | None, expected: int | None) -> None:
        self._clock = clock
        self._since_ms = since_ms
        self._expected = expected
        self._pages = self._shown = 0
        self._newest_ms = self._oldest_ms = 0
        self._began = 0.0

    def add(self, page: RunPage) -> Notice | None:
        """Take a page into account. Once, where the listing will be long, it gives back what is to be said of that."""
        times = [run.created_at_ms for run in page.runs]
        if times:
            self._newest_ms = self._newest_ms or max(times)
            self._oldest_ms = min(times)
        self._pages += 1
        self._shown += len(times)
        if self._pages == 1:
            self._began = self._clock.monotonic()
        total = self.total
        if page.last or self._pages != _TOLD_AFTER_PAGES or total is None:
            return None
        requests = math.ceil(total * self._pages / self._shown)
        if requests < _MANY_REQUESTS:
            return None
        seconds = (self._clock.monotonic() - self._began) / (self._pages - 1) * (requests - self._pages)
        return Notice(
            f"the server lists {math.ceil(self._shown / self._pages)} runs at a time: up to {total:,} runs are "
            f"up to {requests:,} requests, about {_span(seconds)} if they go on as fast as the first"
        )

    @property
    def total(self) -> int | None:
        """How many runs will have been shown in the end, at most; None where that can't be told.

        Pages are newest first, so the time between what came first and last tells how much of the whole is there.
        """
        if self._expected is None or not self._shown:
            return None
        total = self._expected
        if self._since_ms is not None and self._oldest_ms < self._newest_ms:
            share = (self._newest_ms - self._oldest_ms) / max(self._newest_ms - self._since_ms, 1)
            total = min(total, math.ceil(self._shown / share))
        return total if total > self._shown else None


def _span(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest} min"
