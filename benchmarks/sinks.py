"""Sinks as the harness sees them: processes with a URL and a count."""

from __future__ import annotations

import json
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
        with urllib.request.urlopen(f"{self.url}/counts", timeout=10) as answer:
            return int(json.load(answer)["runs"])


@contextmanager
def running(latency_ms: int) -> Iterator[RunningSink]:
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
