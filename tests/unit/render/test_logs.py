"""Steps as a tree, the past as a table, what a refresh found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.golden_files import GOLDEN
from tests.unit.render.samples import NOON_MS
from wfdeploy.model.address import Address
from wfdeploy.model.observed import Continuation, ObservedRun, RunLog, RunState, Step, StepError, StepGroup
from wfdeploy.model.state import Record
from wfdeploy.model.status import LoggedRun, PastRun, Refreshed, StateChange
from wfdeploy.render import logs, status

Golden = Callable[[Path, str], None]
HARM = "\x1b[2Jharm\u202e"
RECORD = Record(
    address=Address("g/a"),
    fingerprint="1:abc",
    generation=2,
    workflow_run_id="wfr_g-a",
    recorded_at_ms=NOON_MS,
    created_at_ms=NOON_MS,
    tries=1,
    run_state=RunState.FAILED,
)
LOG = RunLog(
    workflow_run_id="wfr_g-a",
    state=RunState.FAILED,
    created_at_ms=NOON_MS,
    completed_at_ms=NOON_MS + 74_200,
    groups=(
        StepGroup("sequential", (Step(name="init", kind="Initial", state="STEP_SUCCESS", created_at_ms=NOON_MS),)),
        StepGroup(
            "parallel",
            (
                Step(name="fetch", kind="Call", state="STEP_SUCCESS", created_at_ms=NOON_MS, detail="https://x"),
                Step(name=HARM, kind="Run", state="STEP_CANCELED"),
                Step(name="nap", kind="SleepFor", state="STEP_SUCCESS", about="sleepFor", detail="30"),
                Step(name="night", kind="SleepUntil", state="STEP_SUCCESS", about="sleepUntil", detail="1795435200.0"),
                Step(name="tea", kind="SleepFor", state="STEP_SUCCESS", about="sleepFor", detail="5m"),
            ),
        ),
        StepGroup(
            "next",
            (
                Step(
                    name="",
                    state="STEP_FAILED",
                    retries=2,
                    next_delivery_ms=NOON_MS + 5000,
                    errors=(
                        StepError("the month isn't closed yet", 500, NOON_MS),
                        StepError("no workflow", 200, NOON_MS, body="Sign in"),
                        StepError(f"{HARM} " * 30),
                    ),
                ),
            ),
        ),
    ),
    failure="CALLBACK_FAIL",
    failure_errors=(StepError("404 Not Found", 404, NOON_MS, body="no route"),),
)
RUNS = [LoggedRun(RECORD, LOG), LoggedRun(RECORD, None)]
PAST = [
    PastRun(RECORD, "resumed", NOON_MS + 1000),
    PastRun(replace(RECORD, run_state=RunState.STARTED, observed_at_ms=NOON_MS + 2000)),
]
TURNS = [
    StateChange(Address(HARM), "wfr_1", None, RunState.FAILED),
    StateChange(Address("g/b"), "wfr_2", RunState.STARTED, RunState.EXPIRED),
]


def test_logs(golden: Golden) -> None:
    golden(GOLDEN / "logs" / "steps.txt", "".join(logs.logs_text(RUNS)))
    golden(GOLDEN / "logs" / "narrow.txt", "".join(logs.logs_text(RUNS, width=60)))
    golden(GOLDEN / "logs" / "steps.json", "".join(logs.logs_json(RUNS)))


def test_history(golden: Golden) -> None:
    later_ms = NOON_MS + 86_400_000
    golden(GOLDEN / "history" / "two.txt", "".join(logs.history_text(PAST, now_ms=later_ms)))
    golden(GOLDEN / "history" / "two.json", "".join(logs.history_json(PAST)))


def test_refreshed(golden: Golden) -> None:
    address = Address("jobs/one")
    turns = [*TURNS, StateChange(address, "wfr_new", RunState.FAILED, RunState.STARTED, "wfr_old")]
    unclear = (
        Continuation(
            address=Address("jobs/two"), workflow_run_id="wfr_2", runs=(ObservedRun("wfr_x", RunState.STARTED, 1),)
        ),
        Continuation(address=Address("jobs/three"), workflow_run_id="wfr_3"),
        Continuation(
            address=address, workflow_run_id="wfr_4", runs=(ObservedRun("wfr_y", RunState.FAILED, 1),), is_certain=True
        ),
    )
    found = Refreshed(5, turns, {RunState.FAILED: 1, RunState.EXPIRED: 1, None: 3}, unclear)
    golden(GOLDEN / "refresh" / "some.txt", "".join(status.refreshed_text(found)))
    golden(GOLDEN / "refresh" / "some.json", "".join(status.refreshed_json(found)))
    golden(GOLDEN / "refresh" / "none.txt", "".join(status.refreshed_text(Refreshed(0, (), {}))))


def test_nothing_that_a_server_says_gets_at_the_terminal() -> None:
    for text in (
        "".join(logs.logs_text(RUNS)),
        "".join(logs.history_text(PAST)),
        "".join(status.refreshed_text(Refreshed(5, TURNS, {}))),
        "".join(logs.logs_json(RUNS)),
    ):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_json_is_json_also_where_there_is_nothing() -> None:
    for chunks in (logs.logs_json(()), logs.history_json(()), status.refreshed_json(Refreshed(0, (), {}))):
        assert json.loads("".join(chunks))["formatVersion"] == 1
