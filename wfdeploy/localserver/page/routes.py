"""The paths of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.page import listing, one_run
from wfdeploy.localserver.page.document import SHARED_HEADERS, Document
from wfdeploy.localserver.page.stream import Stream
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.tenants import DEFAULT_TENANT
from wfdeploy.localserver.views.filters import integer

_ASSETS = "/-/assets"


def needs_no_token(path: str) -> bool:
    """The page itself, from which a browser has the token, and its files."""
    return path == "/" or path.startswith(_ASSETS + "/")


class Page:
    """The page of one server, for its default user. `demo_url`: where the demo workflow is, if it is served."""

    def __init__(self, services: Services, demo_url: str | None = None) -> None:
        self._services = services
        self._demo_url = demo_url
        self._document = Document()
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
        """Let go of the pages that are open."""
        self._stream.close()

    async def document(self, request: Request) -> Response:
        html = self._document.html(
            url=str(request.base_url).rstrip("/"),
            tenant=self._services.keyring.tenant(DEFAULT_TENANT.name),
            demo_url=self._demo_url,
            server_id=self._services.ledger.server_id,
        )
        return HTMLResponse(html, headers=self._document.headers)

    async def events(self, _request: Request) -> Response:
        return self._stream.response()

    async def runs(self, request: Request) -> Response:
        return self._told(listing.runs(self._services.ledger, request.query_params, tenant_of(request).name))

    async def dead_letters(self, request: Request) -> Response:
        return self._told(listing.dead_letters(self._services.ledger, request.query_params, tenant_of(request).name))

    async def run(self, request: Request) -> Response:
        """`?id=&createdAt=&whole=true`."""
        ledger, query = self._services.ledger, request.query_params
        run = one_run.find(ledger, tenant_of(request).name, query.get("id", ""), integer(query, "createdAt"))
        if run is None:
            raise Refused("workflow run not found", status=404)
        now = self._services.clock.now_ms()
        return self._told(one_run.render(run, ledger, whole=query.get("whole") == "true", now_ms=now))

    async def queue(self, request: Request) -> Response:
        """`?key=`."""
        key, now = request.query_params.get("key", ""), self._services.clock.now_ms()
        return self._told({"deliveries": listing.queue(self._services.ledger, tenant_of(request).name, key, now)})

    def _told(self, value: Mapping[str, Any]) -> Response:
        """With the server's time, by which the page counts."""
        return json_response({"now": self._services.clock.now_ms(), **value})


class _Assets(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update({**SHARED_HEADERS, "Cache-Control": "no-cache"})
        if isinstance(response, FileResponse) and str(response.path).endswith(".mjs"):
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        return response
