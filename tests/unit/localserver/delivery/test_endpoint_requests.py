"""What a delivery carries: its signature, the steps so far, what a callback tells."""

from __future__ import annotations

import base64
import hashlib
import json

import jwt
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, decoded, step, submit
from wfdeploy.localserver.delivery import endpoint_requests
from wfdeploy.localserver.tenants import DEFAULT_TENANT


def test_signature_is_over_the_body() -> None:
    body = '{"a":"ü"}'.encode()
    token = endpoint_requests.sign(key="sig_" + "k" * 28, url="http://x/wf", body=body, now_s=1_000)
    claims = jwt.decode(token, "sig_" + "k" * 28, algorithms=["HS256"], options={"verify_exp": False})
    assert claims["iss"] == "Upstash"
    assert claims["sub"] == "http://x/wf"
    assert claims["exp"] - claims["nbf"] == 300
    assert claims["body"].rstrip("=") == base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def test_first_delivery(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    options = {"Upstash-Forward-X-Team": "größe", "Upstash-Label": "a,b", "Upstash-Forward-Content-Length": "1"}
    api.http.post(
        "/v2/batch/trigger",
        json=[
            {
                "destination": endpoint.url,
                "headers": {"Upstash-Workflow-RunId": "wfr_a", "Content-Type": "text/plain", **options},
                "body": "héllo",
            }
        ],
    )
    server.wait_idle()
    (request,) = endpoint.requests
    assert (request.method, request.path) == ("POST", "/wf")
    assert decoded(request) == [("step", "héllo")]
    assert b" " not in request.body
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Upstash-QStash"
    assert headers["upstash-workflow-sdk-version"] == "1"
    assert headers["upstash-workflow-runid"] == "wfr_a"
    assert headers["upstash-workflow-createdat"] == str(server.accepted("wfr_a")[0].created_at_ms)
    assert headers["upstash-retried"] == "0"
    assert headers["upstash-label"] == "a,b"
    assert headers["x-team"].encode("latin-1").decode() == "größe"
    claims = jwt.decode(headers["upstash-signature"], DEFAULT_TENANT.current_key, algorithms=["HS256"])
    assert claims["sub"] == endpoint.url
    assert json.loads(request.body)[0]["messageId"] == headers["upstash-message-id"]
    assert api.state("wfr_a") == "RUN_STARTED"


def test_each_delivery_carries_the_entries_up_to_its_own(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_a", url=endpoint.url, Upstash_Forward_X_Team="growth")
    server.wait_idle()
    server.faults.hold_deliveries = True
    plans = [step(0, targetStep=1, concurrent=2), step(0, targetStep=2, concurrent=2)]
    submit(api, endpoint, *plans)
    server.faults.hold_deliveries = False
    server.poke()
    server.wait_idle()
    lists = sorted((decoded(request) for request in endpoint.requests), key=len)
    assert [len(entries) for entries in lists] == [1, 2, 3]
    assert [body for _, body in lists[2]] == ["{}", *plans]
    assert all(request.headers["x-team"] == "growth" for request in endpoint.requests)


def test_failure_callback_of_its_own_and_its_failure(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda request: (500, {}, b"")
    api.trigger(
        "wfr_a",
        url=endpoint.url,
        Upstash_Retries="0",
        Upstash_Failure_Callback=f"{endpoint.url}/failed",
        Upstash_Failure_Callback_Retries="2",
        Upstash_Failure_Callback_Retry_Delay="1",
        Upstash_Failure_Callback_Forward_Authorization="Bearer ops",
    )
    server.wait_until(lambda runs: runs[0].failure_callback == "CALLBACK_FAIL")
    assert api.logs()["runs"][0]["failureFunction"]["responseStatus"] == 500
    paths = [request.path for request in endpoint.requests]
    assert paths == ["/wf", "/wf/failed", "/wf/failed", "/wf/failed"]
    assert endpoint.requests[1].headers["authorization"] == "Bearer ops"
    assert "authorization" not in endpoint.requests[0].headers


@pytest.mark.parametrize(
    ("features", "is_left_out"),
    [("LazyFetch,InitialBody,WF_TriggerOnConfig", True), ("LazyFetch,InitialBody", False), ("", False)],
)
def test_large_step_list_is_left_out_where_the_sdk_fetches_it(
    api: Api, server: LocalServer, endpoint: Endpoint, features: str, is_left_out: bool
) -> None:
    """The Python SDK names the feature, and answers 500 to an empty body; it does not name the last one."""
    server.faults.lazy_fetch_above_bytes = 2000
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "true", "Upstash-Feature-Set": features}
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": "p" * 3000}])
    server.wait_idle()
    submission = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    step = json.dumps({"stepId": 1, "stepName": "s", "stepType": "Run", "out": "1", "concurrent": 1})
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": submission, "body": step}])
    server.wait_idle()
    first, second = endpoint.requests
    assert json.loads(first.body)[0]["body"]  # the payload alone is always sent
    assert (second.body == b"") is is_left_out
    assert second.headers["content-length"] == str(len(second.body))
    if is_left_out:
        fetched = api.http.get("/v2/workflows/runs/wfr_a").json()
        assert fetched[-1]["messageId"] == second.headers["upstash-message-id"]
        assert [each["callType"] for each in fetched] == ["step", "step"]
        claims = jwt.decode(second.headers["upstash-signature"], options={"verify_signature": False})
        assert claims["body"].rstrip("=") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # of nothing
