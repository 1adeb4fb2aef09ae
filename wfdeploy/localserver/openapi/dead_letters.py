"""The table: failed runs."""

from __future__ import annotations

from wfdeploy.localserver.api.dlq import DlqApi
from wfdeploy.localserver.openapi import params
from wfdeploy.localserver.openapi.operations import Answer, Area, Operation, Param, listed, ref, shape, text, whole
from wfdeploy.localserver.openapi.schemas import CALLBACK_STATES

_ID = Param("dlqId", "path", "the entry's id", text(minLength=1))
_NOT_FOUND = {404: "there is no such entry"}

_FIRST = {"dlqId": "$response.body#/messages/0/dlqId"}
_OF_ONE = ("Dlq.get", "Dlq.delete", "Dlq.resume", "Dlq.restart", "Dlq.retry_callback", "Dlq.cancel_callback")

_FILTERS = (
    params.many("workflowUrl", "runs of these endpoints"),
    params.run_ids("workflowRunId"),
    params.CREATED_AT,
    *params.COMMON_FILTERS,
    Param(
        "failureFunctionState",
        "query",
        "runs whose failure callback is in one of these states",
        listed(text(enum=list(CALLBACK_STATES))),
    ),
    Param("responseStatus", "query", "runs whose endpoint answered so", whole(minimum=0, maximum=999)),
    params.CURSOR,
)
_IDS = params.many("dlqIds", "these entries; the other filters are ignored then")
_PAGE = shape(
    {"messages": listed(ref("DeadLetter")), "cursor": text("for the next page; empty on the last one")},
    required=("messages", "cursor"),
)


def _count(most: int) -> Param:
    return Param("count", "query", f"at most so many; never more than {most}", params.at_least(1))


def _bulk(most: int) -> tuple[Param, ...]:
    return (_IDS, *_FILTERS, _count(most))


DEAD_LETTERS = Area(
    "Dead letters",
    DlqApi,
    (
        Operation(
            method="GET",
            path="/v2/dlq",
            handler=DlqApi.list_for_sdks,
            summary="List failed runs, as the SDKs do",
            params=(Param("source", "query", "`workflow`; of other sources nothing is kept"), *_bulk(100)),
            answer=Answer(200, "a page of entries", _PAGE),
            reads_only=True,
        ),
        Operation(
            method="GET",
            path="/v2/workflows/dlq",
            handler=DlqApi.listed,
            summary="List failed runs, those that failed last first",
            params=_bulk(100),
            answer=Answer(200, "a page of entries", _PAGE, dict.fromkeys(_OF_ONE, _FIRST)),
            reads_only=True,
        ),
        Operation(
            method="DELETE",
            path="/v2/workflows/dlq",
            handler=DlqApi.delete_many,
            summary="Delete entries",
            params=_bulk(1000),
            answer=Answer(
                200,
                "how many were deleted",
                shape({"deleted": whole(), "cursor": text()}, required=("deleted", "cursor")),
            ),
        ),
        Operation(
            method="POST",
            path="/v2/workflows/dlq/resume",
            handler=DlqApi.resume_many,
            summary="Resume failed runs",
            description="Each as a new run that has the finished steps and goes on with the one that failed.",
            params=(*_bulk(1000), *params.OVERRIDES),
            answer=Answer(200, "the new runs", ref("Revived")),
            refusals={404: "one of the entries asked for does not exist; nothing was done", 412: "a quota"},
        ),
        Operation(
            method="POST",
            path="/v2/workflows/dlq/restart",
            handler=DlqApi.restart_many,
            summary="Restart failed runs",
            description="Each as a new run from the beginning.",
            params=(*_bulk(50), *params.OVERRIDES),
            answer=Answer(200, "the new runs", ref("Revived")),
            refusals={404: "one of the entries asked for does not exist; nothing was done", 412: "a quota"},
        ),
        Operation(
            method="GET",
            path="/v2/workflows/dlq/{dlqId}",
            handler=DlqApi.get,
            summary="Look at an entry",
            params=(_ID,),
            answer=Answer(200, "the entry", ref("DeadLetter")),
            refusals=_NOT_FOUND,
            reads_only=True,
        ),
        Operation(
            method="DELETE",
            path="/v2/workflows/dlq/{dlqId}",
            handler=DlqApi.delete,
            summary="Delete an entry",
            params=(_ID,),
            answer=Answer(200, "it is gone"),
            refusals=_NOT_FOUND,
        ),
        Operation(
            method="POST",
            path="/v2/workflows/dlq/resume/{dlqId}",
            handler=DlqApi.resume,
            summary="Resume a failed run",
            params=(_ID, *params.OVERRIDES),
            answer=Answer(200, "the new run", ref("NewRun")),
            refusals={**_NOT_FOUND, 412: "a quota"},
        ),
        Operation(
            method="POST",
            path="/v2/workflows/dlq/restart/{dlqId}",
            handler=DlqApi.restart,
            summary="Restart a failed run",
            params=(_ID, *params.OVERRIDES),
            answer=Answer(200, "the new run", ref("NewRun")),
            refusals={**_NOT_FOUND, 412: "a quota"},
        ),
        Operation(
            method="POST",
            path="/v2/workflows/dlq/callback/{dlqId}",
            handler=DlqApi.retry_callback,
            summary="Send a failure callback again that failed",
            params=(_ID,),
            answer=Answer(200, "the run that failed", ref("NewRun")),
            refusals=_NOT_FOUND,
        ),
        Operation(
            method="DELETE",
            path="/v2/workflows/dlq/callback/{dlqId}",
            handler=DlqApi.cancel_callback,
            summary="Cancel a failure callback that is under way",
            params=(_ID,),
            answer=Answer(200, "it is cancelled"),
            refusals=_NOT_FOUND,
        ),
    ),
    is_metered=True,
)
