"""Groups in order, and rollouts, over many reconciles in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import InvalidInput, WfdeployError
from wfdeploy.model.blocking import RolloutMode
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Action, Refresh
from wfdeploy.model.project import Shard
from wfdeploy.operations import rollouts
from wfdeploy.planning.blocking.rollouts import rank


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def seed(runs: int = 3, body: int = 1, **spec: object) -> dict[str, object]:
    return group("seed", [run(f"s{index}", body=body) for index in range(runs)], **spec)


def load(condition: str = "succeeded", on: str = "seed", **spec: object) -> dict[str, object]:
    return group("load", [run("l0"), run("l1")], dependsOn=[{"group": on, "condition": condition}], **spec)


def reasons(bench: VirtualBench) -> dict[str, str]:
    return {change.address: change.reason for change in bench.plan().changes if change.action is Action.BLOCKED}


# --- order -----------------------------------------------------------------------------------------------------------


def test_a_group_waits_until_the_one_before_has_succeeded(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    assert set(reasons(bench).values()) == {"waits for group seed: 0 of 3 triggered"}
    assert counts(bench.apply()) == {"triggered": 3, "blocked": 2}
    assert counts(bench.apply()) == {"blocked": 2, "kept": 3}
    assert set(reasons(bench).values()) == {"waits for group seed: 0 of 3 succeeded"}
    bench.pass_time(120)
    assert reasons(bench) == {}
    assert counts(bench.apply()) == {"triggered": 2, "kept": 3}
    assert counts(bench.apply()) == {"kept": 5}


def test_a_failed_run_holds_those_up_that_want_success(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: "seed-s1" in run_id
    bench.write(seed(), load(), group("report", [run("r")], dependsOn=[{"group": "seed", "condition": "finished"}]))
    bench.apply()
    bench.pass_time(120)
    assert set(reasons(bench).values()) == {"waits for group seed: 2 of 3 succeeded, 1 ended otherwise"}
    assert counts(bench.apply())["triggered"] == 1, "the report alone"
    assert any("report-r" in run_id for run_id in bench.remote.counts)


def test_triggered_is_enough_where_it_is_what_is_asked_for(bench: VirtualBench) -> None:
    bench.write(seed(), load("triggered"))
    assert counts(bench.apply()) == {"triggered": 3, "blocked": 2}
    assert counts(bench.apply()) == {"triggered": 2, "kept": 3}


def test_a_run_that_waits_to_be_replaced_fulfils_nothing(bench: VirtualBench) -> None:
    """While its predecessor runs, the new version waits (`replaceRunning: wait`), and so does whoever waits for it."""

    def write(version: int) -> None:
        first = group("seed", [run("s0", body=version)], policy={"replaceRunning": "wait"})
        depends = [{"group": "seed", "condition": "triggered"}]
        bench.write(first, group("load", [run("l0", body=version)], dependsOn=depends))

    write(1)
    bench.apply()
    bench.apply()
    write(2)
    assert counts(bench.apply()) == {"blocked": 2}
    assert reasons(bench)["load/l0"] == "waits for group seed: 0 of 1 triggered"
    bench.pass_time(120)
    assert counts(bench.apply()) == {"triggered": 1, "blocked": 1}
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}


def test_a_failed_run_that_waits_for_its_restart_was_triggered(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: "seed" in run_id
    care = {"onFailure": {"action": "restart", "maxAttempts": 1, "backoff": "1h"}}
    bench.write(seed(1, policy=care))
    bench.apply()
    bench.pass_time(120)
    bench.write(seed(1, policy=care), load("triggered"))
    assert counts(bench.apply())["triggered"] == 2


def test_what_was_started_is_not_taken_back_and_new_runs_wait_again(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    bench.apply()
    bench.pass_time(120)
    bench.apply()
    bench.write(seed(4), load())
    assert counts(bench.apply()) == {"triggered": 1, "kept": 5}
    changed = group("load", [run("l0", body=1), run("l1")], dependsOn=[{"group": "seed"}])
    bench.write(seed(4), changed)
    assert reasons(bench) == {"load/l0": "waits for group seed: 3 of 4 succeeded"}
    bench.pass_time(120)
    assert counts(bench.apply())["triggered"] == 1


def test_a_group_that_was_not_loaded_is_judged_by_its_records(bench: VirtualBench) -> None:
    bench.write(load())
    with pytest.raises(InvalidInput) as error:
        bench.plan()
    assert error.value.diagnostics[0].code == "unknown-group"
    bench.write(seed())
    bench.apply()
    bench.write(load(), file="load.yaml")
    selected = [str(bench.root / "manifests" / "load.yaml")]
    assert set(reasons_of(bench, selected)) == {"waits for group seed: 0 of 3 succeeded"}
    bench.pass_time(120)
    assert reasons_of(bench, selected) == []


def reasons_of(bench: VirtualBench, paths: list[str]) -> list[str]:
    from wfdeploy.model.plan import Selection
    from wfdeploy.operations import plan as planning

    selection = Selection()
    with planning.planned(bench.workspace, paths=paths, selection=selection, offline=False, keep_all=False) as plan:
        return [change.reason for change in plan.changes if change.action is Action.BLOCKED]


def test_the_newest_instance_of_a_recurring_group_counts(bench: VirtualBench) -> None:
    nightly = group("nightly", [run("n")], schedule={"cron": "0 * * * *"})
    bench.write(nightly, load(on="nightly"))
    bench.apply()
    assert set(reasons(bench).values()) == {"waits for group nightly: 0 of 1 triggered"}
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    assert set(reasons(bench).values()) == {"waits for group nightly: 0 of 1 succeeded"}
    bench.pass_time(120)
    assert counts(bench.apply())["triggered"] == 2


def test_a_blocked_instance_stays_due(bench: VirtualBench) -> None:
    schedule = {"cron": "0 * * * *", "catchUp": "all"}
    bench.write(seed(), group("n", [run("a")], schedule=schedule, dependsOn=[{"group": "seed"}]))
    bench.apply()
    for hour in (15, 16):
        bench.remote.durations_s = (100000.0,)
        bench.at(f"2026-11-23T{hour}:00:00Z")
        if hour == 15:
            bench.write(seed(4), group("n", [run("a")], schedule=schedule, dependsOn=[{"group": "seed"}]))
        assert counts(bench.apply())["blocked"] == hour - 14
    bench.pass_time(200000)
    assert counts(bench.apply())["triggered"] > 2


def test_shards_know_too_little_to_wait(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    bench.shard = Shard(1, 2)
    with pytest.raises(InvalidInput) as error:
        bench.plan()
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["sharded-order"]


def test_shards_know_too_little_to_skip(bench: VirtualBench) -> None:
    """The instances of one run belong to several shards, none of which knows whether another's is going."""
    bench.write(group("n", [run("a")], schedule={"cron": "0 * * * *", "concurrency": "skip"}), seed())
    bench.shard = Shard(1, 2)
    with pytest.raises(InvalidInput) as error:
        bench.plan()
    (problem,) = error.value.diagnostics
    assert (problem.code, problem.address) == ("sharded-skip", "n")


