"""Read response headers: facts about the server, and the wait that a 429 requests.

Source: "Workflow REST reference: API rate limits".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wfdeploy.http.headers import http_date_ms, number_of, retry_after_s, until_reset_s
from wfdeploy.model.remote import ServerFacts

SERVER_ID = "wfdeploy-server-id"
LOG_LAG = "wfdeploy-log-lag"
_LIMITS = ("burst-ratelimit-limit", "ratelimit-limit", "ratelimit-remaining")


class FactBook:
    """Collects facts from response headers; the latest answer wins.

    `trusted`: whether the embedded server's own headers count. Only from loopback: a `Wfdeploy-Log-Lag: 0` from another
    server would make the recovery skip its wait for the logs.
    """

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted
        self._date: str | None = None
        self._date_ms: int | None = None
        self._limits: tuple[str | None, ...] = (None, None, None)
        self.facts = ServerFacts()

    def learn(self, headers: Mapping[str, str]) -> int | None:
        """Read an answer's headers (case-insensitive), and return its `Date` in Unix milliseconds."""
        date = headers.get("date")
        server_id, log_lag_s = self.facts.server_id, self.facts.log_lag_s
        if self._trusted:
            server_id = headers.get(SERVER_ID) or server_id
            advertised = number_of(headers.get(LOG_LAG))
            log_lag_s = log_lag_s if advertised is None or advertised < 0 else advertised
        if date != self._date:  # many answers share a second, whose text is parsed once
            self._date, self._date_ms = date, http_date_ms(date)
        time_ms = self.facts.time_ms if self._date_ms is None else self._date_ms
        if (server_id, log_lag_s, time_ms) != (self.facts.server_id, self.facts.log_lag_s, self.facts.time_ms):
            self.facts = replace(self.facts, server_id=server_id, log_lag_s=log_lag_s, time_ms=time_ms)
        limits = tuple(map(headers.get, _LIMITS))
        if limits != self._limits and any(limits):
            self._limits = limits
            self._learn_limits(*map(_count, limits))
        return self._date_ms

    def _learn_limits(self, per_s: int | None, per_day: int | None, left: int | None) -> None:
        facts = self.facts
        self.facts = replace(
            facts,
            requests_per_s=facts.requests_per_s if per_s is None else per_s,
            messages_per_day=facts.messages_per_day if per_day is None else per_day,
            messages_left=facts.messages_left if left is None else left,
        )


LONGEST_WAIT_S = 86_400.0
"""A longer wait is an error, since the daily limit resets within a day."""


def wait_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """The seconds to wait before the next request, 0 to a day; None if the headers don't say.

    `headers`: case-insensitive.
    `now_ms`: the current time in Unix milliseconds, used without a `Date` header. With one, a wrong clock on this
    machine does no harm.
    """
    server_ms = http_date_ms(headers.get("date"))
    now_s = (now_ms if server_ms is None else server_ms) / 1000
    if (given := retry_after_s(headers.get("retry-after"), now_s)) is not None:
        return _bounded(given)
    # Both limits may be reported although only one is used up; the other one is not the reason.
    resets = [
        reset
        for limit in ("burst-ratelimit", "ratelimit")
        if not (number_of(headers.get(f"{limit}-remaining")) or 0) > 0
        and (reset := until_reset_s(headers.get(f"{limit}-reset"), now_s)) is not None
    ]
    return _bounded(max(resets)) if resets else None


def is_daily_limit(headers: Mapping[str, str]) -> bool:
    """Whether the daily limit was hit; the official SDKs recognise it by `RateLimit-Limit`."""
    return "ratelimit-limit" in headers and not (number_of(headers.get("ratelimit-remaining")) or 0) > 0


def daily_limit_end_ms(headers: Mapping[str, str], *, now_ms: int) -> int | None:
    """When the daily limit that was hit ends, in Unix milliseconds.

    None for other limits, and where the headers don't say. Arguments as for `wait_s`.
    """
    seconds = wait_s(headers, now_ms=now_ms) if is_daily_limit(headers) else None
    if seconds is None:
        return None
    server_ms = http_date_ms(headers.get("date"))
    return (now_ms if server_ms is None else server_ms) + round(seconds * 1000)


def _count(value: str | None) -> int | None:
    number = number_of(value)
    return None if number is None or number < 0 else int(number)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
