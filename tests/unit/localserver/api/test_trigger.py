"""Triggering over HTTP: what is accepted, what is refused, and what counts as a duplicate."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, api_for
from wfdeploy.localserver.fault_plan import Refusal, TriggerItem
from wfdeploy.localserver.tenants import TENANTS

NOWHERE = "http://127.0.0.1:9/wf"


@pytest.fixture(autouse=True)
def _hold(server: LocalServer) -> None:
    """Accepted runs stay in progress: nothing listens where they go."""
    server.faults.hold_deliveries = True


def test_batch_answers_one_element_per_item_in_order(api: Api, server: LocalServer) -> None:
    answer = api.trigger("wfr_b", "wfr_a", "wfr_c")
    assert answer.status_code == 201
    assert [item["workflowRunId"] for item in answer.json()] == ["wfr_b", "wfr_a", "wfr_c"]
    run = server.accepted("wfr_a")[0]
    assert answer.json()[1] == {"workflowRunId": "wfr_a", "workflowCreatedAt": run.created_at_ms}
    assert (run.state, run.body, run.destination) == ("RUN_STARTED", b"{}", NOWHERE)


def test_every_answer_names_the_server_and_its_log_lag(api: Api, server: LocalServer) -> None:
    server.faults.log_lag_s = 2.5
    for answer in (api.trigger("wfr_a"), httpx.get(server.url, trust_env=False), api.http.get("/nope")):
        assert answer.headers["Wfdeploy-Server-Id"] == server.server_id
        assert answer.headers["Wfdeploy-Log-Lag"] == "2.5"
        assert len(answer.headers.get_list("Date")) == 1
    server.faults.advertised_log_lag_s = 0
    assert api.trigger("wfr_a").headers["Wfdeploy-Log-Lag"] == "0"


def test_dates_follow_the_servers_clock(timed_api: Api, timed_server: LocalServer) -> None:
    timed_server.faults.hold_deliveries = True
    assert timed_api.trigger("wfr_a").headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


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


def test_duplicate_of_a_running_id_starts_nothing(api: Api, server: LocalServer) -> None:
    first = api.trigger("wfr_a").json()[0]
    again = api.trigger("wfr_a", "wfr_b").json()
    assert again[0] == {**first, "deduplicated": True}
    assert "deduplicated" not in again[1]
    assert server.accepted_counts() == {"wfr_a": 1, "wfr_b": 1}


def test_duplicate_may_be_refused_as_a_whole(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    server.faults.duplicates = "error"
    answer = api.trigger("wfr_new", "wfr_a", "wfr_other")
    assert answer.status_code == 400
    assert "wfr_a" in answer.json()["error"]
    assert server.accepted_counts() == {"wfr_a": 1}


def test_duplicates_within_one_batch(api: Api, server: LocalServer) -> None:
    assert [item.get("deduplicated", False) for item in api.trigger("wfr_a", "wfr_a").json()] == [False, True]
    server.faults.duplicates = "error"
    assert api.trigger("wfr_b", "wfr_b").status_code == 400
    assert server.accepted_counts() == {"wfr_a": 1}


@pytest.mark.parametrize("state", ["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"])
def test_id_is_free_again_when_its_run_has_ended(api: Api, server: LocalServer, state: str) -> None:
    api.trigger("wfr_a")
    assert server.end("wfr_a", state)
    assert not server.end("wfr_a", state)
    assert "deduplicated" not in api.trigger("wfr_a").json()[0]
    runs = server.accepted("wfr_a")
    assert [run.state for run in runs] == [state, "RUN_STARTED"]
    assert runs[0].created_at_ms < runs[1].created_at_ms


def test_instant_finish_frees_the_id_at_once(api: Api, server: LocalServer) -> None:
    server.faults.instant_finish = True
    for _ in range(3):
        assert "deduplicated" not in api.trigger("wfr_a").json()[0]
    runs = server.accepted("wfr_a")
    assert [run.state for run in runs] == ["RUN_SUCCESS"] * 3
    assert len({run.created_at_ms for run in runs}) == 3


def test_scenario_refuses_items(api: Api, server: LocalServer) -> None:
    def refuse(item: TriggerItem) -> Refusal | None:
        return Refusal("quota exceeded", 412) if item.headers["upstash-workflow-runid"] == "wfr_bad" else None

    server.faults.refuse = refuse
    answer = api.trigger("wfr_a", "wfr_bad")
    assert answer.status_code == 201
    assert answer.json()[1] == {"error": "quota exceeded"}
    assert api.trigger("wfr_bad").status_code == 412
    server.faults.refusals = "request"
    answer = api.trigger("wfr_c", "wfr_bad")
    assert (answer.status_code, answer.json()) == (412, {"error": "quota exceeded"})
    assert server.accepted_counts() == {"wfr_a": 1}


def test_users_are_separate(server: LocalServer) -> None:
    with api_for(server) as mine, api_for(server, TENANTS[1].token) as theirs:
        Api(mine).trigger("wfr_a")
        assert "deduplicated" not in Api(theirs).trigger("wfr_a").json()[0]
        assert len(Api(mine).logs()["runs"]) == 1
        theirs.delete("/v2/workflows/runs/wfr_a")
        assert Api(mine).state("wfr_a") == "RUN_STARTED"
        assert mine.get("/v2/keys").json() != theirs.get("/v2/keys").json()


def test_token_is_required(server: LocalServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {server.token}"}):
            answer = http.post("/v2/batch/trigger", json=[], headers=headers)
            assert (answer.status_code, set(answer.json())) == (401, {"error"})
        assert http.post("/v2/batch/trigger", json=[], params={"qstash_token": server.token}).status_code == 201
        assert http.get("/v2/keys", headers={"Authorization": f"bearer {server.token}"}).json() == {
            "current": "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
            "next": "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
        }


def test_unknown_path_and_method_answer_in_the_apis_form(api: Api) -> None:
    assert (api.http.get("/v2/nope").status_code, api.http.get("/v2/nope").json()) == (404, {"error": "not found"})
    assert api.http.get("/v2/batch/trigger").status_code == 405


def test_submission_for_no_running_run_is_refused(api: Api) -> None:
    item = {"destination": NOWHERE, "headers": {"Upstash-Workflow-RunId": "wfr_gone", "Upstash-Workflow-Init": "false"}}
    answer = api.http.post("/v2/batch", json=[item])
    assert answer.status_code == 400
    assert "can not append" in answer.json()["error"]


def test_step_is_recorded_once(api: Api) -> None:
    api.trigger("wfr_a")
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    item = {
        "destination": NOWHERE,
        "headers": headers,
        "body": '{"stepId":1,"stepName":"s","stepType":"Run","out":"1"}',
    }
    first = api.http.post("/v2/batch", json=[item]).json()[0]
    again = api.http.post("/v2/batch", json=[item]).json()[0]
    assert again == {"messageId": first["messageId"], "deduplicated": True}
    steps = api.http.get("/v2/workflows/runs/wfr_a").json()
    assert [entry["callType"] for entry in steps] == ["step", "step"]
    assert steps[1]["messageId"] == first["messageId"]


def test_body_is_size_capped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfdeploy.localserver.api.services.MAX_BODY_BYTES", 100)
    assert api.http.post("/v2/batch/trigger", content=b"x" * 101).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}, 200),
    ],
)
def test_web_pages_have_no_access(api: Api, headers: dict[str, str], status: int) -> None:
    assert api.http.get("/v2/keys", headers=headers).status_code == status


def test_client_that_leaves_does_no_harm(api: Api, server: LocalServer) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
        head = "POST /v2/batch/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        raw.sendall(f"{head}Authorization: Bearer {server.token}\r\n\r\n[".encode())
    assert api.trigger("wfr_a").status_code == 201
    assert server.accepted_counts() == {"wfr_a": 1}
