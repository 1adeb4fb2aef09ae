"""Read headers that say when, or how long. Source: RFC 9110, `Date` and `Retry-After`."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

_RELATIVE_BELOW = 1_000_000_000
_MILLISECONDS_FROM = 100_000_000_000


@lru_cache(maxsize=16)  # the pages of a listing share seconds
def http_date_ms(value: str | None) -> int | None:
    """An HTTP date in Unix milliseconds (whole seconds); None if it is missing or invalid."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000" gives a naive datetime, which is UTC by RFC 5322, not local time.
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """The seconds of a `Retry-After`, which may be a date; None if it is missing or invalid.

    now_s: the server's time, in Unix seconds.
    """
    if (seconds := number_of(value)) is not None:
        return seconds
    until_ms = http_date_ms(value)
    return None if until_ms is None else until_ms / 1000 - now_s


def until_reset_s(value: str | None, now_s: float) -> float | None:
    """The seconds until a reset, which is a Unix time. Other servers send milliseconds, or seconds from now; the size
    shows which."""
    number = number_of(value)
    if number is None or number < _RELATIVE_BELOW:
        return number
    return (number / 1000 if number >= _MILLISECONDS_FROM else number) - now_s


def number_of(value: str | None) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
