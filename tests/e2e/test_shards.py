"""Shards share the work of one project: each has a state of its own, and together they trigger every run once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer, dying
from tests.support.workbench import Workbench, counts, group, planned, run
from wfdeploy.errors import InvalidInput, StateUnusable, UsageError, Withheld
from wfdeploy.manifests.identify.run_ids import place_of
from wfdeploy.manifests.manifests import validate
from wfdeploy.model.event import Outcome
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.project import Shard
from wfdeploy.workspace import Workspace

NEW = ApplyOptions(create_state=True)


def benches(root: Path, remote: ModelServer, count: int) -> list[Workbench]:
    """One bench for each shard, on one project."""
    made = []
    for index in range(1, count + 1):
        bench = Workbench(root, "http://127.0.0.1:9", "token", clock=remote.clock, shard=Shard(index, count))
        bench.wrap = lambda _: remote
        bench.server(log_lag_s=0.0, log_lag_given=True)
        bench.state_file = root / ".wfdeploy" / "state" / f"default.shard-{index}.db"
        made.append(bench)
    return made


def wave(count: int, *, body: int = 1) -> list[dict[str, object]]:
    return [run(f"r{number:03}", body=body) for number in range(count)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 6), runs=st.integers(0, 60), faults=st.lists(st.sampled_from(list(Fault)[:4]), max_size=3))
def test_the_shards_together_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, count: int, runs: int, faults: list[Fault]
) -> None:
    remote = ModelServer(ManualClock())
    shards = benches(tmp_path_factory.mktemp("shards"), remote, count)
    shards[0].write(group("g", wave(runs)))
    declared = {address for bench in shards for address in planned(bench.plan(offline=True))}
    assert declared == {f"g/r{number:03}" for number in range(runs)}
    assert sum(len(planned(bench.plan(offline=True))) for bench in shards) == runs
    remote.faults = list(faults)
    for bench in shards:
        with dying():
            bench.apply(options=NEW)
    remote.faults = []
    for _ in range(2):
        for bench in shards:
            bench.apply(options=NEW)
    assert len(remote.counts) == runs
    assert set(remote.counts.values()) <= {1}
    for bench in shards:
        assert not bench.plan().has_changes


@pytest.fixture
def remote() -> ModelServer:
    return ModelServer(ManualClock())


def test_what_other_shards_trigger_is_theirs(remote: ModelServer, tmp_path: Path) -> None:
    first, second = benches(tmp_path, remote, 2)
    first.write(group("g", wave(20)))
    one = first.apply(options=NEW).summary[Outcome.TRIGGERED]
    two = second.apply(options=NEW).summary[Outcome.TRIGGERED]
    assert one + two == 20
    with second.open() as store:
        assert list(store.unclaimed()) == []
        assert len(list(store.record_keys())) == two


def test_a_run_that_is_declared_no_more_is_never_taken_away(remote: ModelServer, tmp_path: Path) -> None:
    shards = benches(tmp_path, remote, 2)
    shards[0].write(group("g", wave(20), policy={"onRemove": "forget"}))
    for bench in shards:
        bench.apply(options=NEW)
    shards[0].write(group("g", wave(5), policy={"onRemove": "forget"}))
    for bench in shards:
        assert not bench.plan(prune=True).has_changes


def test_another_number_of_shards_is_refused(remote: ModelServer, tmp_path: Path) -> None:
    for bench in benches(tmp_path, remote, 2):
        bench.write(group("g", wave(20)))
        bench.apply(options=NEW)
    before = sum(remote.counts.values())
    shards = benches(tmp_path, remote, 3)
    for bench in shards[:2]:
        with pytest.raises(StateUnusable, match=r"shard 1/2|shard 2/2"):
            bench.apply()
    with pytest.raises(Withheld, match="for shard 3/3"):
        shards[2].apply()
    assert sum(remote.counts.values()) == before


class LocalBench(Workbench):
    """One whose server is the embedded one."""

    @property
    def workspace(self) -> Workspace:
        workspace = super().workspace
        return replace(workspace, target=replace(workspace.target, local=True))


def test_the_embedded_server_remembers_what_a_new_shard_must_know(remote: ModelServer, tmp_path: Path) -> None:
    for bench in benches(tmp_path, remote, 2):
        bench.write(group("g", wave(20)))
        bench.apply(options=NEW)
    asyncio.run(remote.clock.sleep(remote.lag_s))
    before = dict(remote.counts)
    bench = benches(tmp_path, remote, 3)[2]
    local = LocalBench(bench.root, bench.url, bench.token, clock=bench.clock, wrap=bench.wrap, shard=bench.shard)
    local.project, local.state_file = bench.project, bench.state_file
    assert set(counts(local.apply())) == {"adopted"}, "begun without being asked twice"
    assert remote.counts == before


def test_a_state_of_all_runs_is_no_shard(remote: ModelServer, tmp_path: Path) -> None:
    (shard,) = benches(tmp_path, remote, 1)
    shard.write(group("g", wave(3)))
    assert counts(shard.apply(options=NEW)) == {"triggered": 3}
    whole = replace_shard(shard, None)
    with pytest.raises(StateUnusable, match="shard 1/1"):
        whole.plan()


def replace_shard(bench: Workbench, shard: Shard | None) -> Workbench:
    other = replace(bench, shard=shard)
    other.state_file = bench.state_file
    other.project = bench.project
    return other


def test_moves_are_refused_with_the_way_out(remote: ModelServer, tmp_path: Path) -> None:
    (shard, _) = benches(tmp_path, remote, 2)
    shard.write(group("g", wave(3), moved=[{"from": "h", "to": "g"}]))
    with pytest.raises(UsageError, match="moved") as caught:
        shard.plan()
    assert "adopt" in (caught.value.hint or "")


def test_order_is_refused_with_its_place_and_the_way_out(remote: ModelServer, tmp_path: Path) -> None:
    shards = benches(tmp_path, remote, 2)
    shards[0].write(group("first", wave(9)), file="a.yaml")
    shards[0].write(group("then", [run("a")], dependsOn=[{"group": "first"}]), file="b.yaml")
    with pytest.raises(InvalidInput) as caught:
        shards[0].plan()
    (said,) = caught.value.diagnostics
    file = tmp_path / "manifests" / "b.yaml"
    assert (said.code, Path(said.place.file).name) == ("sharded-order", file.name)
    assert "first" in file.read_text(encoding="utf-8").splitlines()[said.place.line], "the first line of the entry"
    assert "without --shard" in (said.hint or "")
    # The way out.
    for bench in shards:
        bench.apply(options=NEW, paths=[str(tmp_path / "manifests" / "a.yaml")])
    whole = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    whole.wrap = lambda _: remote
    whole.server(log_lag_s=0.0, log_lag_given=True)
    asyncio.run(remote.clock.sleep(remote.lag_s))
    assert counts(whole.apply()) == {"adopted": 9, "triggered": 1}
    assert set(remote.counts.values()) == {1}


ROWS = run("r", forEach={"items": [1, 2, 1]}, key="${{ row }}")


@pytest.mark.parametrize(
    ("runs", "code", "noticed"),
    [
        ([run("a"), run("b"), run("a", body=1)], "duplicate-address", 1),
        ([ROWS], "duplicate-address", 1),
        ([run("a"), run("b", retries=-1)], "too-small", 4),
    ],
)
def test_an_address_that_is_declared_twice_is_noticed_by_its_shard_alone(
    remote: ModelServer, tmp_path: Path, runs: list[dict[str, object]], code: str, noticed: int
) -> None:
    shards = benches(tmp_path, remote, 4)
    shards[0].write(group("g", runs))
    told = []
    for bench in shards:
        try:
            bench.plan(offline=True)
        except InvalidInput as error:
            told.append({said.code for said in error.diagnostics})
    assert told == [{code}] * noticed
    assert {said.code for said in validate(shards[0].project)} == {code}


def test_targets_and_replacements_may_be_another_shards(remote: ModelServer, tmp_path: Path) -> None:
    shards = benches(tmp_path, remote, 3)
    shards[0].write(group("g", wave(3)))
    for bench in shards:
        bench.apply(options=NEW)
    assert sum(len(planned(bench.plan(replace=("g/r001",)))) for bench in shards) == 1
    assert sum(len(planned(bench.plan(replace=("g/r001",), targets=("g/r001",)))) for bench in shards) == 1
    for bench in shards:
        for name in ("g/none1", "g/none2", "g/none3", "g/none4"):
            if bench.shard is not None and bench.shard.covers(place_of("bench", "default", name)):
                with pytest.raises(UsageError):
                    bench.plan(replace=(name,))
            else:
                assert not planned(bench.plan(replace=(name,)))


@pytest.mark.parametrize(
    "rows", [{"matrix": {"n": list(range(9))}}, {"forEach": {"items": [{"n": number} for number in range(9)]}}]
)
def test_each_instance_of_a_generated_recurring_run_belongs_to_one_shard(
    remote: ModelServer, tmp_path: Path, rows: dict[str, object]
) -> None:
    """That is told by the instance's address, not by that of the run: all shards declare all runs."""
    name = "matrix" if "matrix" in rows else "row"
    shards = benches(tmp_path, remote, 3)
    shards[0].write(group("g", [{"name": "r", "key": f"k${{{{ {name}.n }}}}", **rows}], schedule={"cron": "0 * * * *"}))
    for bench in shards:
        bench.apply(options=NEW)
    started = set[str]()
    for hour in range(1, 4):
        asyncio.run(remote.clock.sleep(3600))
        for bench in shards:
            bench.apply()
        started.update(remote.counts)
        assert len(started) == 9 * hour
    assert set(remote.counts.values()) == {1}
