"""The ASGI application: the access gate, and the routes behind it."""

from __future__ import annotations

import re
from email.utils import formatdate
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wfdeploy.localserver import tenants
from wfdeploy.localserver.api.routes import is_open, routes
from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.page.routes import Page, needs_no_token
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.tenants import Bearer

_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)


def create_app(services: Services, page: Page) -> ASGIApp:
    """The server's paths and its page, as one application; usable without a socket too."""
    app = Starlette(
        routes=[*page.routes(), *routes(services)],
        exception_handlers={
            Refused: _refused,
            HTTPException: _no_such_path,
            ClientDisconnect: _gone,
            Exception: _broken,
        },
    )
    app.router.redirect_slashes = False
    return AccessGate(app, services)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    answer = json_response({"error": error.message}, error.status)
    answer.headers.update(error.headers or {})
    return answer


async def _no_such_path(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_response({"error": error.detail.lower()}, error.status_code)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client has disconnected, so nobody reads this


async def _broken(_request: Request, _error: Exception) -> Response:
    return json_response({"error": "internal server error"}, 500)


class AccessGate:
    """Checks where a request comes from and its token, and adds the server's id to every answer."""

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
            await json_response({"error": "this server only answers programs on its own machine"}, 403)(
                scope, receive, send_signed
            )
            return
        # Still encoded: an encoded slash is part of a name, and the routes decode the names.
        scope["path"] = scope["raw_path"].decode("latin-1").partition("?")[0]
        if not is_open(scope["path"]) and not needs_no_token(scope["path"]):
            bearer = _bearer(scope)
            if bearer is None:
                await json_response({"error": "invalid token"}, 401)(scope, receive, send_signed)
                return
            scope["wfdeploy.bearer"] = bearer
        await self._app(scope, receive, send_signed)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        services = self._services
        return [
            (b"wfdeploy-server-id", services.store.server_id.encode()),
            # How late a run may show up in the logs, in seconds.
            (b"wfdeploy-log-lag", f"{services.faults.visible_lag_s():g}".encode()),
            # From the server's own clock, like its time stamps: clients take their watermarks from it.
            (b"date", formatdate(services.clock.now_ms() / 1000, usegmt=True).encode()),
        ]


def _is_local(scope: Scope) -> bool:
    """False for a request from a web site: its browser runs on this machine, and the tokens are public.

    The `Origin` header gives a web page away; if its name was made to point here, the name in `Host` does. Requests
    for images, scripts and frames have no origin, but `Sec-Fetch-Dest` names their kind. A link that a person follows
    may come from anywhere.
    """
    headers = dict(scope["headers"])
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            host = value.decode("latin-1").partition("://")[2]  # "null" has no host
        else:
            continue
        if not _LOOPBACK.fullmatch(host):
            return False
    is_embedded = headers.get(b"sec-fetch-dest", b"document") != b"document"
    return b"origin" in headers or not (headers.get(b"sec-fetch-site") == b"cross-site" and is_embedded)


def _bearer(scope: Scope) -> Bearer | None:
    """The bearer of the token in `Authorization: Bearer` or in the query parameter `qstash_token`."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            return tenants.by_token(token.strip()) if kind.lower() == "bearer" else None
    found = parse_qs(scope["query_string"].decode("latin-1")).get("qstash_token")
    return tenants.by_token(found[0]) if found else None
