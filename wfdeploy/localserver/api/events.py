"""Request handlers of events: waiting, notifying, waiters, webhooks.

Sources: Upstash Workflow REST reference, "Notify"; `/v2/wait` and the webhooks were observed with the JavaScript SDK.
A notification to one run is kept for it (look-back). A notification to everybody is lost when nobody waits, and
answered with an empty list (inferred).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver import compact, tenants
from wfdeploy.localserver.api.ingest import Ingest
from wfdeploy.localserver.api.services import Services, read_body, tenant_of
from wfdeploy.localserver.api.trigger import headers_of, json_response
from wfdeploy.localserver.http_client import header_lists
from wfdeploy.localserver.openapi.operations import (
    ApiAnswer,
    Area,
    Operation,
    Param,
    RequestBody,
    boolean,
    listed,
    ref,
    shape,
    text,
    whole,
)
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import options
from wfdeploy.localserver.runs.waiting import Wait, Waits, waiter_view
from wfdeploy.localserver.store.records import RunRecord
from wfdeploy.localserver.tenants import Tenant

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class EventsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def wait(self, request: Request) -> Response:
        """`POST /v2/wait/{eventId}`: a step of a run waits for an event."""
        wait = Wait.of(await read_body(request), longest_ms=self._services.faults.plan.max_delay_ms)
        wanted = options.read(headers_of(request))
        with self._transaction() as waiting:
            run = Ingest.of(self._services, request).run_to_continue(wanted)
            answer = waiting.wait(run, request.path_params["eventId"], wait)
        return json_response(answer)

    async def notify(self, request: Request) -> Response:
        """`POST /v2/notify/{eventId}`: everybody who waits."""
        data = await read_body(request)
        with self._transaction() as waiting:
            answer = waiting.notify_all(tenant_of(request).name, request.path_params["eventId"], data)
        return json_response(answer, 201)

    async def notify_run(self, request: Request) -> Response:
        """`POST /v2/notify/{workflowRunId}/{eventId}`: one run, now or at its next wait."""
        data = await read_body(request)
        with self._transaction() as waiting:
            answer = waiting.notify_run(self._run(request, tenant_of(request)), request.path_params["eventId"], data)
        return json_response(answer, 201)

    async def waiters(self, request: Request) -> Response:
        """`GET /v2/waiters/{eventId}`."""
        store = self._services.store
        found = self._waiting().waiters(tenant_of(request).name, request.path_params["eventId"])
        return json_response([waiter_view(store.run(each.run_seq), each) for each in found if each.run_seq])

    async def hook(self, request: Request) -> Response:
        """`/v2/workflows/hooks/{user}/{workflowRunId}/{eventId}`: a webhook call; any method, no token."""
        user = tenants.find(request.path_params["user"])
        if user is None:
            raise Refused("webhook not found", status=404)
        data = compact.dumps(await _webhook_event(request)).encode()
        with self._transaction() as waiting:
            waiting.notify_run(self._run(request, user), request.path_params["eventId"], data)
        return json_response({})

    @contextmanager
    def _transaction(self) -> Iterator[Waits]:
        """Waits and events in one transaction; the messages they cause are scheduled after the commit."""
        waiting = self._waiting()
        with self._services.store.transaction():
            yield waiting
        self._services.hand_over(waiting.to_schedule)

    def _waiting(self) -> Waits:
        return Waits(self._services.store, self._services.clock.now_ms())

    def _run(self, request: Request, tenant: Tenant) -> RunRecord:
        run = self._services.store.run_in_progress(tenant.name, request.path_params["workflowRunId"])
        if run is None:
            raise Refused("workflow run not found", status=404)
        return run


async def _webhook_event(request: Request) -> dict[str, object]:
    """A webhook call in the form that the workflow receives."""
    raw = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    return {
        "method": request.method,
        "header": header_lists(request.headers.items()),
        "body": base64.b64encode(await read_body(request)).decode(),
        "proto": "http",
        "host": request.headers.get("host", ""),
        "url": raw + (f"?{request.url.query}" if request.url.query else ""),
    }


_DATA = RequestBody(
    "the event's data; any bytes",
    {"text/plain": text(), "application/json": {}, "application/octet-stream": {"type": "string", "format": "binary"}},
    required=False,
)
_TOO_LARGE = {413: "the body is too large"}
_NO_RUN = {404: "no run of this id is in progress"}

_WAIT = {
    "type": "object",
    "required": ["step"],
    "properties": {
        "step": {
            "type": "object",
            "required": ["stepId"],
            "properties": {"stepId": whole("its number", minimum=1)},
            "description": "the step that waits; its result is this object and the event's data",
        },
        "timeout": {"description": "a duration; 7d by default"},
        "timeoutUrl": text("the URL to notify after the timeout"),
        "timeoutHeaders": {"type": "object", "description": "the headers of that notification"},
    },
}

HOOKS = "/v2/workflows/hooks/"
"""The prefix of all webhooks, which need no token."""

EVENTS = Area(
    "Events",
    EventsApi,
    (
        Operation(
            "POST /v2/notify/{eventId}",
            EventsApi.notify,
            "Notify all runs that wait for an event",
            ApiAnswer(201, "the notified runs", listed(ref("Notified"))),
            description="An event that no run waits for is lost.",
            body=_DATA,
            refusals=_TOO_LARGE,
        ),
        Operation(
            "POST /v2/notify/{workflowRunId}/{eventId:path}",
            EventsApi.notify_run,
            "Notify one run of an event",
            ApiAnswer(201, "the notification", ref("Notified")),
            description="If the run does not wait for the event yet, the event is kept for its next wait.",
            body=_DATA,
            refusals={**_NO_RUN, **_TOO_LARGE},
        ),
        Operation(
            "GET /v2/waiters/{eventId:path}",
            EventsApi.waiters,
            "List the runs that wait for an event",
            ApiAnswer(200, "the waiting runs, oldest wait first", listed(ref("Waiter"))),
        ),
        Operation(
            "POST /v2/wait/{eventId:path}",
            EventsApi.wait,
            "Let a run wait for an event, as the SDKs do",
            ApiAnswer(
                200, "it waits", shape({"messageId": text(), "deduplicated": boolean()}, required=("messageId",))
            ),
            params=(Param("Upstash-Workflow-RunId", "header", "the run, which must be in progress"),),
            body=RequestBody("the step that waits", {"application/json": _WAIT}),
            refusals={412: "the wait is longer than the plan allows", **_TOO_LARGE},
        ),
        *(
            Operation(
                f"{method} {HOOKS}{{user}}/{{workflowRunId}}/{{eventId:path}}",
                EventsApi.hook,
                "Call a webhook that a workflow created",
                ApiAnswer(200, "the run is notified", shape({})),
                description="Any method, no token: the address is the secret.",
                body=None if method in ("GET", "HEAD", "DELETE", "OPTIONS") else _DATA,
                refusals={404: "no such user, or no run of this id is in progress", **_TOO_LARGE},
                is_open=True,
            )
            for method in ANY_METHOD
        ),
    ),
)
