"""Which exit code a diagnosis has."""

from __future__ import annotations

import pytest

from wfdeploy.errors import ExitCode
from wfdeploy.model.checks import Assumption, Check, Diagnosis, ProbeReport, Truth, ok, problem, skipped, warning

FINE = (ok("versions", "new"), warning("git", "no"), skipped("state", "none"))


def probed(*, number: int | None, truth: Truth, uncancelled: tuple[str, ...] = ()) -> ProbeReport:
    one = Assumption(name="a", number=number, statement="s", truth=truth, evidence="e")
    return ProbeReport(
        assumptions=(one,), log_lag_s=None, suggestions=(), triggered=4, leftovers=0, uncancelled=uncancelled
    )


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        (FINE, ExitCode.OK),
        ((*FINE, problem("state", "x", exit_code=ExitCode.STATE)), ExitCode.STATE),
        (
            (
                problem("manifests", "x", exit_code=ExitCode.INVALID),
                *FINE,
                problem("server", "x", exit_code=ExitCode.REMOTE),
            ),
            ExitCode.INVALID,
        ),
    ],
)
def test_the_first_problem_decides(checks: tuple[Check, ...], code: ExitCode) -> None:
    assert Diagnosis(checks=checks).exit_code == code


@pytest.mark.parametrize(
    ("probe", "code"),
    [
        (probed(number=1, truth=Truth.HOLDS), ExitCode.OK),
        (probed(number=1, truth=Truth.UNKNOWN), ExitCode.OK),
        (probed(number=1, truth=Truth.FAILS), ExitCode.PARTIAL),
        (probed(number=None, truth=Truth.FAILS), ExitCode.OK),
        (probed(number=1, truth=Truth.HOLDS, uncancelled=("wfr_a",)), ExitCode.PARTIAL),
    ],
)
def test_a_broken_assumption_is_no_success(probe: ProbeReport, code: ExitCode) -> None:
    assert Diagnosis(checks=FINE, probe=probe).exit_code == code
    wrong = problem("state", "x", exit_code=ExitCode.STATE)
    assert Diagnosis(checks=(wrong,), probe=probe).exit_code == ExitCode.STATE
