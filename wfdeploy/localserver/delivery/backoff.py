"""When to try again.

Sources: Upstash Workflow REST reference, "Trigger Workflow Run" (retries, retry delay); QStash: retries (the default
backoff, and the response headers that override it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from wfdeploy.localserver.runs import durations, expressions

DAY_MS = 86_400_000

DEFAULT_RETRIES = 3

_OVERRIDES = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")


def delay_ms(*, retried: int, expression: str | None, response_headers: Mapping[str, str], now_ms: int) -> int:
    """Milliseconds before the next attempt; `retried` counts the retries made so far (0 after the first failure).

    `response_headers` are those of the failed answer, names in lower case.
    """
    for name in _OVERRIDES:
        if (text := response_headers.get(name)) is not None:
            asked = _asked_ms(text, now_ms)
            if asked is not None and asked <= DAY_MS:  # more than a day is ignored
                return asked
    if expression is not None:
        # A year is the longest delay the service has.
        return expressions.delay_ms(expression, retried=retried, ceiling_ms=365 * DAY_MS)
    # min(86400, e^(2.5 n)) seconds; the exponent is bounded so that the power cannot overflow.
    return round(min(86_400.0, math.exp(min(2.5 * (retried + 1), 20.0))) * 1000)


def _asked_ms(text: str, now_ms: int) -> int | None:
    """Seconds, a duration or an HTTP date, as milliseconds from now."""
    try:
        return durations.parse_ms(text)
    except ValueError:
        pass
    try:
        return max(0, round(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
    except (ValueError, TypeError, OverflowError):
        return None
