"""What the JavaScript SDK sends, recorded, and replayed to the embedded server without Node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "sdk_js_requests.json").read_text(encoding="utf-8")
)["requests"]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        running.faults.hold_deliveries = True  # the endpoint is not there: its side is what was recorded
        yield running


def replay(server: LocalServer, recorded: list[dict[str, Any]]) -> list[httpx.Response]:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        answers = []
        for each in recorded:
            body = each["body"] if isinstance(each["body"], str) else json.dumps(each["body"])
            headers = {**each["headers"], "Authorization": f"Bearer {server.token}"}
            answer = http.request(each["method"], each["target"], content=body.encode(), headers=headers)
            assert answer.status_code == each["status"], (each["target"], answer.text)
            answers.append(answer)
        return answers


def test_every_request_is_answered_as_when_it_was_recorded(server: LocalServer) -> None:
    answers = replay(server, RECORDED)
    for each, answer in zip(RECORDED, answers, strict=True):
        if each["target"] == "/v2/batch":
            assert [set(item) >= {"messageId"} for item in answer.json()] == [True] * len(each["body"])
        elif each["target"].startswith("/v2/publish"):
            assert answer.json()["messageId"]
    assert [(run.destination.rpartition("/")[2], run.state) for run in server.accepted()] == [
        ("seq", "RUN_SUCCESS"),
        ("par", "RUN_SUCCESS"),
        ("fail", "RUN_STARTED"),
        ("cancel", "RUN_CANCELED"),
    ]
    sequential = server.accepted()[0]
    assert sequential.headers == {"upstash-label": "l1", "x-team": "growth"}
    assert sequential.response == '{"done":"é{\\"hi\\":\\"ü\\"}"}'


def test_steps_are_listed_in_the_order_they_were_submitted(server: LocalServer) -> None:
    ends = [each["method"] == "DELETE" for each in RECORDED]
    replay(server, [each for each, is_end in zip(RECORDED, ends, strict=True) if not is_end])
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, trust_env=False
    ) as http:
        entries = http.get("/v2/workflows/runs/wfr_par").json()
        groups = http.get("/v2/workflows/logs", params={"workflowRunId": "wfr_par"}).json()["runs"][0]["steps"]
    # The payload, four plans (the call's is a plan too), the call itself, and four results.
    assert [entry["callType"] for entry in entries].count("step") == 9
    assert [entry["callType"] for entry in entries].count("toCallback") == 1
    assert [group["type"] for group in groups] == ["sequential", "parallel", "next"]
    assert sorted(step["stepName"] for step in groups[1]["steps"]) == ["a", "b", "s", "t"]
