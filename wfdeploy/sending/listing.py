"""The server's runs, listed page by page, with a forecast of how long that takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wfdeploy.errors import ExitCode, Interrupted, RemoteFailure
from wfdeploy.model.event import Listing, Notice
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.remote import RunPage
from wfdeploy.model.workflow_id import parse_run_id
from wfdeploy.ports import Clock, Listener, RunGateway

_FORECAST_AFTER_PAGES = 5
"""The first page is slower than the others: a connection has to be made for it."""

_MANY_REQUESTS = 1000


@dataclass(slots=True)
class ListedRuns:
    """A complete listing."""

    runs: list[ObservedRun]

    asked_at: float

    answered_at: float
    """The first page was made between `asked_at` and this (monotonic)."""

    date_ms: int | None
    """The server's time on the first page."""

    since_ms: int | None = None
    """Where the listing was asked to begin (None: at the beginning)."""

    reach_ms: int | None = None
    """Where it had to begin to show what may be unknown (None: at the beginning)."""


async def list_all(
    gateway: RunGateway,
    clock: Clock,
    listener: Listener,
    *,
    label: str,
    since_ms: int | None,
    expected: int | None = None,
    cursor: str = "",
    keep: Callable[[str, RunPage], None] = lambda _cursor, _page: None,
    stopped: Callable[[], bool] = lambda: False,
) -> ListedRuns:
    """List the project's runs since a server time. Whatever else the server lists is dropped: see `is_ours`.

    `expected`: see `Forecast`. `cursor`: begin with the page that an earlier listing had there. `keep`: gets each page,
    and its cursor.

    Raises: `RemoteFailure`, also when the last page is missing; `Interrupted` once `stopped()`.
    """
    asked_at = clock.monotonic()
    answered_at: float | None = None
    date_ms: int | None = None
    runs: list[ObservedRun] = []
    complete = False
    forecast = Forecast(clock, since_ms, expected)
    async for page in gateway.list_runs(label=label, since_ms=since_ms, cursor=cursor):
        keep(cursor, page)
        cursor = page.next_cursor
        if answered_at is None:
            answered_at, date_ms = clock.monotonic(), page.server_time_ms
        runs.extend(run for run in page.runs if is_ours(run, label))
        complete = page.last
        if stopped():
            raise Interrupted("stopped while listing the server's runs", exit_code=ExitCode.SIGINT)
        if (notice := forecast.add(page)) is not None:
            listener(notice)
        listener(Listing(len(runs), done=complete, total=forecast.total))
    if not complete or answered_at is None:
        raise RemoteFailure("the server's listing of runs broke off", hint="run it again")
    return ListedRuns(runs, asked_at, answered_at, date_ms, since_ms)


def earliest(starts: Iterable[int | None]) -> int | None:
    """Where a listing must begin to reach back to all of these times; None, the beginning, if one is unknown or there
    is none."""
    known = set(starts)
    return min((start for start in known if start is not None), default=None) if None not in known else None


def is_ours(run: ObservedRun, label: str) -> bool:
    """Whether a listed run is the project's: it carries the label, or has a derived id, which no other run has."""
    return label in run.labels or parse_run_id(run.workflow_run_id) is not None


class Forecast:
    """How many runs a listing may show, and how long that takes."""

    def __init__(self, clock: Clock, since_ms: int | None, expected: int | None) -> None:
        """`since_ms`: where it begins. `expected`: how many runs there may be, by what is declared or recorded (None:
        unknown)."""
        self._clock = clock
        self._since_ms = since_ms
        self._expected = expected
        self._pages = self._shown = 0
        self._newest_ms = self._oldest_ms = 0
        self._began = 0.0

    def add(self, page: RunPage) -> Notice | None:
        """Take a page into account. If the listing will be long, return a notice of that, once."""
        times = [run.created_at_ms for run in page.runs]
        if times:
            self._newest_ms = self._newest_ms or max(times)
            self._oldest_ms = min(times)
        self._pages += 1
        self._shown += len(times)
        if self._pages == 1:
            self._began = self._clock.monotonic()
        total = self.total
        if page.last or self._pages != _FORECAST_AFTER_PAGES or total is None:
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
        """How many runs the listing will have shown in the end, at most; None if that is unknown.

        Pages are newest first, so the time between the first and the last run shows the share of the whole.
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
