"""A small workflow endpoint, so that runs finish without any other program.

It implements the endpoint's side of the step protocol as observed with the SDKs: each delivery carries the steps done
so far, and the endpoint submits the next one from inside it. Every path under `/demo/` is the same workflow: a step, a
short sleep, another step. The payload `{"fail": true}` makes it fail at once, `{"fail": "retry"}` after its retries.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from wfdeploy.localserver import compact
from wfdeploy.localserver.http_client import EndpointRequest, HttpClient
from wfdeploy.localserver.tenants import Tenant

PAUSE = "1s"

MAX_OPEN = 16
"""Submissions at once."""

_VERSION = {"Upstash-Workflow-Sdk-Version": "1"}


@dataclass(frozen=True, slots=True)
class DemoDelivery:
    """A delivery: the run, its payload, and the finished steps."""

    run_id: str
    url: str
    payload: Any
    steps: list[dict[str, Any]]


class DemoWorkflow:
    """The endpoint as an ASGI application. It submits its steps to `server_url`."""

    def __init__(self, *, server_url: str, tenant: Callable[[], Tenant]) -> None:
        self._tenant = tenant
        self._server_url = server_url
        self._http_client = HttpClient(max_connections=MAX_OPEN)
        self._router = Router(
            routes=[
                Route("/demo/{path:path}", self.receive, methods=["POST"]),
                Route("/{path:path}", self.explain, methods=["GET"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._router(scope, receive, send)

    async def close(self) -> None:
        await self._http_client.close()

    async def explain(self, _request: Request) -> Response:
        return PlainTextResponse("wfdeploy's demo workflow: trigger any path under /demo/ through the local server.\n")

    async def receive(self, request: Request) -> Response:
        """Handle one delivery: submit the next step, or finish."""
        body = await request.body()
        if not self._is_genuine(request.headers.get("Upstash-Signature")):
            return JSONResponse({"error": "not signed by the local server: trigger this through it"}, 401)
        if request.headers.get("Upstash-Workflow-Is-Failure") == "true":
            # As the JavaScript SDK answers without a failure function.
            return Response(status_code=200, headers={"Upstash-Workflow-Failure-Callback-Notfound": "true"})
        if "Upstash-Workflow-Sdk-Version" not in request.headers:
            return JSONResponse({"error": "not a workflow delivery"}, 400)
        delivery = _read(request, body)
        if "Upstash-Workflow-Unknown-Sdk" in request.headers:
            await self._trigger(delivery)
            return JSONResponse({"workflowRunId": delivery.run_id}, headers=_VERSION)
        if (refusal := _wanted_failure(delivery)) is not None:
            return refusal
        await self._continue(delivery)
        return JSONResponse({"workflowRunId": delivery.run_id}, headers=_VERSION)

    def _is_genuine(self, signature: str | None) -> bool:
        if signature is None:
            return False
        tenant = self._tenant()
        for key in (tenant.current_key, tenant.next_key):
            try:
                jwt.decode(signature, key, algorithms=["HS256"], issuer="Upstash")
            except jwt.InvalidTokenError:
                continue
            return True
        return False

    async def _continue(self, delivery: DemoDelivery) -> None:
        done = len(delivery.steps)
        if done == 0:
            await self._submit(delivery, {"stepName": "prepare", "stepType": "Run", "out": '"prepared"'})
        elif done == 1:
            pause = {"stepName": "pause", "stepType": "SleepFor", "sleepFor": PAUSE, "out": "null"}
            await self._submit(delivery, pause, {"Upstash-Delay": PAUSE})
        elif done == 2:
            await self._submit(delivery, {"stepName": "complete", "stepType": "Run", "out": '"completed"'})
        else:
            result = compact.dumps({"demo": "done", "received": delivery.payload})
            await self._call("DELETE", f"/v2/workflows/runs/{delivery.run_id}?cancel=false", result)

    async def _trigger(self, delivery: DemoDelivery) -> None:
        """Trigger the run itself, as current SDKs do when the server doesn't know them."""
        headers = {
            "Upstash-Workflow-Init": "true",
            "Upstash-Workflow-RunId": delivery.run_id,
            "Upstash-Workflow-Url": delivery.url,
            "Upstash-Workflow-Trigger-By-Sdk": "true",
            "Upstash-Feature-Set": "InitialBody,WF_DetectTrigger,WF_TriggerOnConfig",
        }
        message = {"destination": delivery.url, "headers": headers, "body": compact.dumps(delivery.payload)}
        await self._call("POST", "/v2/batch", compact.dumps([message]))

    async def _submit(self, delivery: DemoDelivery, step: dict[str, Any], extra: dict[str, str] | None = None) -> None:
        record = {"stepId": len(delivery.steps) + 1, "concurrent": 1, **step}
        headers = {
            "Upstash-Workflow-Init": "false",
            "Upstash-Workflow-RunId": delivery.run_id,
            "Upstash-Workflow-Url": delivery.url,
            "Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
            "Content-Type": "application/json",
            **(extra or {}),
        }
        message = {"destination": delivery.url, "headers": headers, "body": compact.dumps(record)}
        await self._call("POST", "/v2/batch", compact.dumps([message]))

    async def _call(self, method: str, path: str, body: str) -> None:
        headers = {"Authorization": f"Bearer {self._tenant().token}", "Content-Type": "application/json"}
        reply = await self._http_client.send(
            EndpointRequest(method, self._server_url + path, headers, body.encode(), timeout_s=30)
        )
        # A 400 means that the run has ended meanwhile.
        if not reply.ok and reply.status != 400:
            raise RuntimeError(f"the local server answered {reply.status or reply.error}")


def _read(request: Request, body: bytes) -> DemoDelivery:
    first, *entries = json.loads(body)
    payload_text = base64.b64decode(first["body"]).decode(errors="replace")
    try:
        payload = json.loads(payload_text)
    except ValueError:
        payload = payload_text
    steps = [json.loads(base64.b64decode(entry["body"])) for entry in entries if entry["callType"] == "step"]
    return DemoDelivery(request.headers["Upstash-Workflow-RunId"], str(request.url), payload, steps)


def _wanted_failure(delivery: DemoDelivery) -> Response | None:
    """A failure in the middle of the workflow, if the payload requests one."""
    wanted = delivery.payload.get("fail") if isinstance(delivery.payload, dict) else None
    if not wanted or not delivery.steps:
        return None
    error = {"error": "Error", "message": "the payload requested a failure"}
    if wanted == "retry":
        return JSONResponse(error, 500, headers=_VERSION)
    return JSONResponse(error, 489, headers={**_VERSION, "Upstash-NonRetryable-Error": "true"})
