"""When a schedule is due, by going through the minutes one by one: an oracle that shares nothing with the product.

As docs/schedules.md has it: schedules of every hour or every few minutes go by the time that passes; of the others, a
time that the clocks leave out comes right after the gap, and one that comes twice counts once, the first time.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_S = 86_400
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def between(cron: str, timezone: str, after_s: float, until_s: float) -> list[int]:
    """The times after `after_s`, up to and with `until_s` (Unix seconds)."""
    found: list[int] = []
    day = int(after_s // DAY_S) * DAY_S
    while day <= until_s:
        found += _of_day(cron, timezone, day)
        day += DAY_S
    return found[bisect_right(found, after_s) : bisect_right(found, until_s)]


@lru_cache(maxsize=4096)
def _of_day(cron: str, timezone: str, day_s: int) -> tuple[int, ...]:
    """The times of one day of UTC."""
    minutes, hours, *days = (_values(text, *span) for text, span in zip(cron.split(), _RANGES, strict=True))
    zone = ZoneInfo(timezone)
    goes_by_time_passed = any(text.startswith("*") for text in cron.split()[:2])
    found: set[int] = set()
    if goes_by_time_passed:
        for at_s in range(day_s, day_s + DAY_S, 60):
            local = datetime.fromtimestamp(at_s, zone)
            if local.minute in minutes and local.hour in hours and _is_day(local, days):
                found.add(at_s)
        return tuple(sorted(found))
    first = datetime.fromtimestamp(day_s, zone).replace(tzinfo=None, hour=0, minute=0)
    for offset in range(3):
        date = first + timedelta(days=offset)
        if not _is_day(date, days):
            continue
        for hour in hours:
            for minute in minutes:
                at_s = _instant(date.replace(hour=hour, minute=minute), zone)
                if day_s <= at_s < day_s + DAY_S:
                    found.add(at_s)
    return tuple(sorted(found))


def _instant(local: datetime, zone: ZoneInfo) -> int:
    """A time on the wall; the first where there are two, the end of the gap where there is none."""
    at_s = round(local.replace(tzinfo=zone, fold=0).timestamp())
    if datetime.fromtimestamp(at_s, zone).replace(tzinfo=None) == local:
        return at_s
    at_s = round(local.replace(tzinfo=UTC).timestamp()) - 2 * DAY_S
    while datetime.fromtimestamp(at_s, zone).replace(tzinfo=None) < local:
        at_s += 60
    return at_s


def _is_day(local: datetime, days: list[set[int]]) -> bool:
    of_month, months, of_week = days
    return local.day in of_month and local.month in months and (local.weekday() + 1) % 7 in of_week


def _values(text: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        values.update(range(begin, end + 1, int(step or 1)))
    return values
