"""An upgrade from a release that wrote numbers otherwise, in the middle of schedules, rollouts and restarts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, planned
from wfdeploy.manifests.expand.numbers import NumberFormat

RUN = {
    "name": "r",
    "forEach": {"items": [{"id": 1.0}, {"id": 2.5}, {"id": 3.0}, {"id": 1e-5}]},
    "key": "${{ row.id }}",
    "body": {"text": "v${{ row.id }}"},
}


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench() as bench:
        yield bench


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """NumberFormat are written as they were, until this is undone."""
    text, former = NumberFormat.text, NumberFormat(former=True)
    monkeypatch.setattr(NumberFormat, "text", lambda _, value: text(former, value))
    return monkeypatch


def upgrade(bench: VirtualBench, before: pytest.MonkeyPatch, *, lost: bool = False) -> None:
    before.undo()
    shutil.rmtree(bench.root / ".wfdeploy" / "cache", ignore_errors=True)
    if lost:
        for file in bench.state_file.parent.glob("*"):
            file.unlink()


@pytest.mark.parametrize("lost", [False, True])
def test_instances(bench: VirtualBench, before: pytest.MonkeyPatch, lost: bool) -> None:
    bench.write(group("n", [RUN], schedule={"cron": "0 * * * *"}, policy={"onChange": "error"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply()) == {"triggered": 4}
    bench.pass_time(60)
    upgrade(bench, before, lost=lost)
    report = counts(bench.apply())
    assert "triggered" not in report
    with bench.open() as store:
        assert {record.address for record in store.records()} == {
            f"n/r[{key}]@2026-11-23T15:00:00Z" for key in ("1", "2.5", "3", "0.00001")
        }
    assert planned(bench.plan()) == {}
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply())["triggered"] == 4
    assert len(bench.triggered()) == 8


@pytest.mark.parametrize("lost", [False, True])
def test_a_rollout_half_way(bench: VirtualBench, before: pytest.MonkeyPatch, lost: bool) -> None:
    bench.write(group("g", [RUN], rollout={"steps": [{"count": 2}, {"percent": 100}]}))
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 2}
    upgrade(bench, before, lost=lost)
    if not lost:
        assert counts(bench.apply()) == {"kept": 2, "blocked": 2}
    bench.pass_time(60)
    for _ in range(4):
        bench.apply()
        bench.pass_time(60)
    assert len(bench.triggered()) == 4
    assert counts(bench.apply()) == {"kept": 4}


def test_a_rollout_whose_step_was_not_sent_when_it_died(bench: VirtualBench, before: pytest.MonkeyPatch) -> None:
    bench.write(group("g", [RUN], rollout={"steps": [{"count": 2}, {"percent": 100}]}))
    for commit in range(1, 6):
        bench.apply_and_die(commit, after=True)
        if bench.state_file.exists():
            break
    upgrade(bench, before)
    bench.pass_time(60)
    for _ in range(6):
        bench.apply()
        bench.pass_time(60)
    assert len(bench.triggered()) == 4


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("action", ["resume", "restart"])
def test_failed_runs_keep_their_tries(bench: VirtualBench, before: pytest.MonkeyPatch, lost: bool, action: str) -> None:
    bench.remote.failing = lambda _: True
    policy = {"onFailure": {"action": action, "maxAttempts": 2}}
    bench.write(group("g", [RUN], policy=policy))
    assert counts(bench.apply()) == {"triggered": 4}
    bench.pass_time(60)
    bench.apply()
    bench.pass_time(60)
    started = len(bench.remote.runs)
    assert started == 8
    upgrade(bench, before, lost=lost)
    for _ in range(4):
        bench.apply()
        bench.pass_time(60)
    assert len(bench.remote.runs) == 12


def test_whoever_waits_for_such_a_group_is_not_let_go_again(bench: VirtualBench, before: pytest.MonkeyPatch) -> None:
    after = group("h", [{"name": "a"}], dependsOn=[{"group": "g"}])
    bench.write(group("g", [RUN]), after)
    assert counts(bench.apply()) == {"triggered": 4, "blocked": 1}
    upgrade(bench, before)
    bench.pass_time(60)
    assert counts(bench.apply()) == {"kept": 4, "triggered": 1}
    assert counts(bench.apply()) == {"kept": 5}
