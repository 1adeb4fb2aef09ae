"""What the headers of the server's answers tell: about itself, and how long a 429 asks to wait.

Sources: "Workflow REST reference: API rate limits"; RFC 9110, `Retry-After`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from wfdeploy.model.remote import ServerFacts

SERVER_ID = "wfdeploy-server-id"
LOG_LAG = "wfdeploy-log-lag"


class FactBook:
    """Collects facts, the latest answer winning.

    `believed`: whether the embedded server's own headers are taken at their word. Only from loopback: elsewhere a
    `Wfdeploy-Log-Lag: 0` would talk the recovery out of waiting for the logs.
    """

    def __init__(self, *, believed: bool) -> None:
        self._believed = believed
        self._date: str | None = None
        self._told_ms: int | None = None
        self.facts = ServerFacts()

    def learn(self, headers: Mapping[str, str]) -> int | None:
        """Take in an answer's headers (looked up without regard to case); returns its `Date` in Unix ms."""
        date = headers.get("date")
        server_id, log_lag_s = self.facts.server_id, self.facts.log_lag_s
        if self._believed:
            server_id = headers.get(SERVER_ID) or server_id
            told = _number(headers.get(LOG_LAG))
            log_lag_s = log_lag_s if told is None or told < 0 else told
        if date != self._date:  # many answers share a second: its text is parsed once
            self._date, self._told_ms = date, http_date_ms(date)
        time_ms = self.facts.time_ms if self._told_ms is None else self._told_ms
        if (server_id, log_lag_s, time_ms) != (self.facts.server_id, self.facts.log_lag_s, self.facts.time_ms):
            self.facts = ServerFacts(server_id, log_lag_s, time_ms)
        return self._told_ms


LONGEST_WAIT_S = 86_400.0
"""A wait beyond a day is a misreading or a mistake: the daily limit resets within one."""

_RELATIVE_BELOW = 1_000_000_000
_MILLISECONDS_FROM = 100_000_000_000


@lru_cache(maxsize=16)  # the pages of a listing share seconds
def http_date_ms(value: str | None) -> int | None:
    """An HTTP date in Unix milliseconds (whole seconds), None when it is missing or isn't one."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000" makes a naive datetime: UTC by RFC 5322, and never local time.
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000


def wait_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Seconds to wait before asking again, None when the headers don't say; never negative, at most a day.

    `headers` is looked up without regard to case. Times are counted from the server's own `Date`, where it is given,
    so that a wrong clock on this machine does no harm; `now_ms` (Unix milliseconds) stands in for it.
    """
    server_ms = http_date_ms(headers.get("date"))
    now_s = (now_ms if server_ms is None else server_ms) / 1000
    if (given := _retry_after(headers.get("retry-after"), now_s)) is not None:
        return _bounded(given)
    # Both limits may be reported while only one is used up: the one that still has something left isn't why.
    resets = [
        reset
        for limit in ("burst-ratelimit", "ratelimit")
        if not (_number(headers.get(f"{limit}-remaining")) or 0) > 0
        and (reset := _reset(headers.get(f"{limit}-reset"), now_s)) is not None
    ]
    return _bounded(max(resets)) if resets else None


def is_daily_limit(headers: Mapping[str, str]) -> bool:
    """Whether it is the daily limit that was hit: the official SDKs know it by `RateLimit-Limit`."""
    return "ratelimit-limit" in headers


def _retry_after(value: str | None, now_s: float) -> float | None:
    if (seconds := _number(value)) is not None:
        return seconds
    until_ms = http_date_ms(value)
    return None if until_ms is None else until_ms / 1000 - now_s


def _reset(value: str | None, now_s: float) -> float | None:
    """A reset is a Unix time. Other servers send milliseconds, or seconds from now: the size tells them apart."""
    number = _number(value)
    if number is None or number < _RELATIVE_BELOW:
        return number
    return (number / 1000 if number >= _MILLISECONDS_FROM else number) - now_s


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