def test_in_a_shard_a_lost_attempt_of_a_run_that_nobody_declares_is_decided(bench: VirtualBench) -> None:
    """It was kept for good, and each apply listed from it on."""
    bench.shard = Shard(1, 1)
    bench.write(group("g", [run("b")]))
    bench.apply(options=ApplyOptions(create_state=True))
    bench.write(group("g", [run("a"), run("b")]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 1, "kept": 1}
    bench.write(group("g", [run("b")]))
    bench.pass_time(1000)
    bench.apply()
    with bench.open() as store:
        assert list(store.attempts()) == []
    assert counts(bench.apply()) == {"kept": 1}
    assert bench.triggered() == ["g-b"]


# --- rollouts --------------------------------------------------------------------------------------------------------


def rolled(runs: int = 10, version: int = 1, **rollout: object) -> dict[str, object]:
    spec = {"steps": [{"count": 2}, {"percent": 50, "bake": "10m"}], **rollout}
    return group("g", [run(f"r{index:02}", body=version) for index in range(runs)], rollout=spec)


def test_cron_reconciles_advance_a_rollout(bench: VirtualBench) -> None:
    bench.write(rolled())
    first = sorted(f"g/r{index:02}" for index in range(10))
    first = sorted(sorted(first, key=rank)[:2])
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 8}
    with bench.open() as store:
        assert [key.address for key in store.record_keys()] == first
    assert set(reasons(bench).values()) == {"rollout, step 1 of 2: 0 of 2 succeeded"}
    assert counts(bench.apply()) == {"blocked": 8, "kept": 2}
    bench.pass_time(120)
    assert counts(bench.apply()) == {"triggered": 3, "blocked": 5, "kept": 2}
    bench.pass_time(120)
    assert counts(bench.apply()) == {"blocked": 5, "kept": 5}
    assert set(reasons(bench).values()) == {"rollout, step 2 of 2: bakes 10 min more"}
    bench.pass_time(601)
    assert counts(bench.apply()) == {"triggered": 5, "kept": 5}
    bench.apply()
    with bench.open() as store:
        assert (store.rollouts(), store.members("g")) == ({}, {})
        serial = store.head().serial
    assert counts(bench.apply()) == {"kept": 10}
    with bench.open() as store:
        assert store.head().serial == serial


