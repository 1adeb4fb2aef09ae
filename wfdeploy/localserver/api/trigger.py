"""The paths that accept work: triggers of the REST API, and the batch and publish paths that the SDKs use.

Sources: Upstash Workflow REST reference, "Trigger Workflow Run" and "Batch Trigger Workflow Runs"; what the SDKs send
to `/v2/batch` and `/v2/publish` was observed with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver import compact
from wfdeploy.localserver.api.intake import DuplicateRun, Intake, Item
from wfdeploy.localserver.api.services import Services, read_body
from wfdeploy.localserver.problems import Refused


class TriggerApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def trigger(self, request: Request) -> Response:
        """`POST /v2/trigger/{workflowUrl}`: one run, options in headers, the payload as the body."""
        return self._single(
            request, await read_body(request), "/v2/trigger/", lambda door, item: door.trigger(item, rest=True)
        )

    async def publish(self, request: Request) -> Response:
        """`POST /v2/publish/{url}`: a plain message, or what an SDK sends for a run."""
        return self._single(request, await read_body(request), "/v2/publish/", Intake.publish)

    async def batch_trigger(self, request: Request) -> Response:
        """`POST /v2/batch/trigger`: up to a hundred megabytes of runs, accepted in one transaction."""
        return self._many(request, await read_body(request), 201, lambda door, item: door.trigger(item, rest=True))

    async def batch(self, request: Request) -> Response:
        """`POST /v2/batch`: how the SDKs start runs and submit steps."""
        return self._many(request, await read_body(request), 200, Intake.publish, any_body=True)

    def _single(
        self, request: Request, body: bytes, prefix: str, accept: Callable[[Intake, Item], dict[str, Any]]
    ) -> Response:
        item = Item(destination_of(request, prefix), headers_of(request), body)
        door = self._services.intake(request)
        with self._services.accepting():
            answer = accept(door, item)
        self._accepted(door)
        return json_response(answer)

    def _many(
        self,
        request: Request,
        body: bytes,
        status: int,
        accept: Callable[[Intake, Item], dict[str, Any]],
        *,
        any_body: bool = False,
    ) -> Response:
        items = [Item.of(raw, any_body=any_body) for raw in _array(body)]
        door = self._services.intake(request)
        answers: list[dict[str, Any]] = []
        refusals: list[Refused] = []
        with self._services.accepting():
            for item in items:
                try:
                    answers.append(accept(door, item))
                except DuplicateRun:
                    raise  # the whole request is refused
                except Refused as refusal:
                    if self._services.scenario.refusals == "request":
                        raise
                    refusals.append(refusal)
                    answers.append({"error": refusal.message})
            if refusals and len(refusals) == len(items):
                # The SDKs never look into single answers: a refusal of everything must be a status of its own.
                raise refusals[0]
        self._accepted(door)
        return json_response(answers, status)

    def _accepted(self, door: Intake) -> None:
        self._services.engine.schedule(door.to_schedule)
        self._services.changes.tell()


def json_response(value: object, status: int = 200) -> Response:
    return Response(compact.dumps(value), status, media_type="application/json")


def destination_of(request: Request, prefix: str) -> str:
    """The URL behind the prefix, as the SDKs send it (unencoded) or percent-encoded as generated clients do.

    The query string of the request is the destination's, without the token that may be in it.
    """
    raw = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    url = str(raw[len(prefix) :])
    if not url.lower().startswith(("http://", "https://")):
        url = unquote(url)
    kept = [part for part in request.url.query.split("&") if part and not part.startswith("qstash_token=")]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(kept)}" if kept else url


def headers_of(request: Request) -> dict[str, str]:
    """Repeated headers are joined, as HTTP has it."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _array(body: bytes) -> list[Any]:
    try:
        items = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("the body is not valid JSON") from None
    if not isinstance(items, list):
        raise Refused("the body must be a JSON array")
    return items
