"""Triggering over HTTP: what is accepted, and what is refused."""

from __future__ import annotations

import socket

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api

pytestmark = pytest.mark.usefixtures("deliveries_held")

NOWHERE = "http://127.0.0.1:9/wf"


def test_batch_answers_one_element_per_item_in_order(api: Api, server: LocalServer) -> None:
    answer = api.trigger("wfr_b", "wfr_a", "wfr_c")
    assert answer.status_code == 201
    assert [item["workflowRunId"] for item in answer.json()] == ["wfr_b", "wfr_a", "wfr_c"]
    run = server.accepted("wfr_a")[0]
    assert answer.json()[1] == {"workflowRunId": "wfr_a", "workflowCreatedAt": run.created_at_ms}
    assert (run.state, run.body, run.destination) == ("RUN_STARTED", b"{}", NOWHERE)


def test_id_is_made_up_when_none_is_given(api: Api) -> None:
    answer = api.http.post("/v2/batch/trigger", json=[{"destination": NOWHERE}, {"destination": NOWHERE, "body": None}])
    first, second = (item["workflowRunId"] for item in answer.json())
    assert first.startswith("wfr_")
    assert first != second


@pytest.mark.parametrize(
    "form",
    ["/v2/trigger/http://127.0.0.1:9/a//b?x=1&y=%20z", "/v2/trigger/http%3A%2F%2F127.0.0.1%3A9%2Fa%2F%2Fb?x=1&y=%20z"],
)
def test_single_trigger_takes_the_url_from_the_path(server: LocalServer, form: str) -> None:
    # A socket of our own: clients normalise such paths.
    body = "héllo".encode()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
        head = (
            f"POST {form}&qstash_token={server.token} HTTP/1.1\r\nHost: localhost\r\nUpstash-Workflow-RunId: wfr_s\r\n"
            f"Upstash-Forward-X-A: 1\r\nUpstash-Label: l1, l2\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        raw.sendall(head.encode() + body)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    run = server.accepted("wfr_s")[0]
    assert run.destination == "http://127.0.0.1:9/a//b?x=1&y=%20z"
    assert (run.body, run.headers, run.labels) == (body, {"x-a": "1"}, ("l1", "l2"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"{}", "must be a JSON array"),
        (b"\xff", "not valid JSON"),
        (b'["x"]', "must be an object"),
        (b'[{"destination": 5}]', "destination"),
        (b'[{"destination": "ftp://x"}]', "http:// or https://"),
        (b'[{"destination": "http://x", "headers": {"A": 1}}]', "headers"),
        (b'[{"destination": "http://x", "body": {}}]', "body"),
        (b'[{"destination": "http://x", "headers": {"Upstash-Delay": "soon"}}]', "Upstash-Delay"),
    ],
)
def test_bad_request_says_what_is_wrong(api: Api, server: LocalServer, body: bytes, words: str) -> None:
    answer = api.http.post("/v2/batch/trigger", content=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert server.accepted() == []


def test_empty_batch_is_fine(api: Api) -> None:
    assert api.http.post("/v2/batch/trigger", json=[]).json() == []


def test_bad_item_gets_its_error_in_its_slot(api: Api, server: LocalServer) -> None:
    answer = api.http.post("/v2/batch/trigger", json=[{"destination": NOWHERE}, {"destination": "x"}])
    assert answer.status_code == 201
    assert set(answer.json()[1]) == {"error"}
    assert len(server.accepted()) == 1
