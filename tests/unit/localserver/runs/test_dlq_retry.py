"""Failed runs resumed and restarted: what they take over, and what is sent again."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import (
    WORKFLOW,
    Answer,
    Api,
    Endpoint,
    Received,
    Workflow,
    decoded,
    is_callback,
    step,
    submit,
)
from wfdeploy.localserver.clock import ManualClock


def test_bad_override_changes_nothing(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    for headers in ({"Upstash-Retries": "many"}, {"Upstash-Delay": "soon"}, {"Upstash-Flow-Control-Key": "k"}):
        assert api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}", headers=headers).status_code == 400
    assert workflow.entries() == [entry]
    assert len(server.accepted()) == 1


def test_resume_goes_on_where_it_failed(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a", Upstash_Label="x", Upstash_Forward_X_Team="growth")
    workflow.healed = True
    answer = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}")
    assert answer.status_code == 200
    run_id = answer.json()["workflowRunId"]
    assert run_id != "wfr_a"
    ended = server.wait_ended(run_id)
    assert (ended.state, ended.labels, ended.created_at_ms) == (
        "RUN_SUCCESS",
        ("x",),
        answer.json()["workflowCreatedAt"],
    )
    # The first step was not done again.
    assert workflow.done == [("wfr_a", 1), (run_id, 2), (run_id, 3)]
    assert workflow.endpoint.requests[-1].headers["x-team"] == "growth"
    assert server.accepted("wfr_a")[0].state == "RUN_FAILED"
    assert workflow.entries() == []
    assert api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").status_code == 404
    groups = api.logs(workflowRunId=run_id)["runs"][0]["steps"]
    assert [step["stepName"] for group in groups for step in group["steps"]] == ["init", "s1", "s2"]


def test_restart_begins_again(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    workflow.healed = True
    run_id = api.http.post(f"/v2/workflows/dlq/restart/{entry['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_SUCCESS"
    assert workflow.done == [("wfr_a", 1), (run_id, 1), (run_id, 2), (run_id, 3)]


def test_run_that_fails_again_is_a_new_entry(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_FAILED"
    server.wait_idle()
    (again,) = workflow.entries()
    assert (again["workflowRunId"], again["dlqId"] != entry["dlqId"]) == (run_id, True)
    callbacks = [
        json.loads(request.body)["workflowRunId"] for request in workflow.endpoint.requests if is_callback(request)
    ]
    assert callbacks == ["wfr_a", run_id]
    workflow.healed = True
    last = api.http.post(f"/v2/workflows/dlq/resume/{again['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(last).state == "RUN_SUCCESS"


def test_overrides(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a", Upstash_Label="x", Upstash_Failure_Callback_Retries="0")
    headers = {
        "Upstash-Retries": "2",
        "Upstash-Retry-Delay": "1",
        "Upstash-Label": "again",
        "Upstash-Flow-Control-Key": "k",
        "Upstash-Flow-Control-Value": "parallelism=3",
        "Upstash-Failure-Callback": f"{workflow.endpoint.url}/elsewhere",
    }
    answer = api.http.post("/v2/workflows/dlq/resume", params={"dlqIds": entry["dlqId"]}, headers=headers).json()
    assert answer["cursor"] == ""
    run_id = answer["workflowRuns"][0]["workflowRunId"]
    server.wait_ended(run_id)
    server.wait_idle()
    run = api.logs(workflowRunId=run_id)["runs"][0]
    assert (run["labels"], run["flowControlKey"]) == (["again"], "k")
    attempts = [
        request
        for request in workflow.endpoint.requests
        if request.headers["upstash-workflow-runid"] == run_id and not is_callback(request)
    ]
    assert [request.headers["upstash-retried"] for request in attempts] == ["0", "1", "2"]
    assert workflow.endpoint.requests[-1].path == "/wf/elsewhere"


def test_resume_may_be_delayed(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    workflow = Workflow(timed_api, endpoint)
    (entry,) = workflow.fail(timed_server, "wfr_a", Upstash_Failure_Callback_Retries="0")
    workflow.healed = True
    answer = timed_api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}", headers={"Upstash-Delay": "1h"})
    timed_server.wait_idle()
    assert timed_api.state(answer.json()["workflowRunId"]) == "RUN_STARTED"
    clock.advance(3600)
    assert timed_server.wait_ended(answer.json()["workflowRunId"]).state == "RUN_SUCCESS"


def test_siblings_that_were_under_way_go_on_too(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """Parallel: one sibling failed while another slept; the failed one is delivered last."""
    plans = [step(0, targetStep=1, concurrent=2), step(0, targetStep=2, concurrent=2, sleepFor=3600)]
    broken = [True]

    def answer(request: Received) -> Answer:
        entries = json.loads(request.body)
        last = json.loads(base64.b64decode(entries[-1]["body"]) or "{}")
        if broken[0] and last.get("targetStep") == 1:
            return 500, WORKFLOW, b"{}"
        return 200, WORKFLOW, b"{}"

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0", Upstash_Failure_Callback_Retries="0")
    server.wait_idle()
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    items = [{"destination": endpoint.url, "headers": headers, "body": plan} for plan in plans]
    items[1] = {**items[1], "headers": {**headers, "Upstash-Delay": "1h"}}
    api.http.post("/v2/batch", json=items)
    server.wait_ended("wfr_a")
    server.wait_idle()
    broken[0] = False
    entry = api.http.get("/v2/workflows/dlq").json()["messages"][0]
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    server.wait_idle()
    listed = api.http.get(f"/v2/workflows/runs/{run_id}").json()
    bodies = [json.loads(base64.b64decode(each["body"])) for each in listed]
    assert bodies == [{}, json.loads(plans[1]), json.loads(plans[0])]
    # The sleeper sleeps on: only the failed one was delivered.
    assert len([request for request in endpoint.requests if request.headers["upstash-workflow-runid"] == run_id]) == 1


def test_delivery_that_was_still_open_is_not_repeated(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """One of two parallel steps failed while the other one's delivery, which had submitted it, wasn't answered."""
    submitted, ended, healed = threading.Event(), threading.Event(), threading.Event()
    done: Counter[int] = Counter()

    def answer(request: Received) -> Answer:
        if is_callback(request):
            return 200, {}, b"{}"
        run_id = request.headers["upstash-workflow-runid"]
        steps = [json.loads(body) for _, body in decoded(request)[1:]]
        if not steps:
            submit(api, endpoint, *(step(0, targetStep=target, concurrent=2) for target in (1, 2)), run_id=run_id)
        elif target := steps[-1].get("targetStep"):
            if target == 2 and not healed.is_set():
                assert submitted.wait(10)
                return 503, WORKFLOW, b"{}"
            done[target] += 1
            submit(api, endpoint, step(target, concurrent=2), run_id=run_id)
            submitted.set()
            assert ended.wait(10)
        elif {each["stepId"] for each in steps} >= {1, 2}:
            api.http.delete(f"/v2/workflows/runs/{run_id}?cancel=false")
        return 200, WORKFLOW, b"{}"

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0")
    assert server.wait_ended("wfr_a").state == "RUN_FAILED"
    ended.set()
    server.wait_idle()
    healed.set()
    run_id = api.http.post("/v2/workflows/dlq/resume").json()["workflowRuns"][0]["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_SUCCESS"
    assert done == {1: 1, 2: 1}
