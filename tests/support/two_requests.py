"""Two requests over one connection, the second of which may be given up: in this process, or in one to be killed.

`python -m tests.support.two_requests KIND URL` waits between the two for a line on standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.remote import Item

PATIENT_S = 600.0
BODY_BYTES = 100_000

Between = Callable[[], None]


def items(run_id: str) -> list[Item]:
    """A batch of one run, too large for what a stalled path takes, and small enough for the kernel to take it whole."""
    from wfdeploy.model.remote import Item

    request = {"destination": "https://app/wf", "headers": {"Upstash-Workflow-RunId": run_id}, "body": "x" * BODY_BYTES}
    return [Item(run_id, json.dumps(request).encode())]


async def trigger(url: str, between: Between, *, timeout_s: float = PATIENT_S) -> str:
    """Two triggers; returns what the client makes of the second."""
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.upstash.client import UpstashGateway
    from wfdeploy.upstash.scrub import Scrubber
    from wfdeploy.wiring.assembly import SystemClock

    settings = ServerSettings(connect_timeout_s=20.0, read_timeout_s=timeout_s)
    gateway = UpstashGateway(url, "secret", settings=settings, clock=SystemClock(), scrubber=Scrubber(["secret"]))
    try:
        first = await gateway.trigger(items("wfr_first"))
        assert type(first).__name__ == "Answered", first
        await asyncio.to_thread(between)
        return type(await gateway.trigger(items("wfr_second"))).__name__
    finally:
        await gateway.aclose()


async def deliver(url: str, between: Between, *, timeout_s: float = PATIENT_S) -> str:
    """Two deliveries of the embedded server; returns the error of the second."""
    from wfdeploy.localserver.http_client import EndpointRequest, HttpClient

    http_client = HttpClient(max_connections=2)
    try:
        for run_id in ("wfr_first", "wfr_second"):
            body = b"[" + items(run_id)[0].encoded + b"]"
            timeout = PATIENT_S if run_id == "wfr_first" else timeout_s
            reply = await http_client.send(EndpointRequest("POST", url, {}, body, timeout_s=timeout))
            if run_id == "wfr_first":
                assert reply.ok, reply
                await asyncio.to_thread(between)
        return reply.error
    finally:
        await http_client.close()


KINDS: dict[str, Callable[..., Awaitable[str]]] = {"trigger": trigger, "deliver": deliver}


def _wait_for_a_line() -> None:
    print("first", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":

    async def main() -> None:
        print(await KINDS[sys.argv[1]](sys.argv[2], _wait_for_a_line), flush=True)

    asyncio.run(main())
