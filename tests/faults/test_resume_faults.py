"""A resume over real sockets: sent once, and never taken for something that it may not have been; a run read whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import ChaosServer
from tests.unit.upstash.asking import QUICK, TOKEN, entry, with_gateway
from wfdeploy.model.observed import RunLog, Step, StepError, StepGroup
from wfdeploy.model.remote import Denied, Gone, Lost, NotSent, Resumed, ResumeReply, Stop, Throttled
from wfdeploy.ports import RunGateway

LABELS = ("wfdeploy.p.e", "wfdeploy.x.g1.a1", "mine", "wfdeploy.p.e")


def resume(server: ChaosServer, dlq_id: str = "1-1", **more: Any) -> ResumeReply:
    reply = with_gateway(server, lambda gateway: gateway.resume(dlq_id, labels=LABELS), **more)
    assert isinstance(reply, Resumed | Gone | Denied | Stop | Throttled | NotSent | Lost)
    return reply


def test_a_resume_names_the_dead_letter_and_carries_the_labels_once() -> None:
    told = {"workflowRunId": "wfr_new", "workflowCreatedAt": 7}
    with ChaosServer(otherwise=chaos.answer(200, told)) as server:
        assert resume(server, "a/b c") == Resumed("wfr_new", 7)
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/v2/workflows/dlq/resume/a%2Fb%20c")
        assert request.headers["upstash-label"] == "wfdeploy.p.e,wfdeploy.x.g1.a1,mine"


@pytest.mark.parametrize("dlq_id", ["", ".", "..", "/"])
def test_no_id_is_never_the_bulk_call(dlq_id: str) -> None:
    with ChaosServer(otherwise=chaos.answer(200, {})) as server:
        with pytest.raises(ValueError, match="can't be resumed"):
            resume(server, dlq_id)
        assert server.requests == []


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, {"error": "no such letter"}, Gone),
        (400, {"error": "bad"}, Denied),
        (412, {"error": "quota"}, Denied),
        (413, {"error": "large"}, Denied),
        (401, {"error": "who"}, Stop),
        (403, {"error": "no"}, Stop),
        (302, {}, Stop),
        (429, {"error": "slow"}, Throttled),
        (408, {"error": "late"}, Lost),
        (500, {"error": "oops"}, Lost),
        (502, b"<html>", Lost),
        (204, b"", Lost),
        (200, b"", Lost),
        (200, b"not json", Lost),
        (200, [], Lost),
        (200, {"workflowRunId": ""}, Lost),
        (200, {"workflowRunId": "wfr_new"}, Lost),
        (200, {"workflowRunId": "wfr_new", "workflowCreatedAt": 7, "error": "no"}, Lost),
        (200, {"workflowRunId": 7}, Lost),
        (200, {"workflowRuns": [{"workflowRunId": "wfr_new"}]}, Lost),
    ],
)
def test_what_each_answer_means(status: int, body: Any, expected: type) -> None:
    with ChaosServer(otherwise=chaos.answer(status, body)) as server:
        assert type(resume(server)) is expected
        assert len(server.requests) == 1, "it is sent once, whatever comes back"


def test_a_time_that_makes_no_sense_is_none() -> None:
    with ChaosServer(otherwise=chaos.answer(201, {"workflowRunId": "wfr_new", "workflowCreatedAt": "now"})) as server:
        assert resume(server) == Resumed("wfr_new", None)


def test_an_answer_that_never_comes_is_lost_and_the_token_is_not_told() -> None:
    with ChaosServer(otherwise=chaos.answer(400, {"error": f"the token {TOKEN}"})) as server:
        reply = resume(server)
        assert isinstance(reply, Denied)
        assert TOKEN not in reply.message
    with ChaosServer(otherwise=chaos.hang(act=False)) as server:
        assert isinstance(resume(server, settings=QUICK), Lost)


def test_a_run_is_read_with_its_steps() -> None:
    steps = [
        {"type": "sequential", "steps": [{"stepName": "init", "stepType": "Initial", "state": "STEP_SUCCESS"}]},
        {
            "type": "next",
            "steps": [
                {
                    "stepName": "pay",
                    "stepType": "Call",
                    "state": "STEP_RETRY",
                    "createdAt": 9,
                    "retries": 3,
                    "nextDeliveryTime": 12,
                    "callUrl": f"https://pay/?t={TOKEN}",
                    "errors": [
                        {"error": "x", "status": 500, "time": 10, "body": '{"error":"E","message":"no money"}'},
                        {"error": f"refused {TOKEN}", "time": 11},
                        "what",
                    ],
                },
                7,
            ],
        },
        None,
    ]
    page = {"runs": [entry(1) | {"steps": steps, "failureFunction": {"state": "CALLBACK_FAIL"}}], "cursor": ""}
    with ChaosServer(otherwise=chaos.answer(200, page)) as server:
        log = with_gateway(server, lambda gateway: gateway.read_run("wfr_1"))
    assert isinstance(log, RunLog)
    assert log.failure == "CALLBACK_FAIL"
    first, second = log.groups
    assert first == StepGroup("sequential", (Step(name="init", kind="Initial", state="STEP_SUCCESS"),))
    (step,) = second.steps
    assert (step.name, step.retries, step.next_delivery_ms, step.created_at_ms) == ("pay", 3, 12, 9)
    assert step.errors[0] == StepError("x", 500, 10, body="E: no money")
    assert TOKEN not in repr(log)


def test_of_several_runs_that_had_an_id_the_one_that_is_meant_is_read() -> None:
    def labelled(run_id: str, created_at_ms: int, generation: int) -> dict[str, object]:
        derived = f"wfr_g-a-{'a' * 26}-g{generation}-f2{'b' * 26}"
        return entry(1) | {
            "workflowRunId": run_id,
            "workflowRunCreatedAt": created_at_ms,
            "labels": ["wfdeploy.shop.default", derived],
        }

    async def read_one(gateway: RunGateway, created_at_ms: int | None) -> RunLog | None:
        return await gateway.read_run("one", created_at_ms)

    page = {"runs": [labelled("foreign", 9, 1), labelled("one", 90_000, 2), labelled("one", 5, 1)], "cursor": ""}
    with ChaosServer(otherwise=chaos.answer(200, page)) as server:
        for asked_ms, found_ms in ((5, 5), (90_000, 90_000), (None, 90_000)):
            log = with_gateway(server, partial(read_one, created_at_ms=asked_ms))
            assert log is not None
            assert (log.workflow_run_id, log.created_at_ms) == ("one", found_ms)
        assert with_gateway(server, lambda gateway: gateway.read_run("two")) is None, "the filter was ignored"


def test_a_run_that_the_logs_dont_know_is_asked_for_by_both_of_its_names() -> None:
    with ChaosServer(otherwise=chaos.answer(200, {"runs": None, "cursor": ""})) as server:
        assert with_gateway(server, lambda gateway: gateway.read_run("wfr_1")) is None
        targets = [request.target for request in server.requests]
    assert ["workflowRunId=wfr_1&" in targets[0], "workflowRunId=wfr_wfr_1&" in targets[1]] == [True, True]
