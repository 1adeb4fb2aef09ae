"""What the server tells about itself in the headers of its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wfdeploy.model.remote import ServerFacts
from wfdeploy.upstash.pacing import http_date_ms

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
            told = _seconds(headers.get(LOG_LAG))
            log_lag_s = log_lag_s if told is None else told
        if date != self._date:  # many answers share a second: its text is parsed once
            self._date, self._told_ms = date, http_date_ms(date)
        time_ms = self.facts.time_ms if self._told_ms is None else self._told_ms
        if (server_id, log_lag_s, time_ms) != (self.facts.server_id, self.facts.log_lag_s, self.facts.time_ms):
            self.facts = ServerFacts(server_id, log_lag_s, time_ms)
        return self._told_ms


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
