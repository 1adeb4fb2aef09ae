"""Request handlers of single runs, of bulk cancel, and of the logs.

Sources: Upstash Workflow REST reference, "Cancel Workflow Run", "Bulk Cancel Workflow Runs", "List Workflow Run Logs";
the finish (`?cancel=false`) and the step list were observed with the SDKs. Everything is listed newest first
(inferred). The path `/v2/workflows/events` lists runs when grouped by run, the only form that the SDKs use; its list
of single events is inferred from the reference's `WorkflowEvent`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api import event_log, run_view
from wfdeploy.localserver.api.event_log import EventLog
from wfdeploy.localserver.api.services import Services, read_body, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.delivery import endpoint_requests
from wfdeploy.localserver.openapi import params
from wfdeploy.localserver.openapi.operations import (
    ApiAnswer,
    Area,
    Operation,
    Param,
    RequestBody,
    boolean,
    listed,
    ref,
    shape,
    text,
    whole,
)
from wfdeploy.localserver.openapi.schemas import RUN_STATES, STEP_STATES
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import waiting
from wfdeploy.localserver.store.filters import (
    Where,
    add_common,
    event_filter,
    flag,
    integer,
    log_filter,
    multi,
    read_cursor,
    read_event_cursor,
    write_cursor,
    write_event_cursor,
)
from wfdeploy.localserver.store.records import RunRecord, RunState

_NOT_FOUND = "workflow run not found"


class RunsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def steps(self, request: Request) -> Response:
        """`GET /v2/workflows/runs/{id}`: the whole step list, for an SDK that received an empty body."""
        store = self._services.store
        run = store.run_in_progress(tenant_of(request).name, request.path_params["workflowRunId"])
        if run is None:
            raise Refused(_NOT_FOUND, status=404)
        return Response(endpoint_requests.step_list(run, store.step_list(run.seq)), media_type="application/json")

    async def end(self, request: Request) -> Response:
        """`DELETE /v2/workflows/runs/{id}`: cancel. With `?cancel=false` the workflow reports that it has finished."""
        body = await read_body(request)
        services = self._services
        tenant, run_id = tenant_of(request).name, request.path_params["workflowRunId"]
        finished = request.query_params.get("cancel", "").lower() == "false"
        with services.store.transaction():
            run = services.store.run_in_progress(tenant, run_id)
            following = []
            if run is not None:
                following = waiting.end_run(
                    services.store,
                    run.seq,
                    RunState.SUCCESS if finished else RunState.CANCELED,
                    now_ms=services.clock.now_ms(),
                    response=body.decode(errors="replace") if finished and body else None,
                )
            elif services.store.newest(tenant, run_id) is None:
                raise Refused(_NOT_FOUND, status=404)
        services.hand_over(following)
        return Response(status_code=200)

    async def cancel_many(self, request: Request) -> Response:
        """`DELETE /v2/workflows/runs`: cancel the matching runs. Without a filter: all, up to `count`."""
        services, query = self._services, request.query_params
        where = Where()
        _add_url(where, multi(query, "workflowUrl"), exact=flag(query, "workflowUrlExactMatch"))
        add_common(where, query, tenant_of(request).name)
        if run_ids := multi(query, "workflowRunIds"):
            where = Where()  # the other filters are ignored then
            where.one_of("r.run_id", run_ids)
        where.add("r.tenant = ? AND r.state = 'RUN_STARTED'", tenant_of(request).name)
        count = integer(query, "count")
        with services.store.transaction():
            found = services.store.connection.execute(
                f"SELECT r.seq FROM {where.source} WHERE {where.text()} ORDER BY {where.seq} LIMIT ?",  # noqa: S608
                (*where.values, 100 if count is None else count),
            ).fetchall()
            now = services.clock.now_ms()
            following = [
                due for row in found for due in waiting.end_run(services.store, row[0], RunState.CANCELED, now_ms=now)
            ]
        services.hand_over(following)
        return json_response({"cancelled": len(found)})


def _add_url(where: Where, urls: list[str], *, exact: bool) -> None:
    if not urls:
        return
    if exact:
        where.one_of("r.url", urls)
    else:
        # A literal prefix: LIKE would read % and _ in a URL as wildcards.
        where.add(
            "EXISTS (SELECT 1 FROM json_each(?) u WHERE substr(r.url, 1, length(u.value)) = u.value)", json.dumps(urls)
        )


PAGE = 10
LARGEST_PAGE = 1000
"""The most runs per page of wfdeploy's own listings; events per page."""


class LogsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def logs(self, request: Request) -> Response:
        """`GET /v2/workflows/logs`."""
        _is_grouped(request.query_params)
        return json_response(self._runs(request))

    async def events(self, request: Request) -> Response:
        """`GET /v2/workflows/events`; with `?groupBy=workflowRunId`, as the SDKs call it, runs like `logs`."""
        return json_response(self._runs(request) if _is_grouped(request.query_params) else self._events(request))

    def _events(self, request: Request) -> dict[str, Any]:
        query, services = request.query_params, self._services
        count = integer(query, "count", least=1)
        count = min(LARGEST_PAGE if count is None else count, LARGEST_PAGE)
        where = event_filter(query, tenant_of(request).name, event_log.SOURCE)
        self._hide(where)
        if cursor := query.get("cursor"):
            columns = ", ".join(f"e.{name}" for name in event_log.POSITION)
            where.add(f"({columns}) < (?, ?, ?, ?, ?)", *read_event_cursor(cursor))
        log = EventLog(services.store, _trim(query), services.clock.now_ms())
        found = log.select(where, count + 1)
        page: dict[str, Any] = {"events": [event for _, event in found[:count]]}
        if len(found) > count:
            page["cursor"] = write_event_cursor(found[count - 1][0])
        return page

    def _runs(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        count = _count(query)
        where = log_filter(query, tenant_of(request).name)
        self._hide(where)
        floor = None
        if cursor := query.get("cursor"):
            before, floor = read_cursor(cursor)
            where.add(f"{where.seq} < ?", before)
        if (start := integer(query, "fromDate")) is not None:
            if floor is None:
                floor = self._first_since(tenant_of(request).name, start)
            where.add(f"{where.seq} >= ?", floor)
        rows = self._services.store.connection.execute(
            # One row more than requested shows whether there is a next page.
            f"SELECT r.* FROM {where.source} WHERE {where.text()} ORDER BY {where.seq} DESC LIMIT ?",  # noqa: S608
            (*where.values, count + 1),
        ).fetchall()
        runs = [RunRecord.of(row) for row in rows[:count]]
        trim = _trim(query)
        page: dict[str, Any] = {
            "runs": [
                run_view.render(run, self._services.store, trim=trim, now_ms=self._services.clock.now_ms())
                for run in runs
            ]
        }
        if len(rows) > count:
            page["cursor"] = write_cursor(runs[-1].seq, floor or 0)
        return page

    def _first_since(self, tenant: str, start_ms: int) -> int:
        """The lowest seq accepted since then, where a listing by time may stop.

        Read once per listing and then carried in the cursor.
        """
        row = self._services.store.connection.execute(
            "SELECT MIN(seq) FROM runs WHERE tenant = ? AND created_at >= ?", (tenant, start_ms)
        ).fetchone()
        return 2**62 if row[0] is None else int(row[0])

    def _hide(self, where: Where) -> None:
        """Leave out the runs that the fault plan hides."""
        faults, now = self._services.faults, self._services.clock.now_ms()
        if faults.log_lag_s > 0:
            lag_ms = faults.log_lag_s * 1000
            where.add("r.created_at <= ?", -1 if math.isinf(lag_ms) else now - round(lag_ms))
        if faults.logs_end_at_seq is not None:
            where.add("r.seq <= ?", faults.logs_end_at_seq)
        if faults.hide_delayed:
            where.add("(r.starts_at <= ? OR r.state <> 'RUN_STARTED')", now)


def _is_grouped(query: QueryParams) -> bool:
    """Whether the query groups by runs. Raises: Refused for another grouping."""
    group = query.get("groupBy")
    if group not in (None, "workflowRunId"):
        raise Refused(f"invalid groupBy: {group!r}")
    return group is not None


def _trim(query: QueryParams) -> int | None:
    return integer(query, "trimBody", least=-1)


def _count(query: QueryParams) -> int:
    """The number of runs per page.

    `pageSize` is an extension of this server for wfdeploy's own listings. Other clients do not send it, so they meet
    the API's limit.
    """
    larger, count = integer(query, "pageSize", least=1), integer(query, "count", least=1)
    if larger is not None:
        return min(larger, LARGEST_PAGE)
    return PAGE if count is None else min(count, PAGE)


RUNS = Area(
    "Runs",
    RunsApi,
    (
        Operation(
            "DELETE /v2/workflows/runs",
            RunsApi.cancel_many,
            "Cancel runs in progress",
            ApiAnswer(200, "how many were cancelled", shape({"cancelled": whole()}, required=("cancelled",))),
            description="Runs that have ended do not count. Without a filter this cancels all runs, up to `count`.",
            params=(
                params.many("workflowRunIds", "these runs; all other filters are ignored"),
                params.many("workflowUrl", "runs whose endpoint's URL begins so"),
                Param("workflowUrlExactMatch", "query", "match the whole URL", boolean()),
                *params.COMMON_FILTERS,
                *params.ENDPOINT_FILTERS,
                Param("count", "query", "the maximum number of runs", params.at_least(0, default=100)),
            ),
        ),
        Operation(
            "GET /v2/workflows/runs/{workflowRunId}",
            RunsApi.steps,
            "Show what the endpoint of a run in progress receives",
            ApiAnswer(200, "the payload, and the recorded entries", listed(ref("Entry"))),
            description="For an SDK whose endpoint received an empty body.",
            refusals={404: "no run of this id is in progress"},
        ),
        Operation(
            "DELETE /v2/workflows/runs/{workflowRunId}",
            RunsApi.end,
            "Cancel a run, or report that its workflow has finished",
            ApiAnswer(200, "the run has ended, now or before"),
            params=(Param("cancel", "query", "`false`: finished, with the body as its result"),),
            body=RequestBody("what the workflow returned, JSON as text", {"application/json": {}}, required=False),
            refusals={404: "there never was a run of this id", 413: "the body is too large"},
        ),
    ),
)

_LOGS = (
    params.RUN_ID,
    Param("workflowUrl", "query", "this endpoint", text(pattern=params.URL_PATTERN)),
    params.CREATED_AT,
    Param(
        "workflowRuns",
        "query",
        "exactly these runs, `ID@CREATEDAT,...`; all other filters are ignored",
        text(pattern=params.RUN_PAIRS_PATTERN),
    ),
    Param(
        "state",
        "query",
        "runs in these states, or with steps in these states",
        listed(text(enum=[*RUN_STATES, *STEP_STATES])),
    ),
    *params.COMMON_FILTERS,
    *params.ENDPOINT_FILTERS,
    Param("messageId", "query", "the run that this message belongs to"),
    Param("trimBody", "query", "cut bodies to so many bytes; -1 leaves them out", params.at_least(-1)),
    Param("count", "query", "runs per page (default and maximum: 10), or events (1000)", params.at_least(1)),
)
_RUN_PAGE = shape(
    {"runs": listed(ref("Run")), "cursor": text("for the next page; absent on the last page")}, required=("runs",)
)
_EVENT_PAGE = shape(
    {"events": listed(ref("Event")), "cursor": text("for the next page; absent on the last page")}, required=("events",)
)

LOGS = Area(
    "Logs",
    LogsApi,
    (
        Operation(
            "GET /v2/workflows/logs",
            LogsApi.logs,
            "List runs, newest first",
            ApiAnswer(200, "a page of runs", _RUN_PAGE),
            params=(
                *_LOGS,
                params.CURSOR,
                Param("pageSize", "query", "runs per page, up to 1000; only this server knows it", params.at_least(1)),
                Param("groupBy", "query", "runs are listed in any case", text(enum=["workflowRunId"])),
            ),
        ),
        Operation(
            "GET /v2/workflows/events",
            LogsApi.events,
            "List events, newest first, or the runs they belong to",
            ApiAnswer(200, "a page of events, or of runs", {"anyOf": [_EVENT_PAGE, _RUN_PAGE]}),
            params=(
                *_LOGS,
                Param("groupBy", "query", "list runs instead of events", text(enum=["workflowRunId"])),
            ),
        ),
    ),
    is_metered=True,
)
