"""Sending alone: runs that are in memory go to the sink.

`python -m benchmarks.sending PEER COUNT URL` is one of the peers. It prints the seconds from the first run being
encoded to the last answer being read: wall clock, processor time. `ours` is the sender of apply with its gateway and a
journal that keeps nothing; `naive` the loop of the naive script, without a state; `raw8` and `raw64` send batches that
were made before the clock started over as many plain connections, and look at no answer: the limit.
`benchmarks/sending.mjs` is the same for the official JavaScript SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import sinks
from benchmarks.material import items, requests, runs
from benchmarks.measure import run

Spent = tuple[float, float]
"""Wall clock and processor time, seconds."""

BATCH = 100
LONGEST_S = 900.0


def ours(count: int, url: str) -> Spent:
    """The product's own path: encode, pack, send with as many in flight as it sees fit, read each answer."""
    from benchmarks.material import NullStore
    from wfdeploy.__main__ import tame_collector
    from wfdeploy.model.event import Event
    from wfdeploy.model.options import StopFlag
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.sending.journal import Journal
    from wfdeploy.sending.patience import Patience
    from wfdeploy.sending.sender import Limits, Sender
    from wfdeploy.sending.server_time import ServerTime
    from wfdeploy.sending.session import Outcomes, Session
    from wfdeploy.upstash.client import UpstashGateway
    from wfdeploy.upstash.scrub import Scrubber
    from wfdeploy.wiring.assembly import SystemClock

    tame_collector()
    made = runs(count)
    clock = SystemClock()

    def unheard(event: Event, /) -> None:
        pass

    async def send() -> Spent:
        gateway = UpstashGateway(
            url, "benchmark", settings=ServerSettings(), clock=clock, scrubber=Scrubber(["benchmark"])
        )
        session = Session(
            connection=gateway,
            journal=Journal(NullStore()),
            clock=clock,
            time=ServerTime(clock),
            patience=Patience(clock, StopFlag(), unheard, 60.0),
            listener=unheard,
            label="benchmark",
            log_lag_s=lambda: 0.0,
            outcomes=Outcomes(unheard),
        )
        sender = Sender(session, Limits(max_items=BATCH))
        began = _now()
        await sender.run(requests(made))
        took = _since(began)
        await gateway.aclose()
        assert len(session.outcomes.results) == count, session.outcomes.halt
        return took

    return asyncio.run(send())


def naive(count: int, url: str) -> Spent:
    """The naive script's loop on items that it has made already."""
    import httpx  # noqa: F401  (not on the clock)

    from benchmarks.naive import send

    wanted = [("wave-000/" + item.workflow_run_id, "f" * 64, json.loads(item.encoded)) for item in items(runs(count))]
    began = _now()
    send(url, wanted, {}, None)
    return _since(began)


def raw(count: int, url: str, *, connections: int) -> Spent:
    """Prebuilt bytes over plain sockets, one request at a time on each."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    encoded = [item.encoded for item in items(runs(count))]
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

NAMES = {"ours": "wfdeploy", "naive": "naive", "raw8": "raw sockets, 8", "raw64": "raw sockets, 64"}


@dataclass(frozen=True, slots=True)
class Row:
    """What a peer took."""

    runs: int
    latency_ms: int
    peer: str
    wall_s: float
    cpu_s: float

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def measure(
    folder: Path, sizes: Sequence[int], latencies: Sequence[int], sdk: tuple[str, ...] | None, *, repeat: int
) -> Iterator[Row]:
    """Every peer in turn, again and again. `sdk`: how the JavaScript SDK is started, if it is there."""
    commands: dict[str, tuple[str, ...]] = {
        NAMES[peer]: (sys.executable, "-m", "benchmarks.sending", peer) for peer in PEERS
    }
    commands |= {"JavaScript SDK": sdk} if sdk is not None else {}
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    for latency_ms, size in itertools.product(latencies, sizes):
        with sinks.running(latency_ms) as sink:
            spent: dict[str, list[Spent]] = {peer: [] for peer in commands}
            for _, (peer, command) in itertools.product(range(repeat), commands.items()):
                line = (*command, str(size), sink.url)
                before = sink.taken()
                sample = run(line, cwd=folder, environ=environ, timeout_s=LONGEST_S, tells=True)
                if sink.taken() - before != size or sample.own is None:
                    raise RuntimeError(f"{peer} sent {sink.taken() - before} runs, not {size}")
                spent[peer].append(sample.own)
            for peer, times in spent.items():
                walls, cpus = zip(*times, strict=True)
                yield Row(size, latency_ms, peer, median(walls), median(cpus))


def table(rows: Sequence[Row]) -> str:
    """A Markdown table: a line a peer and a number of runs, beside ours, for each latency."""
    found = {(row.runs, row.peer, row.latency_ms): row for row in rows}
    latencies = dict.fromkeys(row.latency_ms for row in rows)
    heads = " | ".join(f"{latency} ms: wall ms | runs a second | CPU ms | vs ours" for latency in latencies)
    lines = [f"| runs | peer | {heads} |", "|---:|---|" + "---:|---:|---:|---:|" * len(latencies)]
    for size, peer in dict.fromkeys((row.runs, row.peer) for row in rows):
        cells = []
        for latency in latencies:
            row, ours_alone = found[size, peer, latency], found[size, NAMES["ours"], latency]
            cells.append(
                f"{1000 * row.wall_s:,.0f} | {row.runs / row.wall_s:,.0f} | {1000 * row.cpu_s:,.0f} "
                f"| {row.wall_s / ours_alone.wall_s:.2f}x"
            )
        lines.append(f"| {size:,} | {peer} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("count", type=int)
    parser.add_argument("url")
    options = parser.parse_args()
    print(*PEERS[options.peer](options.count, options.url))
