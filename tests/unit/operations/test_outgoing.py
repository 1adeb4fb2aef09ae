"""Runs are sent in the order of the manifests, also when they are more than memory is to hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.model.spool import in_order
from wfdeploy.operations import outgoing

NAMES = ("z", "m", "a", "q", "b")


@pytest.mark.parametrize("held", [1000, 2])
def test_runs_are_sent_as_they_are_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(outgoing, "in_order", partial(in_order, held=held))
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    bench.write(group("second", [run(name, body="2") for name in NAMES]), file="b.yaml")
    bench.write(group("first", [run(name, body="1") for name in NAMES]), file="a.yaml")
    assert counts(bench.apply()) == {"triggered": 10}
    sent = [run_id.removeprefix("wfr_").split("-")[:2] for run_id in remote.counts]
    assert sent == [[name, letter] for name in ("first", "second") for letter in NAMES]
    assert not bench.plan().has_changes
