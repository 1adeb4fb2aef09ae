"""The paths of the page, its HTML with protective headers, and the stream of change events.

The page contains the default user's token. The token is public and only works on this machine; still, nobody else may
use the page: a web site cannot read it (no CORS, and `AccessGate` refuses names that were made to point here), put it
into a frame, or make it run anything but its own files.

The stream (server-sent events) tells a page to reload its data and carries the few numbers of its header, never the
changes themselves. So a busy server costs a page a few small messages per second, however many runs there are.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from wfdeploy.localserver import compact
from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.page import listing, run_details
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.store.filters import integer
from wfdeploy.localserver.tenants import DEFAULT_TENANT, Tenant, exports, sdk_switch

_ASSETS = "/-/assets"


def needs_no_token(path: str) -> bool:
    """Whether a path is the page itself, which contains the token, or one of its files."""
    return path == "/" or path.startswith(_ASSETS + "/")


class Page:
    """The page of one server, for its default user. `demo_url`: the URL of the demo workflow, if it is served."""

    def __init__(self, services: Services, demo_url: str | None = None) -> None:
        self._services = services
        self._demo_url = demo_url
        self._document = PageDocument()
        self._stream = Stream(services, DEFAULT_TENANT.name)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.document, methods=["GET"]),
            Mount(_ASSETS, _Assets(packages=[(__package__ or "", "assets")])),
            Route("/-/events", self.events, methods=["GET"]),
            Route("/-/runs", self.runs, methods=["GET"]),
            Route("/-/run", self.run, methods=["GET"]),
            Route("/-/dead-letters", self.dead_letters, methods=["GET"]),
            Route("/-/queue", self.queue, methods=["GET"]),
        ]

    def close(self) -> None:
        """End the streams of all open pages."""
        self._stream.close()

    async def document(self, request: Request) -> Response:
        html = self._document.html(
            url=str(request.base_url).rstrip("/"),
            tenant=self._services.signing_keys.tenant(DEFAULT_TENANT.name),
            demo_url=self._demo_url,
            server_id=self._services.store.server_id,
        )
        return HTMLResponse(html, headers=self._document.headers)

    async def events(self, _request: Request) -> Response:
        return self._stream.response()

    async def runs(self, request: Request) -> Response:
        return self._response(listing.runs(self._services.store, request.query_params, tenant_of(request).name))

    async def dead_letters(self, request: Request) -> Response:
        return self._response(listing.dead_letters(self._services.store, request.query_params, tenant_of(request).name))

    async def run(self, request: Request) -> Response:
        """`?id=&createdAt=&whole=true`."""
        store, query = self._services.store, request.query_params
        run = run_details.find(store, tenant_of(request).name, query.get("id", ""), integer(query, "createdAt"))
        if run is None:
            raise Refused("workflow run not found", status=404)
        now = self._services.clock.now_ms()
        return self._response(run_details.render(run, store, whole=query.get("whole") == "true", now_ms=now))

    async def queue(self, request: Request) -> Response:
        """`?key=`."""
        key, now = request.query_params.get("key", ""), self._services.clock.now_ms()
        return self._response({"deliveries": listing.queue(self._services.store, tenant_of(request).name, key, now)})

    def _response(self, value: Mapping[str, Any]) -> Response:
        """The value, with the server's time."""
        return json_response({"now": self._services.clock.now_ms(), **value})


class _Assets(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update({**SHARED_HEADERS, "Cache-Control": "no-cache"})
        if isinstance(response, FileResponse) and str(response.path).endswith(".mjs"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response


class PageDocument:
    """`index.html` with its configuration, and its headers."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath("assets/index.html").read_text(encoding="utf-8")
        self._head, self._tail = text.split("{{config}}")
        (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": "; ".join(
                (
                    "default-src 'none'",
                    f"script-src 'self' 'sha256-{digest}'",
                    "style-src 'self'",
                    "img-src 'self'",
                    "connect-src 'self'",
                    "base-uri 'none'",
                    "form-action 'none'",
                    "frame-ancestors 'none'",
                    # Text never becomes markup, not even by a programming error.
                    "require-trusted-types-for 'script'",
                    "trusted-types 'none'",
                )
            ),
            "Cache-Control": "no-store",
            "X-Frame-Options": "DENY",
            **SHARED_HEADERS,
        }

    def html(self, *, url: str, tenant: Tenant, demo_url: str | None, server_id: str) -> str:
        config = {
            "token": tenant.token,
            "url": url,
            "exports": exports(url, tenant),
            "sdkSwitch": sdk_switch(url),
            "demoUrl": demo_url,
            "serverId": server_id,
        }
        return self._head + _json_in_html(config) + self._tail


SHARED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _json_in_html(value: Any) -> str:
    """JSON that cannot end the `<script>` element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


GAP_S = 0.25
"""The minimum between two events; changes within it are one event."""

HEARTBEAT_S = 15.0
"""The maximum between two events, so that both ends notice when the other is gone."""


class Stream:
    """The stream of each open page, until `close`."""

    def __init__(self, services: Services, tenant: str) -> None:
        self._services = services
        self._tenant = tenant
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream, so that a stopping server does not wait for them."""
        self._closing.set()
        self._services.changes.notify()

    def response(self) -> StreamingResponse:
        return StreamingResponse(self._events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _events(self) -> AsyncIterator[str]:
        changes = self._services.changes
        yield "retry: 1000\n\n"
        while not self._closing.is_set():
            seen = changes.count
            yield f"data: {compact.dumps(self._overview(seen))}\n\n"
            await _at_most(self._closing.wait(), GAP_S)
            await _at_most(changes.wait_beyond(seen), HEARTBEAT_S)

    def _overview(self, change: int) -> dict[str, object]:
        """The numbers of the header, which SQLite counts from an index."""
        connection = self._services.store.connection
        in_progress = connection.execute(
            "SELECT COUNT(*) FROM runs INDEXED BY run_in_progress WHERE tenant = ? AND state = 'RUN_STARTED'",
            (self._tenant,),
        ).fetchone()[0]
        letters = connection.execute("SELECT COUNT(*) FROM dlq WHERE tenant = ?", (self._tenant,)).fetchone()[0]
        return {
            "change": change,
            "now": self._services.clock.now_ms(),
            "serverId": self._services.store.server_id,
            "inProgress": in_progress,
            "deadLetters": letters,
        }


async def _at_most(waited: object, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waited  # type: ignore[misc]
    except TimeoutError:
        pass
