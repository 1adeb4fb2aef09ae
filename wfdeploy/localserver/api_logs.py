"""The logs: which runs there are and how far they got.

Source: Upstash Workflow REST reference, "List Workflow Run Logs". Runs are listed newest first (inferred); the cursor
is opaque to clients. The older path `/v2/workflows/events` answers the same when it is asked to group by run, which is
all that the SDKs ask for.
"""

from __future__ import annotations

import math
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver import run_view
from wfdeploy.localserver.api_trigger import json_response
from wfdeploy.localserver.paging import read_cursor, write_cursor
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.records import Run
from wfdeploy.localserver.run_filter import Where, integer, log_filter
from wfdeploy.localserver.services import Services, tenant_of

PAGE = 10
LARGEST_PAGE = 1000
"""Runs per page, by default and at most."""


class LogsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def logs(self, request: Request) -> Response:
        """`GET /v2/workflows/logs`."""
        return json_response(self._page(request))

    async def events(self, request: Request) -> Response:
        """`GET /v2/workflows/events?groupBy=workflowRunId`."""
        return json_response(self._page(request))

    def _page(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        if query.get("groupBy", "workflowRunId") != "workflowRunId":
            raise Refused(f"invalid groupBy: {query['groupBy']!r}")
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
        rows = self._services.ledger.connection.execute(
            # One row more than asked for tells whether there is a next page.
            f"SELECT r.* FROM {where.source} WHERE {where.text()} ORDER BY {where.seq} DESC LIMIT ?",  # noqa: S608
            (*where.values, count + 1),
        ).fetchall()
        runs = [Run.of(row) for row in rows[:count]]
        trim = integer(query, "trimBody")
        page: dict[str, Any] = {
            "runs": [
                run_view.render(run, self._services.ledger, trim=trim, now_ms=self._services.clock.now_ms())
                for run in runs
            ]
        }
        if len(rows) > count:
            page["cursor"] = write_cursor(runs[-1].seq, floor or 0)
        return page

    def _first_since(self, tenant: str, start_ms: int) -> int:
        """The lowest seq accepted since then: where a listing by time may stop looking.

        Asked once per listing and then carried in the cursor.
        """
        row = self._services.ledger.connection.execute(
            "SELECT MIN(seq) FROM runs WHERE tenant = ? AND created_at >= ?", (tenant, start_ms)
        ).fetchone()
        return 2**62 if row[0] is None else int(row[0])

    def _hide(self, where: Where) -> None:
        """What the scenario keeps out of the logs for now."""
        scenario, now = self._services.scenario, self._services.clock.now_ms()
        if scenario.log_lag_s > 0:
            lag_ms = scenario.log_lag_s * 1000
            where.add("r.created_at <= ?", -1 if math.isinf(lag_ms) else now - round(lag_ms))
        if scenario.logs_end_at_seq is not None:
            where.add("r.seq <= ?", scenario.logs_end_at_seq)
        if scenario.hide_delayed:
            where.add("(r.starts_at <= ? OR r.state <> 'RUN_STARTED')", now)


def _count(query: QueryParams) -> int:
    """How many runs a page holds. `pageSize` is an extension of this server, for wfdeploy's own listings; nobody else
    sends it, so everybody else meets the API's limit."""
    larger = integer(query, "pageSize")
    if larger is not None and larger > 0:
        return min(larger, LARGEST_PAGE)
    count = integer(query, "count")
    if count is None:
        return PAGE
    if count < 1:
        raise Refused(f"invalid count: {count}")
    return min(count, PAGE)
