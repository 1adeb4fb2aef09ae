"""Schedules: when a recurring group's runs are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

NOMINAL_S = 946_684_800
"""2000-01-01T00:00:00Z: the time with which a recurring group is checked, where no instance is meant."""


class CatchUp(Enum):
    """What becomes of instances whose time passed while nobody looked."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


class Concurrency(Enum):
    """Whether an instance starts while an earlier one of the same run is still going."""

    ALLOW = "allow"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the runs of a group are due.

    `cron`: five fields, read in `timezone` (an IANA name). `start_s`, `end_s`: Unix seconds; instances lie between,
    both included. `deadline_s`: how late an instance may start; None for any time.
    """

    cron: str
    timezone: str = "UTC"
    start_s: int | None = None
    end_s: int | None = None
    catch_up: CatchUp = CatchUp.LAST
    concurrency: Concurrency = Concurrency.ALLOW
    deadline_s: int | None = None

    @property
    def makes_up_for_all(self) -> bool:
        """Whether each instance that was missed is triggered later. (Where an earlier one that is going has others
        skipped, one that was not triggered may have been skipped.)"""
        return self.catch_up is CatchUp.ALL and self.concurrency is Concurrency.ALLOW


def instant(unix_s: int) -> str:
    """The time of an instance as addresses have it: `2026-11-23T03:00:00Z`. Sorts as the times do."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_of(text: str) -> int:
    """Unix seconds of an address's time. Raises: `ValueError` when it isn't one."""
    return round(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Decide:
    """An edit of the state: every instance of a group up to this time (Unix seconds) is triggered, or skipped for good.
    An earlier time than the one that is known changes nothing."""

    group: str
    until_s: int
