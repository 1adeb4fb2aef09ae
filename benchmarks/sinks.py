"""Sinks as the harness sees them: processes with a URL and a count."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunningSink:
    url: str

    def taken(self) -> int:
        """How many runs it got so far."""
        with urllib.request.urlopen(f"{self.url}/taken", timeout=10) as answer:
            return int(answer.read())

    def forget(self) -> None:
        """Take the runs that come from now on for the first ones."""
        self._post("forget")

    def show(self, count: int, state: str) -> None:
        """List the first runs that it took, all in this state, and no others."""
        self._post(f"show?{count}&{state}")

    def _post(self, what: str) -> None:
        urllib.request.urlopen(f"{self.url}/{what}", data=b"", timeout=10).close()


@contextmanager
def running(latency_ms: int = 0, *, remember: bool = False) -> Iterator[RunningSink]:
    """A sink in a process of its own, for as long as it is needed."""
    command = [sys.executable, "-m", "benchmarks.sink", "--latency-ms", str(latency_ms)]
    command += ["--remember"] if remember else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield RunningSink(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
