"""What to do about a recorded run that failed, was cancelled or vanished: by its group's policy, or on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from wfdeploy.errors import several
from wfdeploy.model.observed import TROUBLED, RunState
from wfdeploy.model.plan import Action, RequestedAction
from wfdeploy.model.run import FailureAction, OnCancelled, Policy
from wfdeploy.model.state import Standing

UNFINISHED = (None, RunState.STARTED, RunState.UNKNOWN, RunState.MISSING)
"""The states of runs that may still change, or may not have been seen correctly."""

_WORDS = {
    None: "was not seen yet",
    RunState.STARTED: "is running",
    RunState.UNKNOWN: "is in an unknown state",
    RunState.SUCCESS: "has succeeded",
    RunState.EXPIRED: "is older than the server's logs",
    RunState.FAILED: "failed",
    RunState.CANCELED: "was cancelled",
    RunState.MISSING: "is missing from the server's logs",
}


class Handling(Enum):
    """Whether somebody resumed, restarted or deleted a failed run elsewhere, in the console for instance."""

    NOT_ASKED = "not asked"
    OPEN = "open"  # nobody did: its dead letter is in the queue
    EXPIRED = "expired"  # its dead letter has expired; the logs remember the run, and nothing that continues it
    HANDLED = "handled"  # somebody did: its dead letter is gone
    UNCLEAR = "unclear"  # the server can't tell, or not yet

    @property
    def is_in_doubt(self) -> bool:
        """Whether the run may go on already, so that another start of it may be one too many."""
        return self in (Handling.HANDLED, Handling.UNCLEAR)


def handling_recorded(standing: Standing) -> Handling:
    """What the state alone says."""
    return Handling.HANDLED if standing.handled else Handling.NOT_ASKED


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do and why: KEEP, BLOCKED, RESUME or RESTART; on request also CANCEL."""

    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recorded run to decide about."""

    standing: Standing
    now_ms: int  # our clock
    dlq_retention_s: float
    fixed_id: bool = False  # whether its author gave it a workflow run id, so that it can't be triggered under another
    handling: Handling = Handling.NOT_ASKED
    may_go_on_as: str = ""  # the runs that may continue it, since somebody handled it elsewhere

    @property
    def what(self) -> str:
        """The run's state, in words."""
        return _WORDS[self.standing.run_state]

    @property
    def is_too_late(self) -> bool:
        """Whether the run failed so long ago that the server has dropped its dead letter."""
        standing = self.standing
        failed_at_ms = standing.completed_at_ms or standing.observed_at_ms or standing.recorded_at_ms
        return self.now_ms - failed_at_ms >= 1000 * self.dlq_retention_s

    @property
    def in_doubt(self) -> str:
        """Why another start of the run may be one too many, in words; empty where it isn't."""
        if self.standing.run_state is not RunState.FAILED or not self.handling.is_in_doubt:
            return ""
        if self.may_go_on_as:
            return f"somebody resumed or restarted it elsewhere, and it may go on as {self.may_go_on_as}"
        if self.handling is Handling.HANDLED:
            return "its dead letter is gone: somebody resumed, restarted or deleted it elsewhere"
        if self.is_too_late:
            return "it failed so long ago that the server can't tell whether somebody restarted it elsewhere"
        return "its dead letter doesn't show, so that somebody may have resumed or restarted it elsewhere"

    def keep(self, more: str = "") -> Reaction:
        return Reaction(Action.KEEP, f"{self.what}{more}")

    def restart(self, more: str) -> Reaction:
        """Start a new generation, if the run can have one."""
        if self.fixed_id:
            return self.keep(
                "; its workflowRunId is fixed, so it can't be restarted: change it to trigger the run again"
            )
        return Reaction(Action.RESTART, f"{self.what}{more}")


def by_policy(case: Case, policy: Policy) -> Reaction:
    """What a group's policy does about a run in trouble."""
    standing, on_failure = case.standing, policy.on_failure
    if standing.run_state is RunState.FAILED:
        wanted = on_failure.action
    else:
        wanted = FailureAction.RESTART if policy.on_cancelled is OnCancelled.RESTART else FailureAction.REPORT
    if standing.handled:
        # The dead letter of a failed run was gone, or it failed while it was being cancelled.
        return case.keep("; handled elsewhere" if standing.run_state is RunState.FAILED else " with wfdeploy")
    if wanted is FailureAction.REPORT:
        return case.keep()
    if standing.tries >= on_failure.max_attempts:
        return case.keep(f"; given up after {several(standing.tries, 'attempt')}")
    due_ms = on_failure.due_ms(standing.observed_at_ms or standing.recorded_at_ms, standing.tries)
    if due_ms > case.now_ms:
        return Reaction(Action.BLOCKED, f"{case.what}; waits {_span(due_ms - case.now_ms)} more (onFailure.backoff)")
    which = f"attempt {standing.tries + 1} of {on_failure.max_attempts}"
    if wanted is FailureAction.RESUME and not case.is_too_late:
        if standing.dlq_id is None:
            return case.keep("; its dead letter isn't known, so it can't be resumed")
        return Reaction(Action.RESUME, f"{case.what}; {which}")
    if case.in_doubt:
        return case.keep(f"; {case.in_doubt}, so it isn't restarted")
    if wanted is FailureAction.RESUME:
        return case.restart(f" too long ago to be resumed; {which}, from the beginning")
    return case.restart(f"; {which}")


def holds_back(case: Case, policy: Policy) -> bool:
    """Whether a restart that never arrived isn't sent again, since somebody handled the failed run elsewhere."""
    if case.standing.run_state is not RunState.FAILED or case.handling is not Handling.UNCLEAR:
        return bool(case.in_doubt)
    # Only where the policy restarts it as soon as it is clear: another one would be lost.
    return by_policy(replace(case, handling=Handling.NOT_ASKED), policy).action is Action.RESTART


def _cancel(case: Case) -> Reaction:
    state = case.standing.run_state
    return Reaction(Action.CANCEL, "requested") if state is None or state.may_run else case.keep()


def _resume(case: Case) -> Reaction:
    if case.standing.run_state is not RunState.FAILED:
        return case.keep(": only a failed run can be resumed")
    if case.handling is Handling.OPEN and case.standing.dlq_id is not None:
        return Reaction(Action.RESUME, "failed; requested")
    if case.handling is Handling.HANDLED:
        return case.keep(f"; {case.in_doubt}")
    if case.standing.handled or case.is_too_late or case.standing.dlq_id is None:
        return case.keep("; its dead letter is gone, so it can't be resumed (`wfdeploy restart` begins it again)")
    return Reaction(Action.RESUME, "failed; requested")


def _restart(case: Case) -> Reaction:
    if case.standing.run_state in TROUBLED:
        return case.restart("; requested")
    return case.keep(": `wfdeploy retrigger` triggers it all the same")


BY_REQUEST: dict[RequestedAction, Callable[[Case], Reaction]] = {
    RequestedAction.CANCEL: _cancel,
    RequestedAction.RESUME: _resume,
    RequestedAction.RESTART: _restart,
}
"""What a requested action comes to. A retrigger needs no more than a declaration."""


def _span(ms: int) -> str:
    seconds = max(ms // 1000, 1)
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
