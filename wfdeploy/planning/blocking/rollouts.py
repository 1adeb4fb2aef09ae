"""Rollouts: which runs of a group may start now, and which wait for those before them.

A hash of the address decides who goes first: it is nobody's choice, the same for everybody, and runs that are added
don't change it. An edit that is on disk before anything is sent *releases* a run. Never more runs are released than the
step allows, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from heapq import nsmallest

from wfdeploy.errors import several
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import Rollout, RolloutMode, RolloutProgress, RolloutStep, StepGate
from wfdeploy.model.edits import Edit, EndRollout, PutProgress, ReleaseRuns
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change

_BADLY = (RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """What is known of a group's rollout."""

    group: str
    rollout: Rollout
    progress: RolloutProgress | None  # None before it begins
    members: Mapping[Address, str]  # the released runs, with the fingerprint that they had then
    state_of: Callable[[Address], RunState | None]  # the state of a recorded run; None for one that isn't recorded
    now_ms: int  # our clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRuns:
    """The runs of a group that a plan would start, with their fingerprints. All of them count: how far a rollout is
    doesn't depend on what one apply is about, or on what else there is to wait for."""

    pending: Mapping[Address, str]  # they may start as far as the rollout is concerned
    waiting: Mapping[Address, str] = field(default_factory=dict)  # they wait for something else
    unclear: Collection[str] = ()  # they may have been started
    is_meant: Callable[[str], bool] = lambda _: True  # whether a run may be released


@dataclass(slots=True)
class Decision:
    """What a rollout allows."""

    released: frozenset[Address] | None  # the runs that may start (None: any)
    reason: str = ""  # why others may not
    edits: list[Edit] = field(default_factory=list)  # to be on disk before anything starts
    progress: RolloutProgress | None = None  # as it is then; None once the rollout is over

    @property
    def passes(self) -> bool:
        """Whether it is a matter of time alone until more may start."""
        return self.progress is not None and self.progress.open_since_ms is not None


def rank(address: str) -> bytes:
    """Runs are released in the order of this."""
    return sha256(address.encode()).digest()


def decide(state: RolloutState, runs: PlannedRuns) -> Decision:
    """Which of the pending runs may start now."""
    progress, members = state.progress, dict(state.members)
    unstarted = {**runs.pending, **runs.waiting}
    if not unstarted:
        # All runs are released. But a lost answer may turn out to be a refusal, and a pause, an abort or too many
        # failures also stop the runs to come.
        is_over = progress is not None and progress.mode is RolloutMode.RUNNING and not runs.unclear
        return Decision(None, edits=[EndRollout(state.group)] if is_over else [])
    if progress is None and not runs.pending:
        return Decision(None)  # it begins when a run may start
    edits: list[Edit] = []
    if progress is None or any(members.get(address, text) != text for address, text in unstarted.items()):
        # A released run has changed since, so the rollout has to prove itself again. A pause stays in force.
        mode = (
            RolloutMode.PAUSED if progress is not None and progress.mode is RolloutMode.PAUSED else RolloutMode.RUNNING
        )
        if progress is not None:
            edits.append(EndRollout(state.group))
        progress = RolloutProgress(group=state.group, mode=mode, started_at_ms=state.now_ms)
        progress, members = replace(progress, steps=state.rollout.plan), {}
    before = None if edits else state.progress
    decision = _Deciding(state, runs, progress, members).decide()
    if decision.progress is not None and decision.progress != before:
        edits.append(PutProgress(decision.progress))
    decision.edits[:0] = edits
    return decision


def apply_rollout(
    changes: Sequence[Change], state: RolloutState, is_meant: Callable[[str], bool]
) -> tuple[Iterator[Change], Decision]:
    """A group's changes, those blocked that have to wait. `is_meant`: whether a run is within the plan's targets."""
    runs = PlannedRuns(
        pending={change.address: change.fingerprint for change in changes if change.starts},
        waiting={change.address: change.fingerprint for change in changes if change.is_put_off},
        unclear={change.address for change in changes if change.action is Action.RECOVER and not change.is_found},
        is_meant=is_meant,
    )
    if (runs.pending or runs.waiting) and not any(map(is_meant, (*runs.pending, *runs.waiting))):
        return iter(changes), Decision(None)  # it isn't about this group, and leaves its rollout alone
    decision = decide(state, runs)
    return _applied(changes, decision), decision


def _applied(changes: Sequence[Change], decision: Decision) -> Iterator[Change]:
    for change in changes:
        if change.starts and decision.released is not None and change.address not in decision.released:
            yield change.blocked(decision.reason)
        else:
            yield change


