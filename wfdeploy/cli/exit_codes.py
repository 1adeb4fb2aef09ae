"""What a finished apply means for the exit status."""

from __future__ import annotations

from wfdeploy.errors import ExitCode
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.observed import RunState

_TOUCHED_THE_SERVER = (
    Outcome.TRIGGERED,
    Outcome.DEDUPLICATED,
    Outcome.RESUMED,
    Outcome.CANCELLED,
    Outcome.UNKNOWN,  # it may have been triggered: "nothing was" would be a lie
)
_NOT_DONE = (Outcome.REJECTED, Outcome.UNKNOWN, Outcome.PENDING)
_ENDED_BADLY = (RunState.FAILED, RunState.CANCELED)


def of_report(report: ApplyReport, signalled: ExitCode | None = None) -> ExitCode:
    """`signalled`: the exit code of the signal that asked to stop; it counts only when
    something was left undone, following the runs included."""
    still_running = report.watched is not None and report.watched.get(RunState.STARTED, 0) > 0
    if signalled is not None and (report.stopped is not None or report.unsettled is not None or still_running):
        return signalled
    if report.stopped is not None or any(report.summary.get(outcome, 0) for outcome in _NOT_DONE):
        touched = any(report.summary.get(outcome, 0) for outcome in _TOUCHED_THE_SERVER)
        return ExitCode.PARTIAL if touched else ExitCode.REMOTE
    if report.watched is not None and any(report.watched.get(state, 0) for state in _ENDED_BADLY):
        return ExitCode.PARTIAL
    if report.unsettled is not None:
        return ExitCode.PARTIAL
    return ExitCode.OK
