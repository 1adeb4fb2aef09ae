"""Request handlers of the dead-letter queue, and the JSON of an entry.

Source: Upstash Workflow REST reference, "DLQ", schema `WorkflowDLQMessage`. The SDKs' types (and older documentation)
have `failureCallbackInfo`, the reference has `failureFunctionState`; an entry has both. Header and body are those of
the run's first request. The JavaScript SDK lists with `GET /v2/dlq?source=workflow` and uses the bulk paths for single
entries too (observed).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api.run_view import Redaction, labels
from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import headers_of, json_response
from wfdeploy.localserver.openapi import params
from wfdeploy.localserver.openapi.operations import (
    ApiAnswer,
    Area,
    Handler,
    Operation,
    Param,
    listed,
    ref,
    shape,
    text,
    whole,
)
from wfdeploy.localserver.openapi.schemas import CALLBACK_STATES
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs.dlq_retry import DlqRetry
from wfdeploy.localserver.store.dead_letters import DlqEntry, DlqStore, dlq_filter
from wfdeploy.localserver.store.filters import integer, multi, read_cursor, write_cursor
from wfdeploy.localserver.store.records import DEFAULT_RETRIES

PAGE = 100
RESTARTS = 50
RESUMES = 1000
"""The API documents no limit for resuming. This server's limit is per request; the cursor has the rest."""

Retry = Callable[[DlqRetry, DlqEntry], dict[str, Any]]
"""`DlqRetry.resume` or `DlqRetry.restart`."""

_NOT_FOUND = "DLQ message not found"


class DlqApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._letters = DlqStore(services.store)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def listed(self, request: Request) -> Response:
        """`GET /v2/workflows/dlq`."""
        found, cursor = self._page(request, default=PAGE, most=PAGE)
        return json_response({"cursor": cursor, "messages": [render(entry) for entry in found]})

    async def list_for_sdks(self, request: Request) -> Response:
        """`GET /v2/dlq?source=workflow`. Any other source means messages outside a run; this server keeps none."""
        answer = await self.listed(request)
        if request.query_params.get("source") != "workflow":
            return json_response({"cursor": "", "messages": []})
        return answer

    async def get(self, request: Request) -> Response:
        return json_response(render(self._one(request)))

    # -- removing, resuming, restarting -------------------------------------------------------------------------------

    async def delete(self, request: Request) -> Response:
        with self._services.store.transaction():
            self._letters.remove([self._one(request)])
        self._services.changes.notify()
        return Response(status_code=200)

    async def delete_many(self, request: Request) -> Response:
        with self._services.store.transaction():
            found, cursor = self._page(request, default=PAGE, most=1000)
            self._letters.remove(found)
        self._services.changes.notify()
        return json_response({"deleted": len(found), "cursor": cursor})

    async def resume(self, request: Request) -> Response:
        return self._retry_one(request, DlqRetry.resume)

    async def restart(self, request: Request) -> Response:
        return self._retry_one(request, DlqRetry.restart)

    async def resume_many(self, request: Request) -> Response:
        return self._retry_many(request, DlqRetry.resume, most=RESUMES)

    async def restart_many(self, request: Request) -> Response:
        return self._retry_many(request, DlqRetry.restart, most=RESTARTS)

    def _retry_one(self, request: Request, retry: Retry) -> Response:
        runs, _ = self._retry(request, retry, lambda: ([self._one(request)], ""))
        return json_response(runs[0])

    def _retry_many(self, request: Request, retry: Retry, *, most: int) -> Response:
        def find() -> tuple[list[DlqEntry], str]:
            found, cursor = self._page(request, default=most, most=most)
            missing = set(multi(request.query_params, "dlqIds")) - {entry.dlq_id for entry in found}
            if missing and not cursor and not request.query_params.get("cursor"):
                raise Refused(f"{_NOT_FOUND}: {min(missing)}", status=404)
            return found, cursor

        runs, cursor = self._retry(request, retry, find)
        return json_response({"workflowRuns": runs, "cursor": cursor})

    def _retry(
        self, request: Request, retry: Retry, find: Callable[[], tuple[list[DlqEntry], str]]
    ) -> tuple[list[dict[str, Any]], str]:
        """Retry the entries that `find` returns, in one transaction; the new runs, and the cursor for the rest."""
        services = self._services
        retries = DlqRetry.of(services.store, services.clock, headers_of(request))
        with services.accepting():
            found, cursor = find()
            if found:
                services.flow_keys.note(tenant_of(request).name, retries.overrides.settings)
            runs = [retry(retries, entry) for entry in found]
            self._letters.remove(found)
        services.hand_over(retries.to_schedule)
        return runs, cursor

    # -- failure callbacks --------------------------------------------------------------------------------------------

    async def retry_callback(self, request: Request) -> Response:
        """`POST /v2/workflows/dlq/callback/{dlqId}`: send a failed failure callback again."""
        services = self._services
        with services.store.transaction():
            entry = self._one(request)
            message = services.store.failure_callback(entry.run.seq)
            if entry.callback_state != "CALLBACK_FAIL" or message is None:
                raise Refused("there is no failed failure callback to retry")
            due = services.store.repeat(
                message, message.run_seq, now_ms=services.clock.now_ms(), flow_key=message.flow_key
            )
            self._note_callback(entry, "CALLBACK_INPROGRESS")
        services.hand_over([due])
        return json_response({"workflowRunId": entry.run.run_id, "workflowCreatedAt": entry.run.created_at})

    async def cancel_callback(self, request: Request) -> Response:
        """`DELETE /v2/workflows/dlq/callback/{dlqId}`. Answers 200; the reference's 302 looks like a mistake."""
        services = self._services
        with services.store.transaction():
            entry = self._one(request)
            message = services.store.failure_callback(entry.run.seq)
            if entry.callback_state != "CALLBACK_INPROGRESS" or message is None:
                raise Refused("there is no failure callback in progress to cancel")
            services.store.settle(message.seq, "dropped", now_ms=services.clock.now_ms())
            self._note_callback(entry, "CALLBACK_CANCELED")
        services.changes.notify()
        return Response(status_code=200)

    def _note_callback(self, entry: DlqEntry, state: str) -> None:
        self._services.store.set_failure(entry.run.seq, {**(entry.run.failure or {}), "state": state})
        self._letters.set_callback_state(entry.run.seq, state)

    # -- finding ------------------------------------------------------------------------------------------------------

    def _one(self, request: Request) -> DlqEntry:
        entry = self._letters.find(tenant_of(request).name, request.path_params["dlqId"])
        if entry is None:
            raise Refused(_NOT_FOUND, status=404)
        return entry

    def _page(self, request: Request, *, default: int, most: int) -> tuple[list[DlqEntry], str]:
        """The entries that match a query, and the cursor of the next page; an empty one on the last page."""
        query = request.query_params
        count = integer(query, "count", least=1)
        count = min(default if count is None else count, most)
        where = dlq_filter(query, tenant_of(request).name)
        if cursor := query.get("cursor"):
            where.add("d.seq < ?", read_cursor(cursor)[0])
        found = self._letters.select(where, count + 1)  # one more shows whether there is a next page
        more = len(found) > count
        found = found[:count]
        return found, write_cursor(found[-1].seq) if more else ""


def render(entry: DlqEntry) -> dict[str, Any]:
    run, failure = entry.run, entry.run.failure or {}
    hidden = Redaction.of(run.settings.redact)
    headers = dict(run.settings.headers)
    if run.settings.content_type:
        headers["Content-Type"] = run.settings.content_type
    view: dict[str, Any] = {
        "dlqId": entry.dlq_id,
        "messageId": failure.get("messageId", ""),
        "workflowUrl": run.url,
        "workflowRunId": run.run_id,
        "workflowCreatedAt": run.created_at,
        "url": run.url,
        "method": (run.settings.method or "POST").upper(),
        "header": hidden.header_lists(headers),
        "maxRetries": DEFAULT_RETRIES if run.settings.retries is None else run.settings.retries,
        "notBefore": run.starts_at,
        "createdAt": run.created_at,
        "callerIP": run.caller_ip,
        "responseStatus": failure.get("failStatus", 0),
        "responseHeader": failure.get("failHeaders", {}),
        "responseBody": failure.get("failResponse", ""),
        "error": failure.get("error", ""),
    }
    view |= _body(run.payload, hidden)
    if run.settings.failure_url:
        view["failureCallback"] = run.settings.failure_url
    view |= labels(run)
    if run.flow_key is not None:
        view["flowControlKey"] = run.flow_key
    if entry.callback_state is not None:
        view["failureFunctionState"] = entry.callback_state
        view["failureCallbackInfo"] = {"state": entry.callback_state} | {
            name: failure[name] for name in ("responseStatus", "responseBody", "responseHeaders") if name in failure
        }
    return view


