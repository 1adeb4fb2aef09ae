"""The bundled demo workflow, and what `wfdeploy dev` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, api_for
from wfdeploy.localserver.clock import MachineClock


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(demo=True, clock=MachineClock(scale=20)) as running:
        yield running


@pytest.fixture
def api(server: LocalServer) -> Iterator[Api]:
    with api_for(server) as http:
        yield Api(http)


def run(api: Api, server: LocalServer, body: str, **headers: str) -> tuple[str, list[str]]:
    """(end state, names of the steps that were recorded)"""
    items = [
        {
            "destination": f"{server.demo_url}/demo/onboard",
            "headers": {"Upstash-Workflow-RunId": "wfr_a", **headers},
            "body": body,
        }
    ]
    api.http.post("/v2/batch/trigger", json=items)
    state = server.wait_ended("wfr_a").state
    server.wait_idle()
    groups = api.logs()["runs"][0]["steps"]
    return state, [step["stepName"] for group in groups if group["type"] != "next" for step in group["steps"]]


@pytest.mark.parametrize("body", ["", "plain words", '{"tenant":"acmé"}', "[1]", "5"])
def test_it_finishes_with_any_payload(api: Api, server: LocalServer, body: str) -> None:
    assert run(api, server, body) == ("RUN_SUCCESS", ["init", "prepare", "pause", "complete"])
    result = json.loads(api.logs()["runs"][0]["workflowRunResponse"])
    assert result["demo"] == "done"


def test_it_fails_on_request(api: Api, server: LocalServer) -> None:
    assert run(api, server, '{"fail":true}') == ("RUN_FAILED", ["init", "prepare"])
    view = api.logs()["runs"][0]
    assert view["failureFunction"]["state"] == "CALLBACK_SUCCESS"
    assert len(view["steps"][-1]["steps"][0]["errors"]) == 1


def test_it_fails_after_retries_on_request(api: Api, server: LocalServer) -> None:
    options = {"Upstash-Retries": "2", "Upstash-Retry-Delay": "1"}
    assert run(api, server, '{"fail":"retry"}', **options) == ("RUN_FAILED", ["init", "prepare"])
    assert len(api.logs()["runs"][0]["steps"][-1]["steps"][0]["errors"]) == 3


def test_it_takes_nothing_that_the_server_did_not_send(server: LocalServer) -> None:
    with httpx.Client(base_url=server.demo_url or "", trust_env=False) as http:
        assert http.post("/demo/x", content="{}").status_code == 401
        assert http.post("/demo/x", content="{}", headers={"Upstash-Signature": "x.y.z"}).status_code == 401
        assert "demo workflow" in http.get("/").text


def test_demo_workflow_knows_the_rotated_keys() -> None:
    with LocalServer(demo=True) as server, api_for(server) as http:
        for _ in range(3):
            http.post("/v2/keys/rotate")
        Api(http).trigger("wfr_a", url=f"{server.demo_url}/demo/x", Upstash_Retries="0")
        assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