class _Deciding:
    """A rollout in which something is yet to be started."""

    def __init__(
        self, state: RolloutState, runs: PlannedRuns, progress: RolloutProgress, members: dict[Address, str]
    ) -> None:
        self.state = state
        self.steps = state.rollout.steps
        self.members = members
        self.pending = pending = runs.pending
        # Released but not sent: a process died, or the server refused it. It keeps its place, if the step has room.
        self.unsent = [address for address in pending if address in members]
        self.started = len(members) - len(self.unsent)
        self.meant = [address for address in pending if address not in members and runs.is_meant(address)]
        self.total = len({*members, *pending, *runs.waiting})
        self.progress = self._placed(progress)
        open_ = {*pending, *runs.waiting, *runs.unclear}  # what is recorded of these is about the runs before
        states = [None if address in open_ else state.state_of(address) for address in members]
        self.succeeded = sum(state is RunState.SUCCESS for state in states)
        self.finished = sum(state is not None and state.is_final for state in states)
        self.failed = sum(state in _BADLY for state in states)

    def decide(self) -> Decision:
        stopped = self._stopped()
        if stopped is not None:
            return Decision(frozenset(), stopped, [], self.progress)
        while True:
            step = self.progress.step
            allowed = self._allowed(step)
            room = allowed - self.started
            if room > 0 or step >= len(self.steps):
                released = nsmallest(room, self.unsent, key=rank)
                chosen = nsmallest(room - len(released), self.meant, key=rank)
                runs = tuple((address, self.pending[address]) for address in chosen)
                edits: list[Edit] = [ReleaseRuns(self.state.group, runs)] if runs else []
                return Decision(frozenset((*released, *chosen)), self._turn(allowed), edits, self.progress)
            reason = self._held_up(self.steps[step])
            if reason is not None:
                return Decision(frozenset(), f"rollout, {self._where()}: {reason}", [], self.progress)
            self.progress = replace(self.progress, step=step + 1, open_since_ms=None)

    def _allowed(self, step: int) -> int:
        """How many runs a step releases, with those of the steps before it."""
        return self.total if step >= len(self.steps) else min(self.steps[step].amount.of(self.total), self.total)

    def _placed(self, progress: RolloutProgress) -> RolloutProgress:
        """Where a rollout stands by the steps that are declared now. If they were edited: at the first step with room
        for what was started. That step has to be passed again, since gates that were open before say nothing."""
        plan = self.state.rollout.plan
        if progress.steps in ("", plan):
            return replace(progress, steps=plan, step=min(progress.step, len(self.steps)))
        last = len(self.steps) - 1
        step = next((step for step in range(last) if self._allowed(step) >= self.started), last)
        return replace(progress, steps=plan, step=step, approved=0, open_since_ms=None)

    def _stopped(self) -> str | None:
        """Why nothing may start; None when the rollout is running."""
        most = self.state.rollout.max_failures
        # A tolerated failure that has recovered since doesn't allow another run to fail.
        self.progress = replace(self.progress, tolerated=min(self.progress.tolerated, self.failed))
        failed = self.failed - self.progress.tolerated
        if (
            self.progress.mode is RolloutMode.RUNNING
            and most is not None
            and most.is_exceeded(failed, len(self.members))
        ):
            self.progress = replace(self.progress, mode=RolloutMode.STOPPED, open_since_ms=None)
        resume = f"`wfdeploy rollout resume {self.state.group}` goes on"
        match self.progress.mode:
            case RolloutMode.RUNNING:
                return None
            case RolloutMode.STOPPED:
                count = f"{self.failed:,} of {several(len(self.members))} failed"
                if most is None or not most.is_exceeded(failed, len(self.members)):
                    count = "too many runs had failed"  # some were restarted since
                return f"rollout stopped: {count} (maxFailures: {most}); {resume}"
            case RolloutMode.PAUSED:
                return f"rollout paused; {resume}"
            case RolloutMode.ABORTED:
                return f"rollout aborted; {resume}"

    def _held_up(self, step: RolloutStep) -> str | None:
        """Why the gate of a step that is full isn't passed yet; None when it is."""
        group, count = self.state.group, self.started
        closed: str | None = None
        match step.gate:
            case StepGate.SUCCEEDED if self.succeeded < count:
                closed = f"{self.succeeded:,} of {count:,} succeeded"
                if self.failed:
                    closed += f", {self.failed:,} failed"
            case StepGate.FINISHED if self.finished < count:
                closed = f"{self.finished:,} of {count:,} finished"
            case StepGate.APPROVED if self.progress.approved <= self.progress.step:
                closed = f"waits for `wfdeploy rollout approve {group}`"
        if closed is not None:
            self.progress = replace(self.progress, open_since_ms=None)
            return closed
        since_ms = self.progress.open_since_ms
        if since_ms is None:
            since_ms = self.state.now_ms
        left_s = step.bake_s - (self.state.now_ms - since_ms) / 1000
        if left_s <= 0:
            return None
        self.progress = replace(self.progress, open_since_ms=since_ms)
        return f"bakes {_span(left_s)} more"

    def _turn(self, allowed: int) -> str:
        return (
            f"rollout, {self._where()}: {allowed:,} of {several(self.total)} {'goes' if allowed == 1 else 'go'} first"
        )

    def _where(self) -> str:
        return f"step {self.progress.step + 1} of {len(self.steps)}"


def _span(seconds: float) -> str:
    whole = max(round(seconds), 1)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
