"""The table: starting runs, ending them, looking at them."""

from __future__ import annotations

from wfdeploy.localserver.api.runs import LogsApi, RunsApi
from wfdeploy.localserver.api.trigger import TriggerApi
from wfdeploy.localserver.openapi import params
from wfdeploy.localserver.openapi.operations import (
    Answer,
    Area,
    Body,
    Operation,
    Param,
    flag,
    listed,
    ref,
    shape,
    text,
    whole,
)
from wfdeploy.localserver.openapi.schemas import RUN_STATES, STEP_STATES

_DESTINATION = Param("url", "path", "where the message goes, percent-encoded or as it is", text(format="uri"))
_PAYLOAD = Body(
    "delivered as it is",
    {"application/json": {}, "text/plain": text(), "application/octet-stream": {"type": "string", "format": "binary"}},
    required=False,
)
_RUN_ID = Param("workflowRunId", "path", "the run's id", text(minLength=1))

_STARTED_ID = {"workflowRunId": "$response.body#/workflowRunId"}
_RUN_STARTED = {
    **dict.fromkeys(("Runs.steps", "Runs.end", "Events.notify_run", "Logs.logs"), _STARTED_ID),
    "Events.wait": {"Upstash-Workflow-RunId": "$response.body#/workflowRunId"},
}

_QUOTAS = {
    412: "it would exceed a quota",
    413: "the body is too large",
    429: "so many messages were accepted today, or are being read in this second, that the plan grants no more",
}


def _batch(body: object) -> Body:
    item = {
        "type": "object",
        "required": ["destination"],
        "properties": {
            "destination": text("where to"),
            "headers": {
                "type": ["object", "null"],
                "description": "as the headers of a single request",
                "additionalProperties": {"type": "string"},
            },
            "body": body,
            "queue": {"description": "ignored: this server has no queues"},
        },
    }
    return Body("one element for each message", {"application/json": listed(item)})


TRIGGERS = Area(
    "Start runs",
    TriggerApi,
    (
        Operation(
            method="POST",
            path="/v2/batch/trigger",
            handler=TriggerApi.batch_trigger,
            summary="Start several runs",
            description="Accepted in one transaction. A refused element has its reason in its place; when all are"
            " refused, the first one's status is the whole request's.",
            body=_batch({"type": ["string", "null"], "description": "the payload, delivered as it is"}),
            answer=Answer(201, "one element for each run", listed({"anyOf": [ref("Triggered"), ref("Error")]})),
            refusals=_QUOTAS,
        ),
        Operation(
            method="POST",
            path="/v2/batch",
            handler=TriggerApi.batch,
            summary="Start runs or submit steps, as the SDKs do",
            description="What an element is, its `Upstash-Workflow-*` headers say; without them it is a plain message.",
            body=_batch({"description": "text, or any JSON"}),
            answer=Answer(200, "one element for each message", listed({"anyOf": [ref("Published"), ref("Error")]})),
            refusals=_QUOTAS,
        ),
        Operation(
            method="POST",
            path="/v2/trigger/{url:path}",
            handler=TriggerApi.trigger,
            summary="Start a run",
            description="Headers `Upstash-Forward-*` are delivered with every step, those of"
            " `Upstash-Failure-Callback-Forward-*` with the failure callback, both without the prefix. A query string"
            " is the destination's.",
            params=(_DESTINATION, *params.TRIGGER_HEADERS),
            body=_PAYLOAD,
            answer=Answer(200, "the run", ref("Triggered"), _RUN_STARTED),
            refusals=_QUOTAS,
        ),
        Operation(
            method="POST",
            path="/v2/publish/{url:path}",
            handler=TriggerApi.publish,
            summary="Publish a message, or what an SDK submits for a run",
            description="A message without `Upstash-Workflow-*` headers is delivered once, outside any run.",
            params=(_DESTINATION, *params.DELIVERY_HEADERS),
            body=_PAYLOAD,
            answer=Answer(200, "the message", ref("Published")),
            refusals=_QUOTAS,
        ),
    ),
)

