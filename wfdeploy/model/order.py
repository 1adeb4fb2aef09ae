"""The order of groups: which one waits for which, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Condition(Enum):
    """What must be true of every run of a group before those that depend on it start."""

    TRIGGERED = "triggered"
    SUCCEEDED = "succeeded"
    FINISHED = "finished"  # ended, well or not


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of `dependsOn`. `line`: where it stands in its group's file."""

    group: str
    condition: Condition
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Headcount:
    """How the declared runs of a group do, all counted. `triggered`: those that run, or ran, as they are declared; of
    these, `succeeded` and `finished` have ended."""

    total: int
    triggered: int = 0
    succeeded: int = 0
    finished: int = 0

    def count(self, condition: Condition) -> int:
        """How many runs fulfil a condition."""
        return {
            Condition.TRIGGERED: self.triggered,
            Condition.SUCCEEDED: self.succeeded,
            Condition.FINISHED: self.finished,
        }[condition]

    def fulfils(self, condition: Condition) -> bool:
        """Whether all of them do."""
        return self.count(condition) >= self.total
