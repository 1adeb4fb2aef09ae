"""Whatever a client sends, the answer is in the API's form and never a broken server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import api_for

TEXT = st.text(max_size=20)
NAMES = st.sampled_from(
    [
        "Upstash-Workflow-RunId",
        "Upstash-Workflow-Init",
        "Upstash-Workflow-CallType",
        "Upstash-Callback",
        "Upstash-Delay",
        "Upstash-Not-Before",
        "Upstash-Retries",
        "Upstash-Retry-Delay",
        "Upstash-Label",
        "Upstash-Timeout",
        "Upstash-Flow-Control-Key",
        "Upstash-Flow-Control-Value",
        "Upstash-Failure-Callback",
        "Upstash-Forward-",
        "Upstash-Forward-X",
    ]
)
VALUES = TEXT | st.sampled_from(
    ["true", "toCallback", "1", "1e308", "nan", "inf", "-1", "9" * 30, "http://x", "a,b", "\ud800"]
)
ITEM = st.fixed_dictionaries(
    {"destination": st.sampled_from(["http://127.0.0.1:9", "x", "http://\ud800"]) | TEXT},
    optional={"headers": st.dictionaries(NAMES | TEXT, VALUES, max_size=4) | st.none(), "body": TEXT | st.none()},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)
QUERY = st.dictionaries(
    st.sampled_from(
        ["cursor", "count", "workflowRunId", "workflowUrl", "workflowCreatedAt", "state", "fromDate", "toDate", "label",
         "workflowRuns", "trimBody", "callerIp", "flowControlKey", "workflowRunIds", "workflowUrlExactMatch"]
    ),
    st.sampled_from(["1", "-1", "0", "9" * 40,
                     "1e400", "nan", "x@1", "a@b@" + "9" * 30, "RUN_STARTED", "cjE", "%", ","])
    | st.text(alphabet=st.characters(codec="utf-8"), max_size=8),
    max_size=4,
)  # fmt: skip

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with LocalServer() as server, api_for(server) as client:
        server.faults.hold_deliveries = True
        yield client


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error"}


@RELAXED
@given(path=st.sampled_from(["/v2/batch/trigger", "/v2/batch"]), body=st.lists(ITEM | JSON, max_size=3) | JSON)
def test_batches(http: httpx.Client, path: str, body: Any) -> None:
    check(http.post(path, content=json.dumps(body).encode()))


@RELAXED
@given(path=st.sampled_from(["/v2/trigger/", "/v2/publish/"]), url=TEXT, body=st.binary(max_size=30))
def test_single(http: httpx.Client, path: str, url: str, body: bytes) -> None:
    check(http.post(path + quote(url.encode("utf-8", "replace")), content=body))


@RELAXED
@given(query=QUERY)
def test_logs(http: httpx.Client, query: dict[str, str]) -> None:
    check(http.get("/v2/workflows/logs", params=query))


@RELAXED
@given(query=QUERY)
def test_bulk_cancel(http: httpx.Client, query: dict[str, str]) -> None:
    check(http.delete("/v2/workflows/runs", params=query))


@RELAXED
@given(query=QUERY, path=st.sampled_from(["", "/resume", "/restart"]))
def test_dead_letters(http: httpx.Client, query: dict[str, str], path: str) -> None:
    dlq = {**query, **({"dlqIds": query["workflowRunIds"]} if "workflowRunIds" in query else {})}
    if path:
        check(http.post(f"/v2/workflows/dlq{path}", params=dlq))
    else:
        check(http.get("/v2/workflows/dlq", params=dlq))
        check(http.delete("/v2/workflows/dlq", params=dlq))


@RELAXED
@given(event_id=TEXT.filter(bool), step=JSON, timeout=JSON, more=JSON)
def test_waits(http: httpx.Client, event_id: str, step: Any, timeout: Any, more: Any) -> None:
    http.post("/v2/trigger/http://127.0.0.1:9/wf", headers={"Upstash-Workflow-RunId": "wfr_hostile"})
    path = quote(event_id.encode("utf-8", "replace"), safe="")
    headers = {"Upstash-Workflow-RunId": "wfr_hostile"}
    step = {"stepId": 1, **step} if isinstance(step, dict) else step
    body = json.dumps({"step": step, "timeout": timeout, "timeoutHeaders": more, "timeoutUrl": more}).encode()
    check(http.post(f"/v2/wait/{path}", content=body, headers=headers))
    check(http.get(f"/v2/waiters/{path}"))
    check(http.post(f"/v2/notify/{path}", content=body))
    check(http.get("/v2/workflows/logs"))
    check(http.delete("/v2/workflows/runs/wfr_hostile"))


@RELAXED
@given(step=JSON, payload=JSON, created_at=JSON)
def test_invocations(http: httpx.Client, step: Any, payload: Any, created_at: Any) -> None:
    http.post("/v2/trigger/http://127.0.0.1:9/wf", headers={"Upstash-Workflow-RunId": "wfr_hostile"})
    step = {"stepId": 1, **step} if isinstance(step, dict) else step
    body = {"workflowRunId": "wfr_hostile", "step": step, "body": payload, "workflowRunCreatedAt": created_at}
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-Invoke": "true"}
    check(http.post("/v2/publish/http://127.0.0.1:9/child", content=json.dumps(body).encode(), headers=headers))
    check(http.get("/v2/workflows/logs"))
    check(http.delete("/v2/workflows/runs"))


@RELAXED
@given(key=TEXT.filter(bool), query=st.dictionaries(st.sampled_from(["parallelism", "rate", "period"]), TEXT))
def test_flow_control(http: httpx.Client, key: str, query: dict[str, str]) -> None:
    path = f"/v2/flowControl/{quote(key.encode('utf-8', 'replace'), safe='')}"
    for action in ("pin", "unpin", "pause", "resetRate", "resume"):
        check(http.post(f"{path}/{action}", params={n: v.encode("utf-8", "replace") for n, v in query.items()}))
    check(http.get(path))


def test_long_lists_of_values(http: httpx.Client) -> None:
    pairs = ",".join(f"i{number}@{number}" for number in range(3000))
    check(http.get("/v2/workflows/logs", params={"workflowRuns": pairs}))
    for name in ("workflowRunIds", "workflowUrl", "label"):
        check(http.delete("/v2/workflows/runs", params={name: pairs}))