RUNS = Area(
    "Runs",
    RunsApi,
    (
        Operation(
            method="DELETE",
            path="/v2/workflows/runs",
            handler=RunsApi.cancel_many,
            summary="Cancel runs in progress",
            description="What is not in progress does not count. Without any filter all runs are meant, up to `count`.",
            params=(
                params.many("workflowRunIds", "these runs; the other filters are ignored then"),
                params.many("workflowUrl", "endpoints that begin with this"),
                Param("workflowUrlExactMatch", "query", "endpoints that are this", flag()),
                *params.COMMON_FILTERS,
                *params.ENDPOINT_FILTERS,
                Param("count", "query", "at most so many", params.at_least(0, default=100)),
            ),
            answer=Answer(200, "how many were cancelled", shape({"cancelled": whole()}, required=("cancelled",))),
        ),
        Operation(
            method="GET",
            path="/v2/workflows/runs/{workflowRunId}",
            handler=RunsApi.steps,
            summary="What the endpoint of a run in progress gets to see of it",
            description="For an SDK whose endpoint was sent an empty body.",
            params=(_RUN_ID,),
            answer=Answer(200, "the payload, and the entries recorded since", listed(ref("Entry"))),
            refusals={404: "no run of this id is in progress"},
            reads_only=True,
        ),
        Operation(
            method="DELETE",
            path="/v2/workflows/runs/{workflowRunId}",
            handler=RunsApi.end,
            summary="Cancel a run, or say that its workflow has finished",
            params=(_RUN_ID, Param("cancel", "query", "`false`: finished, with the body as its result")),
            body=Body("what the workflow returned, JSON as text", {"application/json": {}}, required=False),
            answer=Answer(200, "the run has ended, now or before"),
            refusals={404: "there never was a run of this id", 413: "the body is too large"},
        ),
    ),
)

_LOGS = (
    params.run_ids("workflowRunId"),
    Param("workflowUrl", "query", "this endpoint", text(pattern=params.URL_PATTERN)),
    params.CREATED_AT,
    Param(
        "workflowRuns",
        "query",
        "exactly these runs, `ID@CREATEDAT,...`; the other filters are ignored then",
        text(pattern=params.RUN_PAIRS_PATTERN),
    ),
    Param(
        "state",
        "query",
        "runs in these states, or that have steps in these",
        listed(text(enum=[*RUN_STATES, *STEP_STATES])),
    ),
    *params.COMMON_FILTERS,
    *params.ENDPOINT_FILTERS,
    Param("messageId", "query", "the run that this message belongs to"),
    Param("trimBody", "query", "bodies are cut to so many bytes; -1 leaves them out", params.at_least(-1)),
    Param("count", "query", "runs per page (10 by default and at most), or events (1000)", params.at_least(1)),
)
_RUN_PAGE = shape(
    {"runs": listed(ref("Run")), "cursor": text("for the next page; absent on the last one")}, required=("runs",)
)
_EVENT_PAGE = shape(
    {"events": listed(ref("Event")), "cursor": text("for the next page; absent on the last one")}, required=("events",)
)

LOGS = Area(
    "Logs",
    LogsApi,
    (
        Operation(
            method="GET",
            path="/v2/workflows/logs",
            handler=LogsApi.logs,
            summary="List runs, newest first",
            params=(
                *_LOGS,
                params.CURSOR,
                Param("pageSize", "query", "runs per page, up to 1000; only this server knows it", params.at_least(1)),
                Param("groupBy", "query", "runs are all there is to group by", text(enum=["workflowRunId"])),
            ),
            answer=Answer(200, "a page of runs", _RUN_PAGE),
            reads_only=True,
        ),
        Operation(
            method="GET",
            path="/v2/workflows/events",
            handler=LogsApi.events,
            summary="List what happened, newest first, or the runs it happened to",
            params=(
                *_LOGS,
                Param("groupBy", "query", "with it, runs are listed instead of events", text(enum=["workflowRunId"])),
            ),
            answer=Answer(200, "a page of events, or of runs", {"anyOf": [_EVENT_PAGE, _RUN_PAGE]}),
            reads_only=True,
        ),
    ),
    is_metered=True,
)
