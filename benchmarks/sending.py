"""Sending alone: runs that are in memory go to the sink. `python -m benchmarks.sending PEER COUNT URL`.

Prints the seconds from the first run being encoded to the last answer being read: wall clock, processor time. `ours`
is the sender of apply with its gateway and a journal that keeps nothing; `naive` the loop of the naive script, without
a state; `raw8` and `raw64` send batches that were made before the clock started over as many plain connections, and
look at no answer: the limit. `benchmarks/sending.mjs` is the same for the official JavaScript SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.material import batches, items, requests

Spent = tuple[float, float]
"""Wall clock and processor time, seconds."""

BATCH = 100


def ours(count: int, url: str) -> Spent:
    """The product's own path: encode, pack, send with as many in flight as it sees fit, read each answer."""
    from benchmarks.material import NullStore
    from wfdeploy.__main__ import tame_collector
    from wfdeploy.cli.clock import SystemClock
    from wfdeploy.model.event import Event
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.model.stop import StopFlag
    from wfdeploy.pipeline.apply.journal import Journal
    from wfdeploy.pipeline.apply.patience import Patience
    from wfdeploy.pipeline.apply.sender import Limits, Sender
    from wfdeploy.pipeline.apply.server_time import ServerTime
    from wfdeploy.upstash.client import UpstashGateway
    from wfdeploy.upstash.scrub import Scrubber

    tame_collector()
    made = requests(count)
    clock = SystemClock()

    def unheard(event: Event, /) -> None:
        pass

    async def send() -> Spent:
        gateway = UpstashGateway(
            url, "benchmark", settings=ServerSettings(), clock=clock, scrubber=Scrubber(["benchmark"])
        )
        sender = Sender(
            gateway=gateway,
            journal=Journal(NullStore()),
            clock=clock,
            time=ServerTime(clock),
            patience=Patience(clock, StopFlag(), unheard, 60.0),
            listener=unheard,
            limits=Limits(max_items=BATCH),
        )
        began = _now()
        await sender.run(batches(made, BATCH))
        took = _since(began)
        await gateway.aclose()
        assert len(sender.results) == count, sender.halt
        return took

    return asyncio.run(send())


def naive(count: int, url: str) -> Spent:
    """The naive script's loop on items that it has made already."""
    import httpx  # noqa: F401  (not on the clock)

    from benchmarks.naive import send

    wanted = [
        ("wave-000/" + item.workflow_run_id, "f" * 64, json.loads(item.encoded)) for item in items(requests(count))
    ]
    began = _now()
    send(url, wanted, {}, None)
    return _since(began)


def raw(count: int, url: str, *, connections: int) -> Spent:
    """Prebuilt bytes over plain sockets, one request at a time on each."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    encoded = [item.encoded for item in items(requests(count))]
    ready = [_request(parts.netloc, encoded[at : at + BATCH]) for at in range(0, count, BATCH)]
    waiting = iter(ready)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        for data in waiting:
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            match = re.search(rb"Content-Length: (\d+)", head)
            assert match is not None
            assert head.startswith(b"HTTP/1.1 201 ")
            await reader.readexactly(int(match[1]))
        writer.close()
        await writer.wait_closed()

    async def send() -> Spent:
        began = _now()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(connection())
        return _since(began)

    return asyncio.run(send())


def _now() -> Spent:
    return time.perf_counter(), time.process_time()


def _since(began: Spent) -> Spent:
    wall, cpu = _now()
    return wall - began[0], cpu - began[1]


def _request(host: str, encoded: list[bytes]) -> bytes:
    body = b"[" + b",".join(encoded) + b"]"
    head = (
        f"POST /v2/batch/trigger HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer benchmark\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


PEERS: dict[str, Callable[[int, str], Spent]] = {
    "ours": ours,
    "naive": naive,
    "raw8": functools.partial(raw, connections=8),
    "raw64": functools.partial(raw, connections=64),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("count", type=int)
    parser.add_argument("url")
    options = parser.parse_args()
    print(*PEERS[options.peer](options.count, options.url))
