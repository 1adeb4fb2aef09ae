"""The paths of events: waiting, notifying, waiters, webhooks.

Sources: Upstash Workflow REST reference, "Notify"; `/v2/wait` and the webhooks were observed with the JavaScript SDK.
A notification to one run is kept for it (look-back); one to everybody is lost where nobody waits, and answered by an
empty list (inferred).
"""

from __future__ import annotations

import base64

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver import compact, tenants
from wfdeploy.localserver.api.services import Services, read_body, tenant_of
from wfdeploy.localserver.api.trigger import headers_of, json_response
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import options
from wfdeploy.localserver.runs.waiting import Wait, Waiting, waiter_view
from wfdeploy.localserver.store.records import Run
from wfdeploy.localserver.tenants import Tenant

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class EventsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def wait(self, request: Request) -> Response:
        """`POST /v2/wait/{eventId}`: a step of a run waits for an event."""
        wait = Wait.of(await read_body(request), longest_ms=self._services.scenario.plan.max_delay_ms)
        wanted = options.read(headers_of(request))
        waiting = self._waiting()
        with self._services.ledger.transaction():
            run = self._services.intake(request).run_to_continue(wanted)
            answer = waiting.wait(run, request.path_params["eventId"], wait)
        self._done(waiting)
        return json_response(answer)

    async def notify(self, request: Request) -> Response:
        """`POST /v2/notify/{eventId}`: everybody who waits."""
        data = await read_body(request)
        waiting = self._waiting()
        with self._services.ledger.transaction():
            answer = waiting.notify_all(tenant_of(request).name, request.path_params["eventId"], data)
        self._done(waiting)
        return json_response(answer, 201)

    async def notify_run(self, request: Request) -> Response:
        """`POST /v2/notify/{workflowRunId}/{eventId}`: one run, now or at its next wait."""
        data = await read_body(request)
        waiting = self._waiting()
        with self._services.ledger.transaction():
            answer = waiting.notify_run(self._run(request, tenant_of(request)), request.path_params["eventId"], data)
        self._done(waiting)
        return json_response(answer, 201)

    async def waiters(self, request: Request) -> Response:
        """`GET /v2/waiters/{eventId}`."""
        ledger = self._services.ledger
        found = self._waiting().waiters(tenant_of(request).name, request.path_params["eventId"])
        return json_response([waiter_view(ledger.run(each.run_seq), each) for each in found if each.run_seq])

    async def hook(self, request: Request) -> Response:
        """`/v2/workflows/hooks/{user}/{workflowRunId}/{eventId}`, any method and no token: a webhook is called."""
        user = tenants.find(request.path_params["user"])
        if user is None:
            raise Refused("webhook not found", status=404)
        data = compact.dumps(await _told(request)).encode()
        waiting = self._waiting()
        with self._services.ledger.transaction():
            waiting.notify_run(self._run(request, user), request.path_params["eventId"], data)
        self._done(waiting)
        return json_response({})

    def _waiting(self) -> Waiting:
        return Waiting(self._services.ledger, self._services.clock.now_ms())

    def _done(self, waiting: Waiting) -> None:
        self._services.engine.schedule(waiting.to_schedule)
        self._services.changes.tell()

    def _run(self, request: Request, tenant: Tenant) -> Run:
        run = self._services.ledger.run_in_progress(tenant.name, request.path_params["workflowRunId"])
        if run is None:
            raise Refused("workflow run not found", status=404)
        return run


async def _told(request: Request) -> dict[str, object]:
    """A request as the workflow gets to see it."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    raw = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    return {
        "method": request.method,
        "header": headers,
        "body": base64.b64encode(await read_body(request)).decode(),
        "proto": "http",
        "host": request.headers.get("host", ""),
        "url": raw + (f"?{request.url.query}" if request.url.query else ""),
    }
