"""What `doctor` prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.golden_files import GOLDEN
from wfdeploy.errors import ExitCode
from wfdeploy.model.checks import (
    Assumption,
    Diagnosis,
    IntendedRuns,
    ProbeReport,
    Suggestion,
    Truth,
    ok,
    problem,
    skipped,
    warning,
)
from wfdeploy.model.project import Project, Target
from wfdeploy.render.doctor import intention, json_text, text

FOUND = Diagnosis(
    checks=(
        ok("versions", "wfdeploy 1.0.0, state format 11, Python 3.13.1"),
        warning("git", "git tracks .env, which usually holds secrets", "git rm --cached .env"),
        problem("state", "the state is damaged\x1b[2J", "move it aside", exit_code=ExitCode.STATE),
        skipped("lock", "the state can't be used"),
    ),
    probe=ProbeReport(
        assumptions=(
            Assumption(name="log-lag", number=1, statement="logs show runs", truth=Truth.FAILS, evidence="after 90 s"),
            Assumption(name="labels", number=8, statement="labels are shown", truth=Truth.HOLDS, evidence="4 runs"),
            Assumption(name="order", number=None, statement="ids are in order", truth=Truth.UNKNOWN, evidence="-"),
        ),
        log_lag_s=90.0,
        suggestions=(Suggestion(setting="server.logLag", value="270s", reason="a run was listed after 90.0 s"),),
        triggered=5,
        leftovers=2,
        uncancelled=("wfr_a",),
    ),
)


def test_as_text(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "doctor" / "found.txt", "".join(text(FOUND)))


def test_as_json(golden: Callable[[Path, str], None]) -> None:
    found = json_text(FOUND)
    assert json.loads(found)["exitCode"] == 5
    golden(GOLDEN / "doctor" / "found.json", json.dumps(json.loads(found), indent=2) + "\n")


def test_without_a_probe_there_is_none() -> None:
    assert json.loads(json_text(Diagnosis(checks=())))["probe"] is None


def test_the_question_says_what_will_be_done(tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    target = Target(project=Project(root=tmp_path, name="shop", environment="production"), url="https://q.example.com")
    intended = IntendedRuns(
        label="wfdeploy-doctor.u1.production",
        delayed=4,
        delay_s=3600,
        nowhere="https://wfdeploy-doctor.invalid/",
        destination="https://app.example.com/wf",
    )
    golden(GOLDEN / "doctor" / "question.txt", "".join(intention(target, intended)))
