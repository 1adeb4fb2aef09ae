"""When each step of a run took place, on a server whose time the test moves."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received
from wfdeploy.localserver.clock import ManualClock


@pytest.fixture
def server(timed_server: LocalServer, endpoint: Endpoint) -> LocalServer:
    return timed_server


@pytest.fixture
def api(timed_api: Api) -> Api:
    return timed_api


class Run:
    """One run of the endpoint, whose steps the test submits; times are told in seconds since its trigger."""

    def __init__(self, api: Api, server: LocalServer, clock: ManualClock, endpoint: Endpoint, **options: str) -> None:
        self.api, self.server, self.clock, self.endpoint, self.url = api, server, clock, endpoint, endpoint.url
        self.began = clock.now_ms()
        api.trigger("wfr_a", url=endpoint.url, **options)
        server.wait_idle()

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.server.wait_idle()

    def submit(
        self, number: int, kind: str = "Run", *, target: int | None = None, concurrent: int = 1, **headers: str
    ) -> None:
        step = {"stepId": 0 if target else number, "stepName": f"s{number}", "stepType": kind, "out": "1"}
        step |= {"concurrent": 2, "targetStep": target} if target else {"concurrent": concurrent}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        item = {
            "destination": self.url,
            "headers": {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false", **said},
            "body": json.dumps(step),
        }
        assert self.api.http.post("/v2/batch", json=[item]).status_code == 200
        self.server.wait_idle()

    def told(self, run_id: str = "wfr_a") -> dict[str, Any]:
        value: dict[str, Any] = self.api.http.get("/-/run", params={"id": run_id}).json()
        return value

    def steps(self, run_id: str = "wfr_a") -> dict[str, tuple[float, float | None]]:
        told = self.told(run_id)
        return {
            step["stepName"]: self._span(told["spans"][step["messageId"]])
            for group in told["run"]["steps"]
            if group["type"] != "next"
            for step in group["steps"]
        }

    def deliveries(self) -> list[tuple[float, float | None]]:
        return [self._span(span) for span in self.told()["deliveries"].values()]

    def _span(self, span: dict[str, Any]) -> tuple[float, float | None]:
        end = span["end"]
        return (span["start"] - self.began) / 1000, None if end is None else (end - self.began) / 1000


@pytest.fixture
def run(api: Api, server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> Run:
    return Run(api, server, clock, endpoint)


def test_one_step_after_another(run: Run) -> None:
    run.after(2)
    run.submit(1)
    run.after(3)
    run.submit(2)
    assert run.steps() == {"init": (0, 0), "s1": (0, 2), "s2": (2, 5)}


def test_a_delayed_run_begins_later(api: Api, server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> None:
    run = Run(api, server, clock, endpoint, Upstash_Delay="10s")
    run.after(10)
    run.after(1)
    run.submit(1)
    assert run.steps() == {"init": (0, 10), "s1": (10, 11)}


def test_sleeps(run: Run) -> None:
    run.after(1)
    run.submit(1, "SleepFor", Upstash_Delay="30s")
    assert run.steps()["s1"] == (1, 31)
    run.after(30)
    run.after(2)
    run.submit(2)
    assert run.steps() == {"init": (0, 0), "s1": (1, 31), "s2": (31, 33)}


def test_parallel_steps_begin_with_their_plans(run: Run) -> None:
    run.after(1)
    run.submit(1, target=1)
    run.submit(2, "SleepFor", target=2, Upstash_Delay="20s")
    asleep = [span for span in run.told()["deliveries"].values() if "plan" in span]
    assert [(span["plan"]["stepName"], span["start"] - run.began) for span in asleep] == [("s2", 21_000)]
    run.after(4)
    run.submit(1)
    run.after(16)
    run.submit(2, "SleepFor")
    assert run.steps() == {"init": (0, 0), "s1": (1, 5), "s2": (1, 21)}


def test_waits_last_until_their_event(run: Run) -> None:
    step = {"stepId": 1, "stepType": "Wait", "stepName": "s1", "concurrent": 1}
    run.after(1)
    run.api.http.post("/v2/wait/order", json={"step": step}, headers={"Upstash-Workflow-RunId": "wfr_a"})
    assert run.steps()["s1"] == (1, None)
    run.after(5)
    run.api.http.post("/v2/notify/order", content="x")
    assert run.steps()["s1"] == (1, 6)


def test_failed_attempts_belong_to_the_step(
    api: Api, server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: (500, WORKFLOW, b"down")
    run = Run(api, server, clock, endpoint, Upstash_Retries="2", Upstash_Retry_Delay="10000")
    assert run.deliveries() == [(0, None)]
    endpoint.answer = lambda _: (200, WORKFLOW, b"")
    run.after(10)
    run.after(1)
    run.submit(1)
    assert run.steps()["s1"] == (0, 11)
    told = run.told()
    step = told["run"]["steps"][1]["steps"][0]
    (attempt,) = told["spans"][step["messageId"]]["attempts"]
    assert (attempt["status"], attempt["body"], attempt["time"]) == (500, "down", run.began)


def test_a_resumed_run_tells_what_it_took_over(run: Run, endpoint: Endpoint) -> None:
    run.after(1)
    run.submit(1)
    run.after(1)
    endpoint.answer = lambda _: (489, {**WORKFLOW, "Upstash-NonRetryable-Error": "true"}, b"no")
    run.submit(2)
    told = run.told()
    assert told["inDeadLetters"]
    assert (told["failure"]["failStatus"], told["failure"]["failResponse"]) == (489, "no")
    assert run.deliveries() == [(2, 2)]
    run.after(100)
    endpoint.answer = lambda _: (200, WORKFLOW, b"")
    answer = run.api.http.post(f"/v2/workflows/dlq/resume/{told['run']['dlqId']}").json()
    run.server.wait_idle()
    assert not run.told()["inDeadLetters"]
    new = run.told(answer["workflowRunId"])
    shown = {step["stepName"]: step["messageId"] for group in new["run"]["steps"] for step in group["steps"]}
    assert [new["spans"][shown[name]]["isEarlier"] for name in ("s1", "s2")] == [True, True]


def test_bodies_are_cut_until_all_is_asked_for(run: Run) -> None:
    run.submit(1)
    item = {"destination": run.url, "headers": {"Upstash-Workflow-RunId": "wfr_big"}, "body": "ü" * 5000}
    run.api.http.post("/v2/batch/trigger", json=[item])
    run.server.wait_idle()

    def payload(**query: str) -> str:
        answer = run.api.http.get("/-/run", params={"id": "wfr_big", **query}).json()
        out: str = answer["run"]["steps"][0]["steps"][0]["out"]
        return out

    assert payload() == "ü" * 2000
    assert payload(whole="true") == "ü" * 5000


def test_of_very_many_steps_the_first_and_the_last_are_shown(run: Run) -> None:
    for number in range(1, 311):
        run.submit(number)
    told = run.told()
    names = [step["stepName"] for group in told["run"]["steps"] if group["type"] != "next" for step in group["steps"]]
    assert told["omitted"] == 11
    assert (names[0], names[1], names[-1], len(names)) == ("init", "s1", "s310", 300)
    assert len(told["spans"]) == 300
    whole = run.api.http.get("/-/run", params={"id": "wfr_a", "whole": "true"}).json()
    assert whole["omitted"] == 0
    assert len(whole["spans"]) == 311


def test_of_very_many_parallel_steps_too(run: Run) -> None:
    for number in range(1, 121):
        run.submit(number, target=number)
        run.submit(number, concurrent=120)
    told = run.told()
    (group,) = [group for group in told["run"]["steps"] if group["type"] == "parallel"]
    assert (len(group["steps"]), group["omitted"]) == (100, 20)
    assert (group["steps"][0]["stepName"], group["steps"][-1]["stepName"]) == ("s1", "s120")


def test_runs_of_one_id_are_told_apart(run: Run) -> None:
    run.server.end("wfr_a")
    run.after(1)
    run.api.trigger("wfr_a", url=run.url)
    newest = run.told()["run"]["workflowRunCreatedAt"]
    assert newest == run.began + 1000
    older = run.api.http.get("/-/run", params={"id": "wfr_a", "createdAt": str(run.began)}).json()
    assert older["run"]["workflowState"] == "RUN_SUCCESS"
    assert run.api.http.get("/-/run", params={"id": "wfr_a", "createdAt": "7"}).status_code == 404


def test_a_slow_step_after_a_sleep_is_no_part_of_the_sleep(run: Run) -> None:
    """Its first attempt fails after a while, and so does the last."""
    run.after(1)
    slow = threading.Event()
    began = threading.Event()

    def answer(_: Received) -> Answer:
        began.set()
        assert slow.wait(10)
        return 500, WORKFLOW, b"down"

    run.endpoint.answer = answer
    run.submit(1, "SleepFor", Upstash_Delay="30s", Upstash_Retries="1", Upstash_Retry_Delay="5000")
    run.clock.advance(30)
    assert began.wait(10)
    run.clock.advance(50)
    slow.set()
    run.server.wait_idle()
    assert run.steps()["s1"] == (1, 31)
    assert run.deliveries() == [(31, None)]
    run.after(5)
    assert run.steps()["s1"] == (1, 31)
    assert run.deliveries() == [(31, 86)]


def test_a_parallel_sleep_that_was_planned_without_its_delay_ends_when_it_ended(run: Run) -> None:
    run.after(1)
    run.submit(1, target=1)
    run.submit(2, target=2)
    run.submit(1, "SleepFor", Upstash_Delay="20s")
    run.after(20)
    assert run.steps()["s1"] == (1, 21)
