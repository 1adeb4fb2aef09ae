"""`python -m benchmarks.server`: runs triggered and steps delivered a second, memory and start-up over many runs.

Prints tables, and with `--docs` writes them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import machine, page
from benchmarks.server import processes
from benchmarks.server.processes import RunningServer
from benchmarks.server.profiled import shares
from wfdeploy.localserver.tenants import DEFAULT_TENANT

BATCH = 100
"""Runs in one request, as `wfdeploy apply` sends them."""

STEPS = 5


@dataclass(frozen=True, slots=True)
class Speed:
    """What was done how often, in how long; `cpu_s` is the server's processor time alone."""

    what: str
    count: int
    wall_s: float
    cpu_s: float

    def line(self) -> str:
        return (
            f"| {self.what} | {self.count:,} | {self.count / self.wall_s:,.0f}/s | {1e6 * self.cpu_s / self.count:,.0f}"
            f" µs | {self.cpu_s / self.wall_s:.0%} |"
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """The server after some runs have ended."""

    ended: int
    rss_mib: float
    runs_per_s: float
    cpu_s: float
    """Of the server, for one run since the mark before."""
    started: RunningServer | None = None
    """Just now."""

    def line(self) -> str:
        ready = ""
        if self.started is not None:
            ready = f"{self.started.ready_after_s * 1000:,.0f} ms ({self.started.start_cpu_s * 1000:,.0f} ms CPU)"
        speed = f"{self.runs_per_s:,.0f}/s | {1e6 * self.cpu_s:,.0f} µs" if self.runs_per_s else "|"
        return f"| {self.ended:,} | {self.rss_mib:.1f} MiB | {speed} | {ready} |"


SPEED_HEAD = (
    "| what | how many | a second | the server's CPU for one | its share of a core |\n|---|---:|---:|---:|---:|"
)
SOAK_HEAD = (
    "| ended runs | resident memory | runs a second since the line before | the server's CPU for one | start |\n"
    "|---:|---:|---:|---:|---:|"
)
PROFILE_HEAD = "| where the time of a step goes | |\n|---|---:|"


def trigger(server: RunningServer, destination: str, first: int, count: int, **options: str) -> None:
    """Batches one after the other over one connection, as fast as the server takes them."""
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    headers = {"Authorization": f"Bearer {DEFAULT_TENANT.token}", "Content-Type": "application/json"}
    told = {name.replace("_", "-"): value for name, value in options.items()}
    told |= {"Content-Type": "application/json", "Upstash-Label": "benchmark", "Upstash-Retries": "2"}
    for start in range(first, first + count, BATCH):
        items = [
            {
                "destination": destination,
                "headers": {"Upstash-Workflow-RunId": f"wfr_{number}", **told},
                "body": f'{{"tenant":"tenant-{number}","seats":{number % 50}}}',
            }
            for number in range(start, min(start + BATCH, first + count))
        ]
        connection.request("POST", "/v2/batch/trigger", json.dumps(items), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise RuntimeError(f"the server answered {answer.status}")
    connection.close()


def measure(server: RunningServer, what: str, count: int, destination: str, **options: str) -> Iterator[Speed]:
    """The triggers alone when they are delayed; else until every run has ended, counted in steps."""
    cpu, began = server.cpu_s(), time.perf_counter()
    trigger(server, destination, 0, count, **options)
    if not options:
        server.wait_ended()
        count *= STEPS
    yield Speed(what, count, time.perf_counter() - began, server.cpu_s() - cpu)


def speeds(folder: Path, options: argparse.Namespace) -> Iterator[Speed]:
    with processes.server(folder / "trigger.db") as server:
        yield from measure(server, "runs triggered", options.triggers, "http://127.0.0.1:9/wf", Upstash_Delay="1d")
    for name, module, count in (
        ("steps, minimal endpoint", "endpoint", options.runs),
        ("steps, Python SDK on FastAPI", "sdk_endpoint", options.sdk_runs),
    ):
        with processes.server(folder / f"{module}.db") as server, processes.endpoint(module, server.url) as url:
            yield from measure(server, name, count, f"{url}/wf/{STEPS}")


def soak(folder: Path, options: argparse.Namespace) -> Iterator[Mark]:
    """Memory over runs that have ended; then a restart on the same file."""
    database = folder / "soak.db"
    with processes.server(database) as server, processes.endpoint("endpoint", server.url) as url:
        yield Mark(0, server.rss_mib(), 0, 0, server)
        for ended in range(0, options.soak, options.every):
            cpu, began = server.cpu_s(), time.perf_counter()
            trigger(server, f"{url}/wf/1", ended, options.every)
            server.wait_ended()
            speed = options.every / (time.perf_counter() - began)
            yield Mark(ended + options.every, server.rss_mib(), speed, (server.cpu_s() - cpu) / options.every)
    with processes.server(database) as server:
        yield Mark(options.soak, server.rss_mib(), 0, 0, server)


def profile(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Where the server's time goes while it delivers to the minimal endpoint."""
    out = folder / "profile"
    command = ("-m", "benchmarks.server.profiled", str(out))
    with (
        processes.server(folder / "profile.db", command) as server,
        processes.endpoint("endpoint", server.url) as url,
    ):
        trigger(server, f"{url}/wf/{STEPS}", 0, options.profile)
        server.wait_ended()
    for part, share in shares(out).items():
        yield f"| {part} | {share:.0%} |"


def tables(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Iterator[str]]]:
    """(head, lines) of each."""
    yield SPEED_HEAD, (speed.line() for speed in speeds(folder, options))
    if options.profile:
        yield PROFILE_HEAD, profile(folder, options)
    if options.soak:
        yield SOAK_HEAD, (mark.line() for mark in soak(folder, options))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--triggers", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=2_000, help=f"runs of {STEPS} steps on the minimal endpoint")
    parser.add_argument("--sdk-runs", type=int, default=100, help=f"runs of {STEPS} steps on the SDK's endpoint")
    parser.add_argument("--profile", type=int, default=500, help="runs for the profile; 0: none")
    parser.add_argument("--soak", type=int, default=100_000, help="runs of one step, for memory and start-up; 0: none")
    parser.add_argument("--every", type=int, default=20_000, help="measure after so many of them")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args(arguments)
    told: list[str] = []
    busy = machine.load()
    with tempfile.TemporaryDirectory(prefix="wfdeploy-benchmark-") as folder:
        for head, lines in tables(Path(folder), options):
            print(head, flush=True)
            table = [head]
            for line in lines:
                table.append(line)
                print(line, flush=True)
            told.append("\n".join(table))
    if options.docs:
        note = f"{page.machine_line(machine.describe())} Its load was {busy:.1f} beforehand."
        page.put("server", "\n\n".join([note, *told]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