def test_a_failed_canary_stops_it(bench: VirtualBench) -> None:
    bench.write(rolled(maxFailures=0))
    bench.remote.badly = lambda _: True
    bench.apply()
    bench.pass_time(120)
    assert counts(bench.apply())["blocked"] == 8
    with bench.open() as store:
        assert store.rollouts()["g"].mode is RolloutMode.STOPPED
    bench.write(rolled(version=2, maxFailures=0))
    bench.remote.badly = lambda _: False
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 8}, "what was changed is tried anew"


def test_a_manifest_without_a_rollout_ends_it(bench: VirtualBench) -> None:
    bench.write(rolled())
    bench.apply()
    bench.write(group("g", [run(f"r{index:02}", body=1) for index in range(10)]))
    assert counts(bench.apply()) == {"triggered": 8, "kept": 2}
    with bench.open() as store:
        assert store.rollouts() == {}


@pytest.mark.parametrize("seed_", range(8))
def test_trouble_never_lets_more_go_than_a_step_allows(seed_: int) -> None:
    chance = random.Random(seed_)
    faults = [fault for fault in Fault if fault is not Fault.UNAUTHORISED]
    with virtual_bench(duration_s=60.0) as bench:
        bench.server(max_batch_items=chance.choice([1, 3]))
        before, begun, started = 0, 0, 0
        for turn in range(40):
            bench.write(rolled(10 + turn // 10))
            bench.pass_time(chance.choice([10, 100, 400]))
            bench.remote.faults = [chance.choice(faults) for _ in range(chance.choice([0, 0, 1, 3]))]
            with dying(), suppress(WfdeployError):
                if chance.random() < 0.3:
                    bench.apply_and_die(chance.randint(1, 5), after=chance.random() < 0.5)
                else:
                    bench.apply(options=ApplyOptions(timeout_s=chance.choice([0.0, 300.0])))
            if not bench.state_file.exists():
                continue
            with bench.open() as store:
                progress = store.rollouts().get("g")
                members = store.members("g")
            earlier, started = started, len(bench.triggered())
            if progress is not None:
                if progress.started_at_ms != begun:  # for runs that were added after the end of another
                    begun, before = progress.started_at_ms, earlier
                runs = 10 + turn // 10
                assert len(members) <= {0: 2, 1: (runs + 1) // 2}.get(progress.step, runs), f"seed {seed_}"
                assert started - before <= len(members), f"seed {seed_}"
        bench.remote.faults = []
        for _ in range(12):
            bench.pass_time(700)
            bench.apply()
        assert len(bench.triggered()) == 13, f"seed {seed_}"


# --- a rollout whose runs all wait for something else ----------------------------------------------------------------


def dependent(version: int = 1, runs: int = 6, **spec: Any) -> dict[str, Any]:
    """A rollout of one run at a time in a group that depends on `seed`."""
    rollout = {"steps": [{"count": 1, "pauseUntil": "finished"}], **spec.pop("rollout", {})}
    return group(
        "g", [run(f"r{n}", body=version) for n in range(runs)], rollout=rollout, dependsOn=[{"group": "seed"}], **spec
    )


def started(bench: VirtualBench) -> int:
    return sum(run_id.startswith("wfr_g-") for run_id in bench.remote.counts)


@pytest.mark.parametrize("how", ["paused", "aborted", "stopped"])
def test_a_rollout_is_not_forgotten_while_all_of_it_waits_for_a_group(bench: VirtualBench, how: str) -> None:
    bench.write(seed(), dependent(rollout={"maxFailures": 0}))
    bench.remote.badly = lambda run_id: how == "stopped" and run_id.startswith("wfr_g-")
    bench.apply()
    bench.pass_time(120)
    bench.apply()
    assert started(bench) == 1
    if how != "stopped":
        (rollouts.pause if how == "paused" else rollouts.abort)(bench.workspace, "g")
    bench.pass_time(120)
    bench.apply()
    bench.write(seed(body=2), dependent(rollout={"maxFailures": 0}))  # the dependency is edited
    bench.apply()
    assert set(reasons(bench).values()) == {"waits for group seed: 0 of 3 succeeded"}
    for _ in range(3):
        bench.pass_time(120)
        bench.apply()
    assert started(bench) == 1
    assert f"rollout {how}" in next(iter(reasons(bench).values()))
    rollouts.resume(bench.workspace, "g")
    bench.remote.badly = lambda _: False
    for _ in range(4):
        bench.pass_time(120)
        bench.apply()
    assert started(bench) == 6


def test_a_step_is_not_exceeded_while_its_runs_wait_for_their_predecessors() -> None:
    with virtual_bench(duration_s=1000.0) as bench:
        policy = {"replaceRunning": "wait"}
        names = [f"r{n}" for n in range(6)]
        bench.write(group("g", [run(name, body=1) for name in names], policy=policy))
        bench.apply()
        rollout = {"steps": [{"count": 1}]}
        bench.write(group("g", [run(name, body=2) for name in names], policy=policy, rollout=rollout))
        for _ in range(3):
            bench.pass_time(300)
            bench.apply()
        assert started(bench) == 6
        bench.pass_time(200)  # now all of them have ended
        bench.apply()
        assert started(bench) == 7
        rollouts.pause(bench.workspace, "g")
        bench.write(group("g", [run(name, body=3) for name in names], policy=policy, rollout=rollout))
        bench.apply()
        bench.pass_time(1200)
        bench.apply()
        assert started(bench) == 7, "what a person paused stays so, also for what is edited meanwhile"
        rollouts.resume(bench.workspace, "g")
        bench.apply()
        assert started(bench) == 8
        bench.apply()
        assert started(bench) == 8


def test_runs_that_wait_count_for_how_much_a_step_is(bench: VirtualBench) -> None:
    """Half of four are two, though two of the four can't start now."""
    bench.remote.durations_s = (100_000.0,)
    policy = {"replaceRunning": "wait"}
    bench.write(group("g", [run("old", body=1), run("older", body=1)], policy=policy))
    bench.apply()
    runs = [run("old", body=2), run("older", body=2), run("a"), run("b")]
    bench.write(group("g", runs, policy=policy, rollout={"steps": [{"percent": 50}]}))
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 2}


def test_a_run_let_go_without_a_record_has_not_succeeded(bench: VirtualBench) -> None:
    bench.write(rolled(steps=[{"count": 2}]))
    bench.remote.bad = lambda run_id: run_id.startswith("wfr_g-")
    assert counts(bench.apply())["rejected"] == 2
    # The two that were let go are given to a group that waits, so nothing of theirs is to be started now.
    bench.remote.bad = lambda _: False
    bench.write(group("z", [run("x")]), rolled(steps=[{"count": 2}]))
    bench.remote.durations_s = (100_000.0,)
    bench.apply(targets=("z/*",))
    spec: Any = rolled(steps=[{"count": 2}])["spec"]
    runs = spec.pop("runs")
    bench.write(group("z", [run("x")]), group("g", runs, dependsOn=[{"group": "z"}], **spec))
    for _ in range(3):
        bench.pass_time(600)
        bench.apply()
    assert started(bench) == 0
    with bench.open() as store:
        assert store.rollouts()["g"].step == 0


def test_what_people_decided_stays_when_all_is_started(bench: VirtualBench) -> None:
    bench.write(rolled())
    bench.apply()
    rollouts.pause(bench.workspace, "g")
    members = {key.address for key in bench.open().record_keys()}
    left = [run(address.partition("/")[2], body=1) for address in sorted(members)]
    spec: Any = rolled()["spec"]
    bench.write(group("g", left, rollout=spec["rollout"]))
    bench.pass_time(120)
    bench.apply()
    bench.write(rolled())
    bench.apply()
    assert started(bench) == 2
    assert set(reasons(bench).values()) == {"rollout paused; `wfdeploy rollout resume g` goes on"}


# --- the order of recurring groups -----------------------------------------------------------------------------------


def nightly(name: str, *on: str, cron: str = "0 2 * * *", condition: str = "succeeded", **spec: Any) -> dict[str, Any]:
    depends = [{"group": other, "condition": condition} for other in on]
    more = {"dependsOn": depends} if depends else {}
    schedule = {"cron": cron, **spec.pop("schedule", {})}
    return group(name, spec.pop("runs", [run("r")]), schedule=schedule, **more, **spec)


def instances(bench: VirtualBench, name: str) -> list[str]:
    """The times of a group's instances that were started."""
    return sorted(slug.partition("-r-")[2] for slug in bench.triggered() if slug.startswith(f"{name}-r-"))


@pytest.mark.parametrize("condition", ["triggered", "finished", "succeeded"])
def test_tonights_report_waits_for_tonights_load(bench: VirtualBench, condition: str) -> None:
    bench.write(nightly("load"), nightly("report", "load", condition=condition))
    bench.apply()
    for night in range(1, 5):
        bench.at(f"2026-11-{23 + night}T02:00:00Z")
        assert counts(bench.apply()) == {"triggered": 1, "blocked": 1}
        assert (len(instances(bench, "load")), len(instances(bench, "report"))) == (night, night - 1)
        if condition != "triggered":
            assert counts(bench.apply()) == {"blocked": 1}
        bench.pass_time(120)
        assert counts(bench.apply()) == {"triggered": 1}
        assert len(instances(bench, "report")) == night


def test_so_it_does_in_one_command_and_through_a_chain(bench: VirtualBench) -> None:
    bench.write(nightly("a"), nightly("b", "a"), nightly("c", "b"))
    bench.apply()
    for night in range(1, 4):
        bench.at(f"2026-11-{23 + night}T02:00:00Z")
        report = bench.apply(options=ApplyOptions(wait=True))
        assert counts(report) == {"triggered": 3}
        began = {each.run_id.partition("-r-")[0]: each.created_ms for each in bench.remote.runs[-3:]}
        assert began["wfr_a"] + 100_000 <= began["wfr_b"]
        assert began["wfr_b"] + 100_000 <= began["wfr_c"]


def test_schedules_that_differ_wait_for_the_newest_instance(bench: VirtualBench) -> None:
    bench.write(nightly("load", cron="0 2 * * *"), nightly("report", "load", cron="0 * * * *"))
    bench.apply()
    bench.at("2026-11-24T02:00:00Z")
    bench.apply()
    assert reasons(bench) == {"report/r@2026-11-24T02:00:00Z": "waits for group load: 0 of 1 succeeded"}
    bench.at("2026-11-24T03:00:00Z")
    assert counts(bench.apply()) == {"triggered": 1}
    bench.at("2026-11-25T02:00:00Z")  # of both, and of the load alone it is the first since
    assert counts(bench.apply()) == {"triggered": 1, "blocked": 1}
    assert len(instances(bench, "load")) == 2


def test_an_instance_that_was_refused_or_lost_is_the_newest(bench: VirtualBench) -> None:
    bench.write(nightly("load"), nightly("report", "load"))
    bench.apply()
    bench.at("2026-11-24T02:00:00Z")
    bench.apply()
    bench.pass_time(120)
    bench.apply()
    bench.remote.bad = lambda run_id: "load" in run_id
    bench.at("2026-11-25T02:00:00Z")
    assert counts(bench.apply()) == {"rejected": 1, "blocked": 1}
    assert counts(bench.apply()) == {"rejected": 1, "blocked": 1}
    bench.remote.bad = lambda _: False
    bench.remote.faults = [Fault.LOST_AFTER]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 1, "blocked": 1}
    bench.pass_time(20)
    assert counts(bench.apply())["blocked"] == 1
    bench.pass_time(120)
    assert counts(bench.apply()) == {"triggered": 1}
    assert len(instances(bench, "report")) == 2


def test_a_run_that_is_added_or_blocked_counts_too(bench: VirtualBench) -> None:
    hold = group("hold", [run("x")])
    bench.write(nightly("load"), nightly("report", "load"))
    bench.apply()
    bench.at("2026-11-24T02:00:00Z")
    bench.apply()
    bench.pass_time(120)
    bench.apply()
    bench.remote.durations_s = (100_000.0,)
    bench.write(hold, nightly("load", "hold"), nightly("report", "load"))
    bench.apply()
    bench.at("2026-11-25T02:00:00Z")
    assert counts(bench.apply())["blocked"] == 2
    assert set(reasons(bench).values()) == {
        "waits for group hold: 0 of 1 succeeded",
        "waits for group load: 0 of 1 triggered",
    }


def test_a_recurring_group_that_is_not_loaded_is_judged_by_its_newest_instances(bench: VirtualBench) -> None:
    bench.write(nightly("load"))
    bench.apply()
    bench.remote.badly = lambda run_id: "24t02" in run_id
    for night in (24, 25):
        bench.at(f"2026-11-{night}T02:00:00Z")
        bench.apply()
        bench.pass_time(120)
        bench.apply(refresh=Refresh.ALL)
    bench.write(group("report", [run("r")], dependsOn=[{"group": "load"}]), file="report.yaml")
    assert reasons_of(bench, [str(bench.root / "manifests" / "report.yaml")]) == []


def test_a_rollout_moves_with_the_name_of_its_group(bench: VirtualBench) -> None:
    bench.write(rolled())
    bench.remote.bad = lambda _: True
    bench.apply()  # two are let go, and refused
    rollouts.pause(bench.workspace, "g")
    spec: Any = rolled()["spec"]
    runs = spec.pop("runs")
    bench.write(group("h", runs, **spec, moved=[{"from": "g", "to": "h"}]))
    bench.apply()
    bench.write(group("h", runs, **spec))
    bench.remote.bad = lambda _: False
    bench.apply()
    with bench.open() as store:
        assert store.rollouts().keys() == {"h"}
        assert {address.partition("/")[0] for address in store.members("h")} == {"h"}
        assert len(store.members("h")) == 2
        assert not store.members("g")
    assert set(reasons(bench).values()) == {"rollout paused; `wfdeploy rollout resume h` goes on"}
    rollouts.resume(bench.workspace, "h")
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 8}
