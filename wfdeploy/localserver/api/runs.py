"""The paths of single runs and of bulk cancel.

Sources: Upstash Workflow REST reference, "Cancel Workflow Run" and "Bulk Cancel Workflow Runs"; the finish
(`?cancel=false`) and the step list were observed with the SDKs.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api.services import Services, read_body, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.delivery import parcels
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import endings
from wfdeploy.localserver.store.records import RunState
from wfdeploy.localserver.views.filters import Where, add_common, flag, integer, multi

_NOT_FOUND = "workflow run not found"


class RunsApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def steps(self, request: Request) -> Response:
        """`GET /v2/workflows/runs/{id}`: the whole step list, for an SDK that was sent an empty body."""
        ledger = self._services.ledger
        run = ledger.run_in_progress(tenant_of(request).name, request.path_params["workflowRunId"])
        if run is None:
            raise Refused(_NOT_FOUND, status=404)
        return Response(parcels.step_list(run, ledger.step_list(run.seq)), media_type="application/json")

    async def end(self, request: Request) -> Response:
        """`DELETE /v2/workflows/runs/{id}`: cancel; with `?cancel=false` the workflow says that it is finished."""
        body = await read_body(request)
        services = self._services
        tenant, run_id = tenant_of(request).name, request.path_params["workflowRunId"]
        finished = request.query_params.get("cancel", "").lower() == "false"
        with services.ledger.transaction():
            run = services.ledger.run_in_progress(tenant, run_id)
            following = []
            if run is not None:
                following = endings.end(
                    services.ledger,
                    run.seq,
                    RunState.SUCCESS if finished else RunState.CANCELED,
                    now_ms=services.clock.now_ms(),
                    response=body.decode(errors="replace") if finished and body else None,
                )
            elif services.ledger.newest(tenant, run_id) is None:
                raise Refused(_NOT_FOUND, status=404)
        services.engine.schedule(following)
        services.changes.tell()
        return Response(status_code=200)

    async def cancel_many(self, request: Request) -> Response:
        """`DELETE /v2/workflows/runs`: cancel what matches; nothing said means all, up to `count`."""
        services, query = self._services, request.query_params
        where = Where()
        _add_url(where, multi(query, "workflowUrl"), exact=flag(query, "workflowUrlExactMatch"))
        add_common(where, query, tenant_of(request).name)
        if run_ids := multi(query, "workflowRunIds"):
            where = Where()  # the other filters are ignored then
            where.one_of("r.run_id", run_ids)
        where.add("r.tenant = ? AND r.state = 'RUN_STARTED'", tenant_of(request).name)
        count = integer(query, "count")
        with services.ledger.transaction():
            found = services.ledger.connection.execute(
                f"SELECT r.seq FROM {where.source} WHERE {where.text()} ORDER BY {where.seq} LIMIT ?",  # noqa: S608
                (*where.values, 100 if count is None else count),
            ).fetchall()
            now = services.clock.now_ms()
            following = [
                due for row in found for due in endings.end(services.ledger, row[0], RunState.CANCELED, now_ms=now)
            ]
        services.engine.schedule(following)
        services.changes.tell()
        return json_response({"cancelled": len(found)})


def _add_url(where: Where, urls: list[str], *, exact: bool) -> None:
    if not urls:
        return
    if exact:
        where.one_of("r.url", urls)
    else:
        # A prefix, compared as it is: LIKE would read % and _ in a URL as wildcards.
        where.add(
            "EXISTS (SELECT 1 FROM json_each(?) u WHERE substr(r.url, 1, length(u.value)) = u.value)", json.dumps(urls)
        )
