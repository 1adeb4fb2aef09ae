"""The table as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import wfdeploy
from wfdeploy.localserver.openapi.operations import Answer, Area, Operation, ref
from wfdeploy.localserver.openapi.schemas import SCHEMAS

_EVERYWHERE = {
    400: "the request is not what it should be",
    403: "a read-only token, or a page of some web site: this server answers to programs on its own machine",
}
_METERED = {429: "too many requests in this second"}
_TOKEN = {401: "no token, or not one of this server's"}


def document(areas: Iterable[Area]) -> dict[str, Any]:
    """The whole document, ready to be written as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for area in areas:
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
    answers = [operation.answer, *(Answer(status, why, ref("Error")) for status, why in sorted(refusals.items()))]
    if operation.method == "HEAD":
        answers = [Answer(answer.status, answer.description) for answer in answers]  # they have no bodies
    told: dict[str, Any] = {
        "tags": [area.tag],
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {str(answer.status): answer.document() for answer in answers},
    }
    if operation.description:
        told["description"] = operation.description
    if operation.params:
        told["parameters"] = [param.document() for param in operation.params]
    if operation.body is not None:
        told["requestBody"] = operation.body.document()
    if operation.is_open:
        told["security"] = []
    return told
