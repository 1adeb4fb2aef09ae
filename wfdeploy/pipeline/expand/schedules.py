"""What expressions of a recurring group know of the instance that they are evaluated for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from wfdeploy.model.schedule import NOMINAL_S, Schedule, instant


def schedule_values(schedule: Schedule, at_s: int | None) -> Mapping[str, str]:
    """`schedule.time` (UTC), `schedule.localTime` and `schedule.date` (in the schedule's time zone) of the instance at
    `at_s` (Unix seconds; None: no instance is meant, and some time stands for any)."""
    from zoneinfo import ZoneInfo

    moment_s = NOMINAL_S if at_s is None else at_s
    try:
        zone = ZoneInfo(schedule.timezone)
    except (KeyError, OSError, ValueError):  # the rules tell
        zone = ZoneInfo("UTC")
    local = datetime.fromtimestamp(moment_s, zone)
    return {"time": instant(moment_s), "localTime": local.isoformat(), "date": local.date().isoformat()}
