"""What is shown before an apply, and what its report means for scripts."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from tests.unit.render import samples
from wfdeploy.cli.confirm import Asker, exit_code_of
from wfdeploy.cli.output import LogFormat, Output
from wfdeploy.cli.signals import Stopper
from wfdeploy.errors import ExitCode
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Plan

PLAN = replace(
    samples.plan_of([samples.change(f"g{n:03}/r", Action.TRIGGER, "new", sends=True) for n in range(300)]),
    warnings=tuple(f"the group g{n} declares no runs" for n in range(300)),
)


def shown(plan: Plan, *, verbosity: int = 0, log_format: LogFormat = LogFormat.TEXT) -> str:
    stderr = io.StringIO()
    output = Output(stdout=io.StringIO(), stderr=stderr, environ={})
    output.verbosity, output.log_format = verbosity, log_format
    asker = Asker(output, Stopper(), lambda _: None, yes=True, question="Apply these changes?")
    assert asker(plan)
    asker.warn(plan.warnings)
    return stderr.getvalue()


def test_it_fits_a_screen_and_says_how_to_see_all() -> None:
    text = shown(PLAN)
    assert text.count("\n") <= 60
    assert "Not everything is shown: -v lists every run." in text
    assert text.endswith("warning: 295 more like these\nhint: -v shows them\n")


@pytest.mark.parametrize(("verbosity", "log_format"), [(1, LogFormat.TEXT), (0, LogFormat.JSON)])
def test_details_and_logs_have_every_warning_once(verbosity: int, log_format: LogFormat) -> None:
    text = shown(PLAN, verbosity=verbosity, log_format=log_format)
    assert text.count("declares no runs") == 300
    assert text.count("/r  new") == (300 if log_format is LogFormat.TEXT else 0)


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
    assert exit_code_of(given) == code


@pytest.mark.parametrize("signalled", [ExitCode.SIGINT, ExitCode.SIGTERM])
def test_a_signal_counts_when_it_left_something_undone(signalled: ExitCode) -> None:
    assert exit_code_of(report(triggered=1, pending=1, stopped="asked to"), signalled) == signalled
    assert exit_code_of(report(triggered=2, watched={RunState.STARTED: 1}), signalled) == signalled
    assert exit_code_of(report(triggered=2), signalled) == ExitCode.OK
