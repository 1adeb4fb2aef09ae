"""Endpoints written with the official JavaScript SDK run on the embedded server, signature verification on.

npm installs the SDK into a temporary folder, once per session; without Node, npm or a registry the tests are skipped.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_server import AcceptedRun, LocalServer
from wfdeploy.localserver.clock import MachineClock
from wfdeploy.localserver.tenants import environment

APP = Path(__file__).parents[1] / "wire" / "sdk_js_app.mjs"


@dataclass(frozen=True)
class App:
    """The Express application, and its own SDK client."""

    server: LocalServer
    http: httpx.Client
    api: httpx.Client
    url: str

    def client(self, call: str, *args: Any) -> Any:
        """Call a method of the SDK's client inside the application."""
        answer = self.http.post("/client", json={"call": call, "args": args})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, path: str, run_id: str, body: Any = None, **options: Any) -> str:
        """By the SDK's client, which makes `wfr_<run_id>` of the id."""
        request = {"url": self.url + path, "workflowRunId": run_id, "body": body or {}, **options}
        told: str = self.client("trigger", request)["workflowRunId"]
        assert told == f"wfr_{run_id}"
        return told

    def ended(self, run_id: str, state: str = "RUN_SUCCESS") -> AcceptedRun:
        run = self.server.wait_ended(run_id, 30)
        self.server.wait_idle()
        assert run.state == state, (run.state, run.error)
        return run

    def result(self, run_id: str) -> Any:
        return json.loads(self.ended(run_id).response or "null")

    def seen(self, name: str) -> list[Any]:
        values: list[Any] = self.http.get(f"/seen/{name}").json()
        return values

    def until(self, run_id: str, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Return once a run looks like this in the logs; each change of the server is looked at."""

        def look(_: list[AcceptedRun]) -> bool:
            return condition(self.client("logs", {"workflowRunId": run_id})["runs"][0])

        self.server.wait_until(look, 20)


@pytest.fixture(scope="module")
def app(sdk_folder: Path) -> Iterator[App]:
    shutil.copy(APP, sdk_folder / "app.mjs")  # where Node finds the packages
    # Server time runs faster, so that a sleep of a second does not take one.
    with LocalServer(clock=MachineClock(scale=10)) as server:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("QSTASH", "UPSTASH"))}
        env |= {**environment(server.url), "READ_ONLY_TOKEN": server.tenant.read_only_token}
        log = sdk_folder / f"app-{os.getpid()}.log"
        with (
            log.open("w", encoding="utf-8") as errors,
            subprocess.Popen(
                ["node", "app.mjs"], cwd=sdk_folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                assert url, log.read_text(encoding="utf-8")
                headers = {"Authorization": f"Bearer {server.token}"}
                with (
                    httpx.Client(base_url=url, trust_env=False, timeout=30) as http,
                    httpx.Client(base_url=server.url, headers=headers, trust_env=False) as api,
                ):
                    yield App(server, http, api, url)
            finally:
                process.kill()


def step_names(run: dict[str, Any]) -> list[str]:
    return [step["stepName"] for group in run["steps"] if group["type"] != "next" for step in group["steps"]]


def test_run_sleep_and_call(app: App) -> None:
    run_id = app.trigger("/sequential", "seq", {"tenant": "acmé"}, headers={"x-team": "growth"}, label="l1")
    assert app.result(run_id) == {"done": "hello acmé"}
    third = {"got": {"a": "ü"}, "key": "k"}
    assert app.seen(run_id) == [["hello acmé", 201, third, 503, "down", "growth", "l1"]]
    (run,) = app.client("logs", {"workflowRunId": run_id})["runs"]
    assert step_names(run) == ["init", "greet", "nap", "until", "good", "bad", "note"]
    assert (run["workflowState"], run["labels"]) == ("RUN_SUCCESS", ["l1"])


def test_parallel_steps_of_every_kind(app: App) -> None:
    run_id = app.trigger("/parallel", "par")
    app.until(run_id, lambda _: bool(app.client("getWaiters", {"eventId": f"par-{run_id}"})))
    assert len(app.client("notify", {"eventId": f"par-{run_id}", "eventData": {"n": 9}})) == 1
    assert app.result(run_id) == [1, {"got": {"n": 2}}, {"n": 9}, 3]


def test_wait_and_notify(app: App) -> None:
    run_id = app.trigger("/waiting", "told", {"event": "e1", "timeout": "1h"})
    app.until(run_id, lambda _: bool(app.client("getWaiters", {"eventId": "e1"})))
    (waiter,) = app.client("getWaiters", {"eventId": "e1"})
    assert waiter["url"] == f"{app.url}/waiting"
    (told,) = app.client("notify", {"eventId": "e1", "eventData": "plain ü"})
    assert (told["workflowRunId"], bool(told["messageId"])) == (run_id, True)
    assert app.result(run_id) == {"eventData": "plain ü", "timeout": False}
    assert app.client("getWaiters", {"eventId": "e1"}) == []


def test_wait_times_out(app: App) -> None:
    run_id = app.trigger("/waiting", "untold", {"event": "e2", "timeout": "2s"})
    assert app.result(run_id)["timeout"] is True


def test_look_back(app: App) -> None:
    app.server.faults.hold_deliveries = True
    run_id = app.trigger("/waiting", "back", {"event": "e3", "timeout": "1h"})
    app.client("notify", {"eventId": "e3", "eventData": {"early": True}, "workflowRunId": run_id})
    app.server.faults.hold_deliveries = False
    app.server.poke()
    assert app.result(run_id) == {"eventData": {"early": True}, "timeout": False}


def test_notify_from_a_workflow(app: App) -> None:
    waiting = app.trigger("/waiting", "peer", {"event": "e4", "timeout": "1h"})
    app.until(waiting, lambda _: bool(app.client("getWaiters", {"eventId": "e4"})))
    telling = app.trigger("/notifying", "teller", {"event": "e4"})
    assert app.result(telling) == 1
    assert app.result(waiting)["eventData"] == {"from": "workflow"}


def test_webhooks(app: App) -> None:
    run_id = app.trigger("/hooked", "hook")
    app.until(run_id, lambda run: "note" in step_names(run))
    (url,) = app.seen(run_id)
    assert url.startswith(f"{app.server.url}/v2/workflows/hooks/defaultUser/{run_id}/evt_")
    assert httpx.post(url, content="called ü".encode(), headers={"X-Sig": "s"}, trust_env=False).status_code == 200
    assert app.result(run_id) == ["called ü", "s", False, True]


def test_invoke(app: App) -> None:
    run_id = app.trigger("/many/parent", "parent")
    assert app.result(run_id) == [
        ["one", False, False],
        ["two", False, False],
        [None, True, False],
        [None, False, True],
    ]
    children = [run for run in app.client("logs")["runs"] if run.get("invoker", {}).get("workflowRunId") == run_id]
    assert sorted(run["workflowState"] for run in children) == [
        "RUN_CANCELED",
        "RUN_FAILED",
        "RUN_SUCCESS",
        "RUN_SUCCESS",
    ]


def test_call_of_another_workflow(app: App) -> None:
    status, condition, called = app.result(app.trigger("/many/caller", "caller"))
    assert (status, condition) == (200, "success")
    assert app.result(called) == {"child": "called", "team": None}


def test_errors_that_are_final_or_ask_for_time(app: App) -> None:
    final = app.trigger("/final", "final")
    app.ended(final, "RUN_FAILED")
    assert app.seen(final) == ["once"]
    later = app.trigger("/later", "later")
    app.ended(later)
    assert app.seen(later) == [0, 1]
    # `Retry-After: 2` it was, by the server's clock.
    assert waits(app, later)[0] >= 2000


def test_retry_delay_expression(app: App) -> None:
    run_id = app.trigger("/thrice", "thrice", retryDelay="1000 * (1 + 2 * retried)")
    app.ended(run_id)
    assert app.seen(run_id) == [0, 1, 2]
    first, second = waits(app, run_id)
    assert 1000 <= first < 3000 <= second


def waits(app: App, run_id: str) -> list[int]:
    """Milliseconds that the server left before each retry of a run, by its events and its clock."""
    answer = app.api.get("/v2/workflows/events", params={"workflowRunId": run_id})
    events = {event["state"]: event["time"] for event in answer.json()["events"]}
    failed = sorted(event["time"] for event in answer.json()["events"] if event["state"] == "STEP_RETRY")
    return [later - earlier for earlier, later in itertools.pairwise([*failed, events["STEP_SUCCESS"]])]


def test_what_exceeds_a_quota_fails_the_run_at_once(app: App) -> None:
    """412 is final for the SDK."""
    run_id = app.trigger("/absurd", "absurd")
    assert "non-retryable" in (app.ended(run_id, "RUN_FAILED").error or "")
    assert set(app.seen(run_id)) == {0}


def test_failure_url(app: App) -> None:
    run_id = app.trigger("/final", "told", failureUrl=f"{app.url}/ops")
    app.ended(run_id, "RUN_FAILED")
    assert app.seen("ops") == [[run_id, 489]]


def test_large_history_is_fetched_by_the_sdk(app: App) -> None:
    """Deliveries without a body: the SDK asks for the steps, sequential and parallel ones, and goes on."""
    app.server.faults.lazy_fetch_above_bytes = 30_000
    try:
        run_id = app.trigger("/large", "large", {"tenant": "acmé"})
        assert app.result(run_id) == [20000, 20000, 20000, 20000, "b", 1]
        assert app.seen(run_id) == ["acmé"]
        assert len(app.seen("fetched")) >= 4
    finally:
        app.server.faults.lazy_fetch_above_bytes = 1_000_000


def test_client_with_a_read_only_token(app: App) -> None:
    run_id = app.trigger("/sequential", "read", {"tenant": "x"})
    app.ended(run_id)
    told = app.http.post("/client/reading", json={"call": "logs", "args": [{"workflowRunId": run_id}]}).json()
    assert [run["workflowRunId"] for run in told["runs"]] == [run_id]
    refused = app.http.post("/client/reading", json={"call": "cancel", "args": [run_id]})
    assert "read-only" in refused.json()["error"]


def test_cancel_from_code_and_by_the_client(app: App) -> None:
    app.ended(app.trigger("/cancelling", "self"), "RUN_CANCELED")
    runs = [app.trigger("/waiting", f"gone{number}", {"event": "never", "timeout": "1h"}) for number in range(3)]
    assert app.client("cancel", runs[0]) == {"cancelled": 1}
    assert app.client("cancel", runs) == {"cancelled": 2}
    assert [app.ended(run, "RUN_CANCELED").response for run in runs] == [None] * 3
    # By a filter, and none of it may mean all.
    kept = app.trigger("/waiting", "kept", {"event": "never", "timeout": "1h"}, label="kept")
    gone = app.trigger("/waiting", "gone", {"event": "never", "timeout": "1h"}, label="gone")
    assert app.client("cancel", {"filter": {"host": "example.com"}}) == {"cancelled": 0}
    assert app.client("cancel", {"filter": {"path": "/waiting", "label": ["gone", "none"]}}) == {"cancelled": 1}
    app.ended(gone, "RUN_CANCELED")
    assert app.client("cancel", {"filter": {"workflowUrlStartingWith": f"{app.url}/wait"}}) == {"cancelled": 1}
    app.ended(kept, "RUN_CANCELED")
    listed = app.client("logs", {"count": 3, "filter": {"path": "/waiting", "label": "kept", "state": "RUN_CANCELED"}})
    assert [run["workflowRunId"] for run in listed["runs"]] == [kept]
    assert app.client("getWaiters", {"eventId": "never"}) == []


def test_failed_runs_in_the_dlq(app: App) -> None:
    ids = [
        app.trigger("/failing", name, {"id": name, "badFailure": name == "f1"}, retries=1, retryDelay="10")
        for name in ("f1", "f2", "f3")
    ]
    for run_id in ids:
        app.ended(run_id, "RUN_FAILED")
    assert app.seen("f1") == ["first", "second 0", "second 1"]
    assert app.seen("failed f2")[0] == [500, "no tenant"]
    listed = {
        message["workflowRunId"]: message
        for message in app.client("dlq.list", {"filter": {"workflowUrl": f"{app.url}/failing"}})["messages"]
    }
    assert [listed[run_id]["failureCallbackInfo"]["state"] for run_id in ids] == [
        "CALLBACK_FAIL",
        "CALLBACK_SUCCESS",
        "CALLBACK_SUCCESS",
    ]
    dlq = [listed[run_id]["dlqId"] for run_id in ids]
    assert app.http.post("/heal").status_code == 200
    assert app.client("dlq.retryFailureFunction", {"dlqId": dlq[0]})["workflowRunId"] == ids[0]
    app.server.wait_idle()
    resumed = app.client("dlq.resume", {"dlqId": dlq[0], "retries": 2})["workflowRunId"]
    assert app.result(resumed) == "healed"
    assert app.seen("f1").count("first") == 1
    (restarted,) = app.client("dlq.restart", [dlq[1]])["workflowRuns"]
    assert app.result(restarted["workflowRunId"]) == "healed"
    assert app.seen("f2").count("first") == 2
    assert app.client("dlq.delete", dlq[2]) == {"deleted": 1}
    assert app.client("dlq.list", {"filter": {"workflowUrl": f"{app.url}/failing"}})["messages"] == []


def test_trigger_many_and_flow_control(app: App) -> None:
    items = [
        {
            "url": f"{app.url}/sequential",
            "workflowRunId": f"batch{number}",
            "body": {"tenant": str(number)},
            "flowControl": {"key": "batch", "parallelism": 1},
        }
        for number in range(4)
    ]
    told = app.client("trigger", items)
    assert [run["workflowRunId"] for run in told] == [f"wfr_batch{number}" for number in range(4)]
    for number in range(4):
        assert app.result(f"wfr_batch{number}") == {"done": f"hello {number}"}
    key = app.api.get("/v2/flowControl/batch").json()
    assert (key["parallelismMax"], key["parallelismCount"], key["waitListSize"]) == (1, 0, 0)


def test_wrongly_signed_delivery_is_refused_by_the_sdk(app: App) -> None:
    """The endpoints do verify: the same delivery without a signature does not get in."""
    headers = {"Upstash-Workflow-Sdk-Version": "1", "Upstash-Workflow-RunId": "wfr_x"}
    assert app.http.post("/sequential", json=[], headers=headers).status_code == 500
