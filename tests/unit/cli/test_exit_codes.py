"""What an apply's report means for scripts."""

from __future__ import annotations

import pytest

from wfdeploy.cli.exit_codes import of_report
from wfdeploy.errors import ExitCode
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.remote import RunState


def report(stopped: str | None = None, watched: dict[RunState, int] | None = None, **counts: int) -> ApplyReport:
    summary = {outcome: counts.get(outcome.value, 0) for outcome in Outcome}
    return ApplyReport(summary=summary, results=(), stopped=stopped, watched=watched)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (report(), 0),
        (report(triggered=3, kept=2, deduplicated=1, adopted=4), 0),
        (report(blocked=3), 0),
        (report(triggered=3, rejected=1), 7),
        (report(rejected=1), 6),
        (report(pending=9, stopped="401"), 6),
        (report(triggered=1, pending=9, stopped="401"), 7),
        (report(unknown=1), 7),  # it may have been triggered
        (report(adopted=1, pending=2, stopped="429"), 6),  # nothing was triggered
        (report(triggered=2, watched={RunState.SUCCESS: 2}), 0),
        (report(triggered=2, watched={RunState.SUCCESS: 1, RunState.FAILED: 1}), 7),
        (report(triggered=2, watched={RunState.STARTED: 2}), 0),  # scheduled for later
    ],
)
def test_exit_code_of_a_report(given: ApplyReport, code: int) -> None:
    assert of_report(given) == code


@pytest.mark.parametrize("signalled", [ExitCode.SIGINT, ExitCode.SIGTERM])
def test_a_signal_counts_when_it_left_something_undone(signalled: ExitCode) -> None:
    assert of_report(report(triggered=1, pending=1, stopped="asked to"), signalled) == signalled
    assert of_report(report(triggered=2, watched={RunState.STARTED: 1}), signalled) == signalled
    assert of_report(report(triggered=2), signalled) == ExitCode.OK
