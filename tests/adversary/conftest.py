"""Projects and servers for tests that break assumptions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import group, run

LAG_S = 5.0
"""`server.logLag`, as the projects have it."""


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    """A project that has triggered one run, so that its state was compared with the server. Runs take a second."""
    with virtual_bench(lag_s=LAG_S) as bench:
        bench.write(group("g", [run("first")]))
        bench.apply()
        bench.pass_time(60)
        yield bench
