"""The table of all operations, as routes and as an OpenAPI 3.1 document.

The first matching path decides, whatever the method. So a special case comes first: `/v2/workflows/dlq/resume` before
`/v2/workflows/dlq/{dlqId}`. `AccessGate` leaves paths encoded, since an encoded slash is part of a name; the parameters
are decoded here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import wfdeploy
from wfdeploy.localserver import compact
from wfdeploy.localserver.api.dlq import DEAD_LETTERS
from wfdeploy.localserver.api.events import EVENTS, HOOKS
from wfdeploy.localserver.api.flow import FLOW, KEYS
from wfdeploy.localserver.api.runs import LOGS, RUNS
from wfdeploy.localserver.api.services import Services, has_read_only_token, tenant_of
from wfdeploy.localserver.api.trigger import TRIGGERS, json_response
from wfdeploy.localserver.openapi.operations import ApiAnswer, Area, Operation, ref
from wfdeploy.localserver.openapi.schemas import SCHEMAS
from wfdeploy.localserver.problems import Refused

DOCUMENT_PATH = "/openapi.json"


class DocumentApi:
    def __init__(self, _services: Services) -> None:
        pass

    async def openapi(self, _request: Request) -> Response:
        """`GET /openapi.json`: open, for tools that read it before they have a token."""
        return Response(_document(), media_type="application/json")


_ABOUT = Area(
    "About",
    DocumentApi,
    (
        Operation(
            f"GET {DOCUMENT_PATH}",
            DocumentApi.openapi,
            "This document",
            ApiAnswer(200, "OpenAPI 3.1", {"type": "object"}),
            is_open=True,
        ),
    ),
)

AREAS: tuple[Area, ...] = (TRIGGERS, RUNS, LOGS, EVENTS, DEAD_LETTERS, FLOW, KEYS, _ABOUT)


_EVERYWHERE = {
    400: "the request is invalid",
    403: "a read-only token, or a request from a web site: this server only answers programs on its own machine",
}
_METERED = {429: "too many requests in this second"}
_TOKEN = {401: "the token is missing or invalid"}


@functools.cache
def _document() -> str:
    return compact.dumps(document())


def document() -> dict[str, Any]:
    """The whole document as JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for area in AREAS:
        for operation in area.operations:
            paths.setdefault(operation.public_path, {})[operation.method.lower()] = _operation(area, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wfdeploy dev",
            "version": wfdeploy.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A development server that speaks the Upstash Workflow REST API. Not for production.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"tokenInQuery": []}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "tokenInQuery": {"type": "apiKey", "in": "query", "name": "qstash_token"},
            },
        },
    }


def _operation(area: Area, operation: Operation) -> dict[str, Any]:
    metered = _METERED if area.is_metered else {}
    refusals = _EVERYWHERE | ({} if operation.is_open else _TOKEN) | metered | dict(operation.refusals)
    answers = [operation.answer, *(ApiAnswer(status, why, ref("Error")) for status, why in sorted(refusals.items()))]
    if operation.method == "HEAD":
        answers = [ApiAnswer(answer.status, answer.description) for answer in answers]  # they have no bodies
    described: dict[str, Any] = {
        "tags": [area.tag],
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {str(answer.status): answer.document() for answer in answers},
    }
    if operation.description:
        described["description"] = operation.description
    if operation.all_params:
        described["parameters"] = [param.document() for param in operation.all_params]
    if operation.body is not None:
        described["requestBody"] = operation.body.document()
    if operation.is_open:
        described["security"] = []
    return described


def is_open(path: str) -> bool:
    """Whether a path needs no token: the OpenAPI document, and webhooks, whose address is the secret."""
    return path == DOCUMENT_PATH or path.startswith(HOOKS)


def routes(services: Services) -> list[Route]:
    by_path: dict[str, dict[str, _Bound]] = {}
    for area in AREAS:
        api = area.api(services)
        for operation in area.operations:
            answer = functools.partial(operation.handler, api)
            by_path.setdefault(operation.path, {})[operation.method] = _Bound(operation, area.is_metered, answer)
    return [_route(path, methods, services) for path, methods in by_path.items()]


class _Bound:
    """An operation, bound to the object that handles it."""

    def __init__(
        self, operation: Operation, is_metered: bool, answer: Callable[[Request], Awaitable[Response]]
    ) -> None:
        self.reads_only = operation.reads_only or operation.is_open
        self.is_metered = is_metered
        self.answer = answer


def _route(path: str, methods: Mapping[str, _Bound], services: Services) -> Route:
    route = Route(path, _by_method(methods, services))
    route.methods = None  # any: the first matching path refuses unknown methods, later paths are not tried
    return route


def _by_method(methods: Mapping[str, _Bound], services: Services) -> Callable[[Request], Awaitable[Response]]:
    allowed = ", ".join(methods)

    async def endpoint(request: Request) -> Response:
        bound = methods.get(request.method)
        if bound is None:
            refusal = json_response({"error": "method not allowed"}, 405)
            refusal.headers["Allow"] = allowed
            return refusal
        if has_read_only_token(request) and not bound.reads_only:
            raise Refused("this token is read-only", status=403)
        found = {name: unquote(value) for name, value in request.path_params.items()}
        if not all(found.values()):
            raise Refused("not found", status=404)
        request.scope["path_params"] = found
        per_second = services.faults.requests_per_second
        if per_second is None or not bound.is_metered:
            return await bound.answer(request)
        left = services.quotas.take_request(per_second, tenant_of(request).name, services.clock.now_ms())
        answer = await bound.answer(request)
        answer.headers.update(left)
        return answer

    return endpoint
