"""Request handlers that accept work: triggers of the REST API, and the batch and publish paths of the SDKs.

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
from wfdeploy.localserver.api.ingest import DuplicateRun, Ingest, Submission
from wfdeploy.localserver.api.services import Services, read_body
from wfdeploy.localserver.openapi import params
from wfdeploy.localserver.openapi.operations import (
    ApiAnswer,
    Area,
    Operation,
    RequestBody,
    listed,
    ref,
    text,
)
from wfdeploy.localserver.problems import Refused


class TriggerApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def trigger(self, request: Request) -> Response:
        """`POST /v2/trigger/{workflowUrl}`: one run, options in headers, the payload as the body."""
        return self._single(
            request, await read_body(request), "/v2/trigger/", lambda ingest, item: ingest.trigger(item, rest=True)
        )

    async def publish(self, request: Request) -> Response:
        """`POST /v2/publish/{url}`: a plain message, or an SDK's submission for a run."""
        return self._single(request, await read_body(request), "/v2/publish/", Ingest.publish)

    async def batch_trigger(self, request: Request) -> Response:
        """`POST /v2/batch/trigger`: up to a hundred megabytes of runs, accepted in one transaction."""
        return self._many(request, await read_body(request), 201, lambda ingest, item: ingest.trigger(item, rest=True))

    async def batch(self, request: Request) -> Response:
        """`POST /v2/batch`: how the SDKs start runs and submit steps."""
        return self._many(request, await read_body(request), 200, Ingest.publish, any_body=True)

    def _single(
        self, request: Request, body: bytes, prefix: str, accept: Callable[[Ingest, Submission], dict[str, Any]]
    ) -> Response:
        item = Submission(destination_of(request, prefix), headers_of(request), body)
        ingest = Ingest.of(self._services, request)
        with self._services.accepting():
            answer = accept(ingest, item)
        self._services.hand_over(ingest.to_schedule)
        return json_response(answer)

    def _many(
        self,
        request: Request,
        body: bytes,
        status: int,
        accept: Callable[[Ingest, Submission], dict[str, Any]],
        *,
        any_body: bool = False,
    ) -> Response:
        items = [Submission.of(raw, any_body=any_body) for raw in _array(body)]
        ingest = Ingest.of(self._services, request)
        answers: list[dict[str, Any]] = []
        refusals: list[Refused] = []
        with self._services.accepting():
            for item in items:
                try:
                    answers.append(accept(ingest, item))
                except DuplicateRun:
                    raise  # the whole request is refused
                except Refused as refusal:
                    if self._services.faults.refusals == "request":
                        raise
                    refusals.append(refusal)
                    answers.append({"error": refusal.message})
            if refusals and len(refusals) == len(items):
                # The SDKs never look into single answers, so if all are refused, the status has to say so.
                raise refusals[0]
        self._services.hand_over(ingest.to_schedule)
        return json_response(answers, status)


def json_response(value: object, status: int = 200) -> Response:
    return Response(compact.dumps(value), status, media_type="application/json")


def destination_of(request: Request, prefix: str) -> str:
    """The URL after the prefix: unencoded, as the SDKs send it, or percent-encoded, as generated clients do.

    The request's query string belongs to the destination, except for a token in it.
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


_PAYLOAD = RequestBody(
    "delivered unchanged",
    {"application/json": {}, "text/plain": text(), "application/octet-stream": {"type": "string", "format": "binary"}},
    required=False,
)

_STARTED_ID = {"workflowRunId": "$response.body#/workflowRunId"}
_RUN_STARTED = {
    **dict.fromkeys(("Runs.steps", "Runs.end", "Events.notify_run", "Logs.logs"), _STARTED_ID),
    "Events.wait": {"Upstash-Workflow-RunId": "$response.body#/workflowRunId"},
}

_QUOTAS = {
    412: "it would exceed a quota",
    413: "the body is too large",
    429: "the plan's limit of messages per day, or the limit of requests per second, is reached",
}


def _batch(body: object) -> RequestBody:
    item = {
        "type": "object",
        "required": ["destination"],
        "properties": {
            "destination": text("the URL to deliver to"),
            "headers": {
                "type": ["object", "null"],
                "description": "like the headers of a single request",
                "additionalProperties": {"type": "string"},
            },
            "body": body,
            "queue": {"type": "null", "description": "this server has no queues"},
        },
    }
    return RequestBody("one element per message", {"application/json": listed(item)})


TRIGGERS = Area(
    "Start runs",
    TriggerApi,
    (
        Operation(
            "POST /v2/batch/trigger",
            TriggerApi.batch_trigger,
            "Start several runs",
            ApiAnswer(201, "one element per run", listed({"anyOf": [ref("Triggered"), ref("Error")]})),
            description=(
                "Accepted in one transaction. A refused element is answered with its reason; if all are refused,"
                " the request has the status of the first one."
            ),
            body=_batch({"type": ["string", "null"], "description": "the payload, delivered unchanged"}),
            refusals=_QUOTAS,
        ),
        Operation(
            "POST /v2/batch",
            TriggerApi.batch,
            "Start runs or submit steps, as the SDKs do",
            ApiAnswer(200, "one element per message", listed({"anyOf": [ref("Published"), ref("Error")]})),
            description="An element's `Upstash-Workflow-*` headers say what it is; without them it is a plain message.",
            body=_batch({"description": "text, or any JSON"}),
            refusals=_QUOTAS,
        ),
        Operation(
            "POST /v2/trigger/{url:path}",
            TriggerApi.trigger,
            "Start a run",
            ApiAnswer(200, "the run", ref("Triggered"), _RUN_STARTED),
            description=(
                "Headers `Upstash-Forward-*` are delivered with every step, and `Upstash-Failure-Callback-Forward-*`"
                " with the failure callback, both without the prefix. A query string belongs to the destination."
            ),
            params=params.TRIGGER_HEADERS,
            body=_PAYLOAD,
            refusals=_QUOTAS,
        ),
        Operation(
            "POST /v2/publish/{url:path}",
            TriggerApi.publish,
            "Publish a message, or submit for a run as an SDK does",
            ApiAnswer(200, "the message", ref("Published")),
            description="A message without `Upstash-Workflow-*` headers is delivered once, outside any run.",
            params=params.DELIVERY_HEADERS,
            body=_PAYLOAD,
            refusals=_QUOTAS,
        ),
    ),
)
