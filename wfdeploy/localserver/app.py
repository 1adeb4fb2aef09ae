"""The ASGI application: a gate that knows who is asking, and the routes behind it."""

from __future__ import annotations

import re
from email.utils import formatdate
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wfdeploy.localserver import tenants
from wfdeploy.localserver.api_dlq import DlqApi
from wfdeploy.localserver.api_events import ANY_METHOD, EventsApi, hook_user
from wfdeploy.localserver.api_flow import FlowApi
from wfdeploy.localserver.api_logs import LogsApi
from wfdeploy.localserver.api_runs import RunsApi
from wfdeploy.localserver.api_trigger import TriggerApi, json_response
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.services import Services, tenant_of
from wfdeploy.localserver.tenants import Tenant

_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)


def create_app(services: Services) -> ASGIApp:
    """The server's paths, as one application; usable without a socket too."""
    triggers, runs, logs = TriggerApi(services), RunsApi(services), LogsApi(services)
    keys = KeysApi(services)
    dlq, events, flow = DlqApi(services), EventsApi(services), FlowApi(services)
    app = Starlette(
        routes=[
            # Order matters: `/v2/batch/trigger` and friends before anything that takes a rest of a path.
            Route("/v2/batch/trigger", triggers.batch_trigger, methods=["POST"]),
            Route("/v2/batch", triggers.batch, methods=["POST"]),
            Route("/v2/trigger/{url:path}", triggers.trigger, methods=["POST"]),
            Route("/v2/publish/{url:path}", triggers.publish, methods=["POST"]),
            Route("/v2/workflows/logs", logs.logs, methods=["GET"]),
            Route("/v2/workflows/events", logs.events, methods=["GET"]),
            Route("/v2/workflows/runs", runs.cancel_many, methods=["DELETE"]),
            Route("/v2/workflows/runs/{run_id}", runs.steps, methods=["GET"]),
            Route("/v2/workflows/runs/{run_id}", runs.end, methods=["DELETE"]),
            Route("/v2/wait/{event_id:path}", events.wait, methods=["POST"]),
            Route("/v2/notify/{event_id}", events.notify, methods=["POST"]),
            Route("/v2/notify/{run_id}/{event_id:path}", events.notify_run, methods=["POST"]),
            Route("/v2/waiters/{event_id:path}", events.waiters, methods=["GET"]),
            Route("/v2/workflows/hooks/{user}/{run_id}/{event_id:path}", events.hook, methods=ANY_METHOD),
            Route("/v2/dlq", dlq.list_for_sdks, methods=["GET"]),
            Route("/v2/workflows/dlq", dlq.listed, methods=["GET"]),
            Route("/v2/workflows/dlq", dlq.delete_many, methods=["DELETE"]),
            Route("/v2/workflows/dlq/resume", dlq.resume_many, methods=["POST"]),
            Route("/v2/workflows/dlq/restart", dlq.restart_many, methods=["POST"]),
            Route("/v2/workflows/dlq/{dlq_id}", dlq.get, methods=["GET"]),
            Route("/v2/workflows/dlq/{dlq_id}", dlq.delete, methods=["DELETE"]),
            Route("/v2/workflows/dlq/resume/{dlq_id}", dlq.resume, methods=["POST"]),
            Route("/v2/workflows/dlq/restart/{dlq_id}", dlq.restart, methods=["POST"]),
            Route("/v2/workflows/dlq/callback/{dlq_id}", dlq.retry_callback, methods=["POST"]),
            Route("/v2/workflows/dlq/callback/{dlq_id}", dlq.cancel_callback, methods=["DELETE"]),
            Route("/v2/flowControl", flow.listed, methods=["GET"]),
            Route("/v2/flowControl/{key}", flow.get, methods=["GET"]),
            Route("/v2/flowControl/{key}/pause", flow.pause, methods=["POST"]),
            Route("/v2/flowControl/{key}/resume", flow.resume, methods=["POST"]),
            Route("/v2/flowControl/{key}/pin", flow.pin, methods=["POST"]),
            Route("/v2/flowControl/{key}/unpin", flow.unpin, methods=["POST"]),
            Route("/v2/flowControl/{key}/resetRate", flow.reset_rate, methods=["POST"]),
            Route("/v2/globalParallelism", flow.global_parallelism, methods=["GET"]),
            Route("/v2/keys", keys.get, methods=["GET"]),
            Route("/v2/keys/rotate", keys.rotate, methods=["POST"]),
        ],
        exception_handlers={
            Refused: _refused,
            HTTPException: _no_such_path,
            ClientDisconnect: _gone,
            Exception: _broken,
        },
    )
    app.router.redirect_slashes = False
    return Gate(app, services)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return json_response({"error": error.message}, error.status)


async def _no_such_path(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_response({"error": error.detail.lower()}, error.status_code)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client left in the middle of its request, so nobody reads this


async def _broken(_request: Request, _error: Exception) -> Response:
    return json_response({"error": "internal server error"}, 500)


class KeysApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        """`GET /v2/keys`: by the default user's keys the JavaScript SDK recognises a development server."""
        return _shown(self._services.keyring.tenant(tenant_of(request).name))

    async def rotate(self, request: Request) -> Response:
        """`POST /v2/keys/rotate`: the next key becomes the current one."""
        return _shown(self._services.keyring.rotate(tenant_of(request).name))


def _shown(tenant: Tenant) -> Response:
    return json_response({"current": tenant.current_key, "next": tenant.next_key})


class Gate:
    """Lets in who has a token, and puts the server's id on every answer."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers()]
            await send(message)

        if not _is_local(scope):
            await json_response({"error": "this server answers to programs on its own machine"}, 403)(
                scope, receive, send_signed
            )
            return
        tenant = _tenant(scope)
        if tenant is None:
            await json_response({"error": "invalid token"}, 401)(scope, receive, send_signed)
            return
        scope["wfdeploy.tenant"] = tenant
        await self._app(scope, receive, send_signed)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        services = self._services
        return [
            (b"wfdeploy-server-id", services.ledger.server_id.encode()),
            # How late a run may show up in the logs, in seconds.
            (b"wfdeploy-log-lag", f"{services.scenario.visible_lag_s():g}".encode()),
            # By the server's own clock, as its time stamps are: clients take their watermarks from it.
            (b"date", formatdate(services.clock.now_ms() / 1000, usegmt=True).encode()),
        ]


def _is_local(scope: Scope) -> bool:
    """False for a page of some web site: its browser is on this machine, and the tokens are published.

    A page gives itself away by its origin, or, when its name was made to point here, by the name in `Host`.
    """
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            host = value.decode("latin-1").partition("://")[2]  # "null" has no host
        else:
            continue
        if not _LOOPBACK.fullmatch(host):
            return False
    return True


def _tenant(scope: Scope) -> Tenant | None:
    """Who asks: `Authorization: Bearer`, or the query parameter `qstash_token`; webhooks name their user instead."""
    if (user := hook_user(scope["path"])) is not None:
        return tenants.find(user)
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            return tenants.by_token(token.strip()) if kind.lower() == "bearer" else None
    found = parse_qs(scope["query_string"].decode("latin-1")).get("qstash_token")
    return tenants.by_token(found[0]) if found else None
