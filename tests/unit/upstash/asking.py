"""A gateway that reads from, and cancels at, a server that answers as a test has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import Behaviour, ChaosServer
from tests.fakes.manual_clock import ManualClock
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import Cancelled, NotCancelled, RunPage
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber

TOKEN = "tok-2f7a9c1e5b"
PATIENT = ServerSettings(connect_timeout_s=10.0, read_timeout_s=10.0)
QUICK = ServerSettings(connect_timeout_s=10.0, read_timeout_s=0.2)
DATE = "Mon, 23 Nov 2026 14:00:00 GMT"


def entry(n: int) -> dict[str, Any]:
    return {
        "workflowRunId": f"wfr_{n}",
        "workflowState": "RUN_STARTED",
        "workflowRunCreatedAt": 1000 + n,
        "workflowUrl": "https://app/wf",
        "labels": ["l"],
    }


def logs(runs: list[dict[str, Any]], cursor: str = "", headers: dict[str, str] | None = None) -> Behaviour:
    return chaos.answer(200, {"runs": runs, "cursor": cursor}, headers or {"Date": DATE})


def with_gateway(server: ChaosServer, use: Callable[[UpstashGateway], Any], **more: Any) -> Any:
    async def run() -> Any:
        arguments = {"settings": PATIENT, "clock": ManualClock(), "scrubber": Scrubber([TOKEN]), **more}
        gateway = UpstashGateway(server.url, TOKEN, deadline_s=20.0, **arguments)
        try:
            return await use(gateway)
        finally:
            await gateway.aclose()

    return asyncio.run(run())


def listing(server: ChaosServer, *, since_ms: int | None = None, **more: Any) -> list[RunPage]:
    async def use(gateway: UpstashGateway) -> list[RunPage]:
        return [page async for page in gateway.list_runs(label="wfdeploy.p.e", since_ms=since_ms)]

    pages = with_gateway(server, use, **more)
    assert isinstance(pages, list)
    return pages


def cancel(server: ChaosServer, *run_ids: str, **more: Any) -> Cancelled | NotCancelled:
    reply = with_gateway(server, lambda gateway: gateway.cancel(run_ids, label="wfdeploy.p.e"), **more)
    assert isinstance(reply, Cancelled | NotCancelled)
    return reply
