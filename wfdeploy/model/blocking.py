"""What a group's runs may have to wait for: the time of their schedule, other groups, a step of a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

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

    cron: five fields, read in `timezone`.
    timezone: an IANA name.
    start_s, end_s: Unix seconds; instances lie between, both included.
    deadline_s: how late an instance may start; None for any time.
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


class Condition(Enum):
    """What must be true of every run of a group before those that depend on it start."""

    TRIGGERED = "triggered"
    SUCCEEDED = "succeeded"
    FINISHED = "finished"  # ended, well or not


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of `dependsOn`.

    line: where it stands in its group's file.
    """

    group: str
    condition: Condition
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Headcount:
    """The declared runs of a group, counted by how far they are.

    triggered: those that run, or ran, as they are declared.
    succeeded, finished: those of them that have ended.
    """

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


class StepGate(Enum):
    """What a step waits for before the next one begins."""

    SUCCEEDED = "succeeded"  # every run released so far
    FINISHED = "finished"
    APPROVED = "approved"  # `wfdeploy rollout approve`


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of runs, or a percentage of some."""

    value: float
    is_percent: bool = False

    def of(self, total: int) -> int:
        """How many runs of `total` this is, rounded up."""
        return ceil(total * self.value / 100) if self.is_percent else int(self.value)

    def is_exceeded(self, count: int, total: int) -> bool:
        """Whether `count` of `total` runs are more than this."""
        return count * 100 > self.value * total if self.is_percent else count > self.value

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.is_percent else f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """How many runs are released when this step is reached, all steps before it included, and what it waits for then.

    bake_s: seconds that the gate must have been open.
    """

    amount: Amount
    gate: StepGate = StepGate.SUCCEEDED
    bake_s: int = 0

    def __str__(self) -> str:
        return f"{self.amount} {self.gate.value} {self.bake_s}s"


@dataclass(frozen=True, slots=True)
class Rollout:
    """`spec.rollout`. After the last step all runs are released.

    max_failures: how many of the released runs may fail; None for any number.
    """

    steps: tuple[RolloutStep, ...]
    max_failures: Amount | None = None

    @property
    def plan(self) -> str:
        """The steps as text, to find out whether they were edited."""
        return ", ".join(map(str, self.steps))


class RolloutMode(Enum):
    """What people, or too many failures, made of a rollout."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  # too many of its runs failed
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutProgress:
    """How far a group's rollout is, as the state holds it.

    step: index of the step that is being filled, or waits; equal to the number of steps once all runs are released.
    steps: what the steps were when `step` was reached (`Rollout.plan`); empty where it isn't known.
    approved: up to which step (its index + 1) people approved.
    open_since_ms: since when the gate of `step` was seen to be open (our clock, Unix ms).
    tolerated: failures that `resume` took note of, as far as they still stand.
    """

    group: str
    step: int = 0
    steps: str = ""
    mode: RolloutMode = RolloutMode.RUNNING
    approved: int = 0
    open_since_ms: int | None = None
    started_at_ms: int = 0
    tolerated: int = 0

    @property
    def gate(self) -> StepGate | None:
        """What the current step has to wait for; None where that isn't known, or all runs are released."""
        steps = self.steps.split(", ") if self.steps else []
        return StepGate(steps[self.step].split()[1]) if self.step < len(steps) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """How a group's rollout stands.

    rollout: None where no loaded manifest declares it.
    progress: None where none is under way.
    released: how many runs are released.
    running, succeeded, failed: how many of them are, or did.
    stale: of how many the server did not show the state now, and it may have changed since.
    seen_at_ms: when the longest unseen of these was last seen (our clock); None where none was.
    """

    group: str
    rollout: Rollout | None
    progress: RolloutProgress | None
    released: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    stale: int = 0
    seen_at_ms: int | None = None
