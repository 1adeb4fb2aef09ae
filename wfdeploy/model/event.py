"""What happens while wfdeploy works, reported as it happens. Views listen; nothing is decided by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from wfdeploy.model.address import Address
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.observed import RunState
    from wfdeploy.model.plan import Plan


RESULTS_HELD = 120_000
"""Results that stay in memory, about a quarter of a kilobyte each; beyond, they are reported in the order they came."""


class Outcome(Enum):
    """What became of a change. Past tense: actions are imperative."""

    TRIGGERED = "triggered"
    DEDUPLICATED = "deduplicated"
    ADOPTED = "adopted"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    FORGOTTEN = "forgotten"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    PENDING = "pending"
    BLOCKED = "blocked"
    KEPT = "kept"


_TOUCHED_THE_SERVER = (
    Outcome.TRIGGERED,
    Outcome.DEDUPLICATED,
    Outcome.RESUMED,
    Outcome.CANCELLED,
    Outcome.UNKNOWN,  # it may have been triggered: "nothing was" would be a lie
)
_NOT_DONE = (Outcome.REJECTED, Outcome.UNKNOWN, Outcome.PENDING)


class Result(NamedTuple):
    """The outcome of one change. There may be a million: a tuple is made in a third of a dataclass's time.

    created_at_ms: server time of the run.
    error: the server's message, scrubbed.
    """

    address: Address
    outcome: Outcome
    workflow_run_id: str = ""
    created_at_ms: int | None = None
    error: str | None = None

    @classmethod
    def several(
        cls,
        addresses: Iterable[Address],
        outcome: Outcome,
        workflow_run_ids: Iterable[str],
        created_at_ms: Iterable[int | None],
    ) -> list[Result]:
        """Results that differ in no more than this, made without a call of Python's for each."""
        rows = zip(addresses, repeat(outcome), workflow_run_ids, created_at_ms, repeat(None), strict=False)
        return list(map(tuple.__new__, repeat(cls), rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    """How an apply ended.

    results: by address, unless they are too many for memory; then in the order they came.
    stopped: why it ended before the plan was done; None when it was not.
    drifted: declared runs in a state that they should not be in, which were left as they are, counted by state.
    handled: how many of these failed, and somebody handled them elsewhere.
    backing_off: declared runs that are to be tried again once their backoff is over, counted by state.
    approvals: the groups among those of the plan whose rollouts wait for a person's approval.
    warnings: those of the plan.
    watched: with the embedded server, the runs that this apply started, counted by the state they ended in (those still
        RUN_STARTED are scheduled for later, or slow); None where runs were not followed.
    unsettled: what was waited for in vain.
    idle: see `Plan`.
    unmet: how many requests were not carried out since somebody had handled the run elsewhere.
    """

    summary: Mapping[Outcome, int]
    results: Sequence[Result]
    stopped: str | None = None
    hint: str | None = None
    took_s: float = 0.0
    drifted: Mapping[RunState, int] = field(default_factory=dict)
    handled: int = 0
    backing_off: Mapping[RunState, int] = field(default_factory=dict)
    approvals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    watched: Mapping[RunState, int] | None = None
    unsettled: str | None = None
    idle: str = ""
    unmet: int = 0

    @property
    def is_done(self) -> bool:
        """Whether all of the plan was done, and the runs that were followed ended well."""
        return self.exit_code is ExitCode.OK

    @property
    def is_cut_short(self) -> bool:
        """Whether something was left undone, following the runs included."""
        from wfdeploy.model.observed import RunState

        still_running = self.watched is not None and self.watched.get(RunState.STARTED, 0) > 0
        return self.stopped is not None or self.unsettled is not None or still_running

    @property
    def exit_code(self) -> ExitCode:
        """What the report means for scripts. OK: all of the plan was done, and the runs that were followed ended well;
        REMOTE: nothing reached the server; PARTIAL: anything between."""
        from wfdeploy.model.observed import RunState

        if self.stopped is not None or any(self.summary.get(outcome, 0) for outcome in _NOT_DONE):
            touched = any(self.summary.get(outcome, 0) for outcome in _TOUCHED_THE_SERVER)
            return ExitCode.PARTIAL if touched else ExitCode.REMOTE
        if self.unmet:
            touched = any(self.summary.get(outcome, 0) for outcome in _TOUCHED_THE_SERVER)
            return ExitCode.PARTIAL if touched else ExitCode.WITHHELD
        ended_badly = (RunState.FAILED, RunState.CANCELED)
        if self.watched is not None and any(self.watched.get(state, 0) for state in ended_badly):
            return ExitCode.PARTIAL
        return ExitCode.OK if self.unsettled is None else ExitCode.PARTIAL

    @property
    def fail_states(self) -> frozenset[FailState]:
        """The states of `--fail-on` that a declared run is in: as recorded, or as this apply saw it."""
        from wfdeploy.model.fail_state import found_in

        blocked = self.summary.get(Outcome.BLOCKED, 0) > 0
        return found_in(self.drifted, self.backing_off, self.watched or {}, blocked=blocked)

    @classmethod
    def of_nothing(cls, plan: Plan) -> ApplyReport:
        """Of a plan by which there is nothing to do."""
        from wfdeploy.model.plan import Action  # it is there: there is a plan

        summary = dict.fromkeys(Outcome, 0)
        summary[Outcome.KEPT] = plan.summary[Action.KEEP]
        summary[Outcome.BLOCKED] = plan.summary[Action.BLOCKED]
        return cls(
            summary=summary,
            results=(),
            drifted=plan.drifted,
            handled=plan.handled,
            backing_off=plan.backing_off,
            warnings=plan.warnings,
            idle=plan.idle,
            unmet=len(plan.unmet),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """Manifests are being read. Only reported when they are many.

    runs: declared runs so far.
    part, whole: how much is read, in bytes or runs, of all that is known so far (a data file counts once it is opened);
        `whole` is 0 where nobody knows.
    """

    runs: int
    done: bool = False
    part: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """Sending begins; `total` runs are to be sent, or to be cancelled."""

    total: int
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcomes of some changes are known and on disk; there is at least one."""

    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait begins.

    why: for people.
    seconds: about how long.
    """

    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of the server's runs goes on.

    seen: runs so far.
    total: how many at most, where that is known.
    """

    seen: int
    done: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """Started runs are followed: `ended` of `total` have ended."""

    ended: int
    total: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know and need not act on at once.

    minor: only for those who look closer (-v).
    """

    message: str
    hint: str | None = None
    minor: bool = False


Event: TypeAlias = Reading | Started | Settled | Waiting | Listing | Following | Notice
