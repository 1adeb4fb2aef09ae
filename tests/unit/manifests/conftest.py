"""A project whose manifests are remembered, and a server for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, run


@pytest.fixture
def remote() -> ModelServer:
    return ModelServer(ManualClock())


@pytest.fixture
def bench(remote: ModelServer, tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    bench.write(group("g", [run("a"), run("b")]))
    assert counts(bench.apply()) == {"triggered": 2}
    bench.plan()  # from here on, the cache knows the manifest
    bench.events.clear()
    return bench
