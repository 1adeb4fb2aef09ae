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

    def remembered(self, account: str) -> int:
        """How many runs it can list."""
        return int(self._ask("remembered", account))

    def forget(self, account: str, keep: int = 0) -> None:
        """Remember the first runs alone, and list whatever there will be."""
        self._ask(f"forget?{keep}", account, b"")

    def show(self, account: str, count: int, state: str) -> None:
        """List the first runs that it took, all in this state, and no others."""
        self._ask(f"show?{count}&{state}", account, b"")

    def _ask(self, what: str, account: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}/{what}", data, {"Authorization": f"Bearer {account}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: bytes = answer.read()
        return found


@contextmanager
def running(latency_ms: int = 0) -> Iterator[RunningSink]:
    """A sink in a process of its own, for as long as it is needed."""
    command = [sys.executable, "-m", "benchmarks.sink", "--latency-ms", str(latency_ms)]
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
