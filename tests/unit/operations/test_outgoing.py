"""Runs are sent in the order of the manifests, also when they are more than memory is to hold."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import InvalidInput
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


def test_a_secret_without_a_value_is_reported_where_it_is_named(tmp_path: Path) -> None:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.project = replace(bench.project, secrets=("TOKEN", "OTHER", "THIRD", "SET"))
    bench.environ = {"SET": "x"}
    (tmp_path / "rows.csv").write_text("id\n1\n2\n", encoding="utf-8")
    rows = run("all", key="${{ row.id }}", forEach={"file": "../rows.csv"}, body={"a": ["", "b ${{ secrets.SET }}"]})
    bench.write(
        group("first", [run("a")], destination="http://127.0.0.1:9/${{ secrets.THIRD }}"),
        group(
            "second",
            [rows, run("b", bodyText="one\n${{ secrets.OTHER }}", headers={"X-A": None})],
            defaults={"headers": {"X-A": "Bearer ${{secrets.TOKEN}}", "X-B": "${{ secrets.SET }}"}},
        ),
    )
    with pytest.raises(InvalidInput) as caught:
        bench.apply()
    lines = (tmp_path / "manifests/runs.yaml").read_text(encoding="utf-8").splitlines()
    for one, name in zip(caught.value.diagnostics, ("THIRD", "TOKEN", "OTHER"), strict=True):
        assert one.message == f"the secret {name} has no value"
        assert one.place.file.endswith("manifests/runs.yaml")
        assert one.excerpt == lines[one.place.line - 1]
        assert lines[one.place.line - 1][one.place.column - 1 :].startswith(f"secrets.{name}")
    assert [one.address for one in caught.value.diagnostics] == ["first/a", "second/all[1]", "second/b"]
