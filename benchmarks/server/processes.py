"""The processes that take part: the server as users start it, and an endpoint."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from wfdeploy.localserver.tenants import environment

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`wfdeploy dev` on a database file."""

    url: str
    database: Path
    process: psutil.Process
    ready_after_s: float
    """From the start of the process to the banner, which is printed once requests are answered."""
    start_cpu_s: float
    """Its processor time until then."""

    def rss_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def in_progress(self) -> int:
        """Runs that have not ended; read from the file, so that the server is not asked while it is measured."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return int(
                connection.execute("SELECT COUNT(*) FROM runs WHERE state = 'RUN_STARTED'").fetchone()[0],
            )

    def wait_ended(self, timeout_s: float = 600.0) -> None:
        """Raises: TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while left := self.in_progress():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} runs are still in progress")
            time.sleep(0.02)


@contextmanager
def server(database: Path, command: Sequence[str] = ("-m", "wfdeploy", "dev")) -> Iterator[RunningServer]:
    """The server in a process of its own, stopped as by ^C."""
    began = time.perf_counter()
    arguments = [sys.executable, *command, "--port", "0", "--db", str(database)]
    with _child(arguments, cwd=database.parent, environ=_bare()) as process:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        if url is None:
            raise RuntimeError("the server did not start")
        ready = time.perf_counter() - began
        told = psutil.Process(process.pid)
        times = told.cpu_times()
        yield RunningServer(url[0], database, told, ready, times.user + times.system)
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def endpoint(module: str, server_url: str) -> Iterator[str]:
    """An endpoint in a process of its own; its URL."""
    told = environment(server_url)
    arguments = [sys.executable, "-m", f"benchmarks.server.{module}", server_url, told["QSTASH_TOKEN"]]
    with _child(arguments, cwd=Path.cwd(), environ={**_bare(), **told}) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()
        process.wait(timeout=20)


@contextmanager
def _child(arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments,
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _bare() -> dict[str, str]:
    """No variable of the user's changes what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(["", *sys.path]).strip(os.pathsep)}