def _body(payload: bytes, hidden: Redaction) -> dict[str, str]:
    try:
        return {"body": hidden.text(payload.decode())}
    except UnicodeDecodeError:
        return {"bodyBase64": hidden.text(base64.b64encode(payload).decode())}


_NO_ENTRY = {404: "there is no such entry"}

_FIRST = {"dlqId": "$response.body#/messages/0/dlqId"}
_OF_ONE = ("Dlq.get", "Dlq.delete", "Dlq.resume", "Dlq.restart", "Dlq.retry_callback", "Dlq.cancel_callback")

_FILTERS = (
    params.many("workflowUrl", "runs of these endpoints"),
    params.RUN_ID,
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
    return Param("count", "query", f"the maximum number of entries, up to {most}", params.at_least(1))


def _bulk(most: int) -> tuple[Param, ...]:
    return (_IDS, *_FILTERS, _count(most))


_NEW_RUN = {
    "Resume": "It becomes a new run that keeps the finished steps and continues with the failed one.",
    "Restart": "It becomes a new run from the beginning.",
}


def _retry_operations(verb: str, one: Handler, many: Handler, most: int) -> tuple[Operation, Operation]:
    path = f"POST /v2/workflows/dlq/{verb.lower()}"
    return (
        Operation(
            path,
            many,
            f"{verb} failed runs",
            ApiAnswer(200, "the new runs", ref("Revived")),
            params=(*_bulk(most), *params.OVERRIDES),
            refusals={404: "one of the requested entries does not exist; nothing was done", 412: "a quota"},
        ),
        Operation(
            f"{path}/{{dlqId}}",
            one,
            f"{verb} a failed run",
            ApiAnswer(200, "the new run", ref("NewRun")),
            description=_NEW_RUN[verb],
            params=params.OVERRIDES,
            refusals={**_NO_ENTRY, 412: "a quota"},
        ),
    )


DEAD_LETTERS = Area(
    "Dead letters",
    DlqApi,
    (
        Operation(
            "GET /v2/dlq",
            DlqApi.list_for_sdks,
            "List failed runs, as the SDKs do",
            ApiAnswer(200, "a page of entries", _PAGE),
            params=(Param("source", "query", "`workflow`; of other sources nothing is kept"), *_bulk(100)),
        ),
        Operation(
            "GET /v2/workflows/dlq",
            DlqApi.listed,
            "List failed runs, those that failed last first",
            ApiAnswer(200, "a page of entries", _PAGE, dict.fromkeys(_OF_ONE, _FIRST)),
            params=_bulk(100),
        ),
        Operation(
            "DELETE /v2/workflows/dlq",
            DlqApi.delete_many,
            "Delete entries",
            ApiAnswer(
                200,
                "how many were deleted",
                shape({"deleted": whole(), "cursor": text()}, required=("deleted", "cursor")),
            ),
            params=_bulk(1000),
        ),
        *_retry_operations("Resume", DlqApi.resume, DlqApi.resume_many, RESUMES),
        *_retry_operations("Restart", DlqApi.restart, DlqApi.restart_many, RESTARTS),
        Operation(
            "GET /v2/workflows/dlq/{dlqId}",
            DlqApi.get,
            "Look at an entry",
            ApiAnswer(200, "the entry", ref("DeadLetter")),
            refusals=_NO_ENTRY,
        ),
        Operation(
            "DELETE /v2/workflows/dlq/{dlqId}",
            DlqApi.delete,
            "Delete an entry",
            ApiAnswer(200, "it is gone"),
            refusals=_NO_ENTRY,
        ),
        Operation(
            "POST /v2/workflows/dlq/callback/{dlqId}",
            DlqApi.retry_callback,
            "Send a failure callback again that failed",
            ApiAnswer(200, "the run that failed", ref("NewRun")),
            refusals=_NO_ENTRY,
        ),
        Operation(
            "DELETE /v2/workflows/dlq/callback/{dlqId}",
            DlqApi.cancel_callback,
            "Cancel a failure callback in progress",
            ApiAnswer(200, "it is cancelled"),
            refusals=_NO_ENTRY,
        ),
    ),
    is_metered=True,
)
