"""Rollouts: the runs of a group let go in steps, each of which must prove itself before the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.address import Address


class Gate(Enum):
    """What a step waits for before the next one begins."""

    SUCCEEDED = "succeeded"  # every run let go so far
    FINISHED = "finished"
    APPROVED = "approved"  # `wfdeploy rollout approve`


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of runs, or a percentage of some."""

    value: float
    is_percent: bool = False

    def of(self, total: int) -> int:
        """So many runs of `total`, rounded up."""
        return ceil(total * self.value / 100) if self.is_percent else int(self.value)

    def is_exceeded(self, count: int, total: int) -> bool:
        """Whether `count` of `total` runs are more than this."""
        return count * 100 > self.value * total if self.is_percent else count > self.value

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.is_percent else f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class Step:
    """How many runs are let go when this step is reached, all steps before it included, and what it waits for then.
    `bake_s`: seconds that the gate must have been open."""

    amount: Amount
    gate: Gate = Gate.SUCCEEDED
    bake_s: int = 0

    def __str__(self) -> str:
        return f"{self.amount} {self.gate.value} {self.bake_s}s"


@dataclass(frozen=True, slots=True)
class Rollout:
    """`spec.rollout`. After the last step all runs are let go. `max_failures`: of the runs let go, so many may fail
    (None: any number)."""

    steps: tuple[Step, ...]
    max_failures: Amount | None = None

    @property
    def plan(self) -> str:
        """The steps as text, to tell whether they were edited."""
        return ", ".join(map(str, self.steps))


class Mode(Enum):
    """What people, or too many failures, made of a rollout."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  # too many of its runs failed
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a group's rollout is, as the state holds it. `step`: index of the step that is being filled, or waits;
    equal to the number of steps once all runs are let go. `steps`: what the steps were when `step` was reached
    (`Rollout.plan`; empty: it isn't known). `approved`: up to which step (its index + 1) people approved.
    `open_since_ms`: since when the gate of `step` was seen to be open (our clock, Unix ms). `tolerated`: failures that
    `resume` took note of, as far as they still stand.
    """

    group: str
    step: int = 0
    steps: str = ""
    mode: Mode = Mode.RUNNING
    approved: int = 0
    open_since_ms: int | None = None
    started_at_ms: int = 0
    tolerated: int = 0


# --- edits of the state --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutProgress:
    """How far a rollout is now."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Enlist:
    """These runs (address, fingerprint) are let go: written down before anything is sent for them."""

    group: str
    runs: tuple[tuple[Address, str], ...]


@dataclass(frozen=True, slots=True)
class EndRollout:
    """A rollout is over: all runs are let go, or another one takes its place."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """How a group's rollout stands. `rollout`: None where no loaded manifest declares it; `progress`: None where none
    is under way. `released`: runs let go; `succeeded`, `failed`: how these do, as last observed."""

    group: str
    rollout: Rollout | None
    progress: Progress | None
    released: int = 0
    succeeded: int = 0
    failed: int = 0
