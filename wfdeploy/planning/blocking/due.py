"""When the instances of a schedule are due, and which of them are triggered.

Where clocks are put forward or back, times are read as Debian's cron reads them. An instance whose hour is left out
starts right after the gap. One whose hour comes twice starts in the first of the two. Those of every hour or every few
minutes follow the time that passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from wfdeploy.model.blocking import CatchUp, Schedule

MOST = 1000
"""The most instances that one plan catches up on (`catchUp: all`); the next plan continues."""

_SPANS_S = (3600, 86400, 32 * 86400, 366 * 86400)
"""How far back the latest instance is looked for, before all of the time in question is searched."""


@dataclass(frozen=True, slots=True)
class Due:
    """The times of a schedule that a plan decides about (Unix seconds)."""

    times: tuple[int, ...] = ()  # the instances to trigger, ascending
    decided_s: int | None = None  # once they are triggered, everything up to this is decided; None where no time came
    skipped: bool = False  # whether other times came too, which are passed over for good
    more: bool = False  # whether there are more, for the next plan


def due(schedule: Schedule, *, decided_s: int, now_s: int, until_s: int | None = None) -> Due:
    """Find what is due after `decided_s`, up to `until_s` (None: `now_s`). `now_s` also decides what is too late."""
    last_s = now_s if until_s is None else until_s
    if schedule.end_s is not None:
        last_s = min(last_s, schedule.end_s)
    latest = _latest(schedule, decided_s, last_s)
    if latest is None:
        return Due()
    first_s = decided_s if schedule.deadline_s is None else max(decided_s, now_s - schedule.deadline_s - 1)
    if schedule.catch_up is CatchUp.ALL:
        found = list(islice(occurrences(schedule, first_s, last_s), MOST + 1))
        times = tuple(found[:MOST])
        skipped = first_s > decided_s and next(occurrences(schedule, decided_s, first_s), None) is not None
        more = len(found) > MOST
        return Due(times, times[-1] if more else latest, skipped, more)
    times = (latest,) if latest > first_s else ()
    skipped = not times or next(occurrences(schedule, decided_s, latest - 1), None) is not None
    return Due(times, latest, skipped)


def following(schedule: Schedule, after_s: int) -> int | None:
    """The first time after `after_s`; None when there is none any more."""
    return next(occurrences(schedule, after_s, schedule.end_s), None)


def occurrences(schedule: Schedule, after_s: int, until_s: int | None) -> Iterator[int]:
    """The schedule's times after `after_s`, up to and with `until_s` (None: without an end), ascending.

    Raises: `ValueError` for a cron expression or a time zone that isn't one.
    """
    # Imported here: most plans have no schedule in them.
    from zoneinfo import ZoneInfo

    from cronsim import CronSim, CronSimError

    if schedule.start_s is not None:
        after_s = max(after_s, schedule.start_s - 1)
    if until_s is not None and after_s >= until_s:
        return
    try:
        times = CronSim(schedule.cron, datetime.fromtimestamp(after_s, ZoneInfo(schedule.timezone)))
    except (CronSimError, KeyError, OSError, ValueError) as error:
        raise ValueError(f"not a schedule: {schedule.cron!r} in {schedule.timezone!r}: {error}") from error
    previous = after_s
    for time in times:
        unix_s = round(time.timestamp())
        if until_s is not None and unix_s > until_s:
            return
        # Around a clock change, two local times may be the same moment.
        if unix_s > previous:
            previous = unix_s
            yield unix_s


def _latest(schedule: Schedule, after_s: int, until_s: int) -> int | None:
    """The last time after `after_s`, up to `until_s`."""
    for span in _SPANS_S:
        if until_s - span <= after_s:
            break
        found = _last_of(occurrences(schedule, until_s - span, until_s))
        if found is not None:
            return found
    return _last_of(occurrences(schedule, after_s, until_s))


def _last_of(times: Iterator[int]) -> int | None:
    last = None
    for last in times:  # noqa: B007 - what is wanted is what is left
        pass
    return last
