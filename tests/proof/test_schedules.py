"""Recurring groups over days of reconciles: each instance once, none missed, none twice."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, planned, run
from wfdeploy.errors import InvalidInput, UsageError, WfdeployError
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import RequestedAction
from wfdeploy.model.project import Shard
from wfdeploy.model.state import Origin
from wfdeploy.operations.rendering import render

HOURLY = {"cron": "0 * * * *"}
_REFUSALS = (Fault.UNAUTHORISED, Fault.REFUSED, Fault.REFUSED_IN_ODD_WORDS, Fault.TOO_LARGE)


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench() as bench:
        yield bench


def recurring(*runs: dict[str, Any], name: str = "n", schedule: dict[str, Any] = HOURLY, **spec: Any) -> dict[str, Any]:
    return group(name, list(runs or (run("a"),)), schedule=schedule, **spec)


def begin(bench: VirtualBench, *groups: dict[str, Any]) -> None:
    """Declare it, and let it be seen for the first time."""
    bench.write(*groups)
    bench.apply()
    assert bench.triggered() == []


def test_every_due_instance_is_triggered_once(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a", body={"at": "${{ schedule.time }}"}), run("b")))
    bench.at("2026-11-23T14:59:59Z")
    assert planned(bench.plan()) == {}
    bench.at("2026-11-23T15:00:00Z")
    assert planned(bench.plan()) == {"n/a@2026-11-23T15:00:00Z": "trigger", "n/b@2026-11-23T15:00:00Z": "trigger"}
    assert counts(bench.apply()) == {"triggered": 2}
    assert counts(bench.apply()) == {}
    assert bench.triggered() == ["n-a-2026-11-23t15-00-00z", "n-b-2026-11-23t15-00-00z"]
    with bench.open() as store:
        (first, _) = store.records()
        assert '"at":"2026-11-23T15:00:00Z"' in first.request


def test_a_plan_without_anything_due_looks_at_no_run_and_asks_nobody(bench: VirtualBench) -> None:
    begin(bench, recurring(history={"keep": 5}))
    for hour in range(15, 20):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    bench.remote.listing_faults = [Fault.CRASH_BEFORE]
    bench.pass_time(60)
    plan = bench.plan()
    assert (plan.verified, list(plan.changes), plan.notes) == (True, [], ("next instances: n at 2026-11-23T20:00:00Z",))
    assert counts(bench.apply()) == {}
    assert bench.remote.listing_faults, "nobody was asked"


def test_edits_change_the_instances_to_come_and_no_others(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a", body=1)))
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.write(recurring(run("a", body=2), run("b")))
    assert counts(bench.apply()) == {}
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"triggered": 2}
    bench.write(recurring(run("b"), schedule={"cron": "30 16 * * *"}))
    assert counts(bench.apply()) == {}
    bench.at("2026-11-23T16:30:00Z")
    assert counts(bench.apply()) == {"triggered": 1}
    assert len(bench.triggered()) == 4


@pytest.mark.parametrize(("catch_up", "hours"), [("last", [18]), ("all", [15, 16, 17, 18]), ("none", [])])
def test_what_was_missed_is_made_up_for_as_declared(bench: VirtualBench, catch_up: str, hours: list[int]) -> None:
    begin(bench, recurring(schedule={**HOURLY, "catchUp": catch_up}))
    bench.at("2026-11-23T18:45:00Z")
    plan = bench.plan()
    assert (len(plan.notes) == 2) is (catch_up != "all"), plan.notes
    bench.apply()
    assert bench.triggered() == [f"n-a-2026-11-23t{hour}-00-00z" for hour in hours]
    bench.apply()
    assert len(bench.triggered()) == len(hours), "what was skipped stays skipped"
    bench.at("2026-11-23T19:10:00Z")
    bench.apply()
    assert len(bench.triggered()) == len(hours) + 1


def test_a_start_in_the_past_is_caught_up_with(bench: VirtualBench) -> None:
    schedule = {
        "cron": "0 0 * * *",
        "startAt": "2026-11-20T00:00:00Z",
        "endAt": "2026-11-25T00:00:00Z",
        "catchUp": "all",
    }
    bench.write(recurring(schedule=schedule))
    assert counts(bench.apply()) == {"triggered": 4}
    bench.at("2026-11-30T00:00:00Z")
    assert counts(bench.apply()) == {"triggered": 2}
    assert counts(bench.apply()) == {}


def test_an_instance_is_skipped_while_an_earlier_one_is_going() -> None:
    with virtual_bench(duration_s=5400.0) as bench:
        begin(bench, recurring(schedule={**HOURLY, "concurrency": "skip"}))
        for hour in range(15, 19):
            bench.at(f"2026-11-23T{hour}:01:00Z")
            plan = bench.plan()
            bench.apply()
            if hour in (16, 18):
                assert plan.notes[0] == (
                    f"n/a@2026-11-23T{hour}:00:00Z is skipped: n/a@2026-11-23T{hour - 1}:00:00Z is still running "
                    "(concurrency: skip)"
                )
        assert bench.triggered() == ["n-a-2026-11-23t15-00-00z", "n-a-2026-11-23t17-00-00z"]
        bench.at("2026-11-23T18:59:00Z")
        bench.apply()
        assert len(bench.triggered()) == 2, "what was skipped is not made up for"


def test_history_keeps_the_newest_and_nothing_becomes_due_again(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a"), run("b"), history={"keep": 2}, schedule={**HOURLY, "catchUp": "all"}))
    for hour in range(15, 21):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    bench.pass_time(60)
    bench.apply()
    with bench.open() as store:
        assert [key.address[-20:-7] for key in store.record_keys()] == ["2026-11-23T19", "2026-11-23T20"] * 2
        assert store.history(None) == []
    assert len(bench.triggered()) == 12
    assert counts(bench.apply()) == {}


def test_a_lost_state_begins_with_the_newest_instance_on_the_server(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a"), run("b"), schedule={**HOURLY, "catchUp": "all"}))
    for hour in (15, 16, 17):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    bench.at("2026-11-23T18:30:00Z")
    for file in bench.state_file.parent.iterdir():
        file.unlink()
    assert counts(bench.apply()) == {"adopted": 6, "triggered": 2}
    assert len(bench.triggered()) == 8
    assert counts(bench.apply()) == {}


def test_a_stale_state_takes_over_what_it_missed(bench: VirtualBench) -> None:
    begin(bench, recurring(schedule={**HOURLY, "catchUp": "all"}))
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    copy = bench.root / "copy.db"
    shutil.copy(bench.state_file, copy)
    for hour in (16, 17):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    shutil.copy(copy, bench.state_file)
    bench.at("2026-11-23T18:00:00Z")
    assert counts(bench.apply()) == {"adopted": 2, "triggered": 1}
    assert len(bench.triggered()) == 4


def test_a_renamed_group_keeps_its_instances_and_what_is_decided(bench: VirtualBench) -> None:
    begin(bench, recurring(schedule={**HOURLY, "catchUp": "all"}))
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.write(recurring(name="m", schedule={**HOURLY, "catchUp": "all"}, moved=[{"from": "n", "to": "m"}]))
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"kept": 1, "triggered": 1}, "the server lists what the state knows by its old name"
    with bench.open() as store:
        assert [(record.address, record.origin) for record in store.records()] == [
            ("m/a@2026-11-23T15:00:00Z", Origin.TRIGGERED),
            ("m/a@2026-11-23T16:00:00Z", Origin.TRIGGERED),
        ]
    assert counts(bench.apply()) == {}


@pytest.mark.parametrize("name", ["a", "A"])
def test_a_renamed_run_keeps_its_instances(bench: VirtualBench, name: str) -> None:
    begin(bench, recurring(run(name), schedule={**HOURLY, "catchUp": "all"}))
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    moves = [{"from": f"n/{name}", "to": "n/renamed"}]
    bench.write(recurring(run("renamed"), schedule={**HOURLY, "catchUp": "all"}, moved=moves))
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"kept": 1, "triggered": 1}


def test_what_is_limited_or_targeted_stays_due(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a"), run("b"), schedule={**HOURLY, "catchUp": "all"}))
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply(limit=1)) == {"triggered": 1, "blocked": 1}
    assert counts(bench.apply(targets=("n/a*",))) == {"kept": 1}
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"triggered": 3}
    assert len(bench.triggered()) == 4


def test_an_instance_that_was_refused_is_tried_again(bench: VirtualBench) -> None:
    begin(bench, recurring())
    bench.remote.bad = lambda run_id: "t15-" in run_id
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply()) == {"rejected": 1}
    bench.at("2026-11-23T16:00:00Z")
    bench.remote.bad = lambda _: False
    assert counts(bench.apply()) == {"triggered": 2}


def test_an_instance_that_can_not_be_made_is_told(bench: VirtualBench) -> None:
    begin(bench, recurring(run("a", body="${{ {'2000': 1}[schedule.time[:4]] }}")))
    bench.at("2026-11-23T15:00:00Z")
    with pytest.raises(InvalidInput) as error:
        bench.plan()
    (told,) = error.value.diagnostics
    assert (told.code, told.address) == ("undefined-field", "n/a")


def test_a_failed_instance_is_restarted_as_the_policy_says(bench: VirtualBench) -> None:
    policy = {"onFailure": {"action": "restart", "maxAttempts": 1}}
    begin(bench, recurring(run("a", body="${{ schedule.date }}"), run("b"), policy=policy))
    bench.remote.badly = lambda run_id: "n-a-" in run_id and "-g1-" in run_id
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.pass_time(60)
    assert planned(bench.plan()) == {"n/a@2026-11-23T15:00:00Z": "restart"}
    assert counts(bench.apply())["triggered"] == 1
    bench.pass_time(60)
    assert counts(bench.apply()) == {}
    assert sorted(run_id.rpartition("-g")[2][0] for run_id in bench.remote.counts) == ["1", "1", "2"]


def test_shards_share_the_instances(bench: VirtualBench) -> None:
    schedule = {**HOURLY, "catchUp": "all"}
    runs = [run(name) for name in "abcdef"]
    files = {index: bench.root / ".wfdeploy" / "state" / f"{index}.db" for index in (1, 2)}
    for moment in ("2026-11-23T14:30:00Z", "2026-11-23T16:30:00Z"):
        bench.at(moment)
        bench.write(recurring(*runs, schedule=schedule))
        for index, file in files.items():
            bench.shard, bench.state_file = Shard(index, 2), file
            bench.apply(options=ApplyOptions(create_state=True))
    assert len(bench.triggered()) == 12


def test_an_instance_can_be_rendered_before_its_time(bench: VirtualBench) -> None:
    bench.write(recurring(run("a", body="${{ schedule.time }}"), run("b")), group("other", [run("a")]))
    with load_manifests(bench.project) as manifests:
        (one,) = render(manifests, "n/a@2030-01-01T00:00:00Z")
        assert (one.address, one.fields["body"]) == ("n/a@2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z")
        assert len(list(render(manifests, "n/*@2030-01-01T00:00:00Z"))) == 2
        with pytest.raises(UsageError):
            list(render(manifests, "other/a@2030-01-01T00:00:00Z"))


@pytest.mark.parametrize("seed", range(12))
def test_days_of_trouble(seed: int) -> None:
    """Lost answers, crashes, pauses: every instance that was not skipped for good was started once."""
    chance = random.Random(seed)
    faults = [fault for fault in Fault if fault not in _REFUSALS]
    with virtual_bench(duration_s=chance.choice([0.5, 100.0])) as bench:
        bench.server(max_batch_items=chance.choice([1, 3]))
        schedule = {"cron": "*/20 * * * *", "catchUp": "all"}
        runs = [run(name, body="${{ schedule.time }}") for name in "abc"]
        begin(bench, recurring(*runs, schedule=schedule, history={"keep": 3}))
        started = bench.clock.now_ms()
        for _ in range(60):
            bench.pass_time(chance.choice([30, 300, 300, 3000]))
            bench.remote.faults = [chance.choice(faults) for _ in range(chance.choice([0, 0, 0, 1, 3]))]
            if chance.random() < 0.3:
                with dying():
                    bench.apply_and_die(chance.randint(1, 5), after=chance.random() < 0.5)
                continue
            with dying():
                try:
                    bench.apply(options=ApplyOptions(timeout_s=chance.choice([0.0, 300.0])))
                except WfdeployError:
                    continue
        bench.remote.faults = []
        bench.pass_time(600)
        for _ in range(4):
            bench.apply()
            bench.pass_time(30)
        with bench.open() as store:
            decided_s = store.schedules()["n"]
        assert bench.clock.now_ms() / 1000 - decided_s < 1200 + 60, f"seed {seed}"
        assert len(bench.triggered()) == (decided_s // 1200 - started // 1_200_000) * 3, f"seed {seed}"


# --- a lost state, and what was made up for ---------------------------------------------------------------------------

BACKLOG = {"cron": "0 * * * *", "catchUp": "all", "startAt": "2026-11-22T18:00:00Z"}
"""By 14:00 on the 23rd, 21 times have come."""


def lose_state(bench: VirtualBench) -> None:
    bench.pass_time(30)
    for file in bench.state_file.parent.iterdir():
        file.unlink()


def half_sent(bench: VirtualBench, *groups: dict[str, Any], sent: Callable[[int], bool] = lambda n: n % 3 > 0) -> int:
    """A backlog of which only some was sent, newer and older ones, by a process that died; and its state is lost."""
    bench.server(max_batch_items=1)
    bench.write(*groups)
    bench.remote.faults = [Fault.NONE if sent(number) else Fault.LOST_BEFORE for number in range(19)]
    bench.remote.faults.append(Fault.CRASH_BEFORE)
    with dying():
        bench.apply(options=ApplyOptions(timeout_s=6.0, concurrency=30))
    bench.remote.faults = []
    started = len(bench.triggered())
    lose_state(bench)
    return started


def test_each_instance_of_a_backlog_stands_for_itself(bench: VirtualBench) -> None:
    started = half_sent(bench, recurring(run("a", body="${{ schedule.time }}"), schedule=BACKLOG))
    assert 0 < started < 21
    assert counts(bench.apply()) == {"adopted": started, "triggered": 21 - started}
    assert len(bench.triggered()) == 21
    assert counts(bench.apply()) == {}


def test_so_does_each_of_several_runs_and_what_was_refused(bench: VirtualBench) -> None:
    bench.remote.bad = lambda run_id: "t05-" in run_id
    half_sent(bench, recurring(run("a"), run("b"), schedule=BACKLOG, history={"keep": 2}))
    assert counts(bench.apply())["rejected"] == 2
    bench.remote.bad = lambda _: False
    bench.apply()
    assert len(bench.triggered()) == 42
    for _ in range(3):
        bench.pass_time(60)
        assert "triggered" not in counts(bench.apply()), "what history.keep has dropped is not due again"


def test_so_it_is_under_a_new_name(bench: VirtualBench) -> None:
    half_sent(bench, recurring(run("a"), schedule=BACKLOG))
    bench.write(recurring(run("b"), name="m", schedule=BACKLOG, moved=[{"from": "n/a", "to": "m/b"}]))
    bench.apply()
    assert len(bench.triggered()) == 21
    lose_state(bench)
    bench.write(recurring(run("b"), name="m", schedule=BACKLOG, moved=[{"from": "n/a", "to": "m/b"}]))
    assert "triggered" not in counts(bench.apply())


def test_a_backlog_in_shards(bench: VirtualBench) -> None:
    runs = [run(name) for name in "abcdef"]
    create = ApplyOptions(create_state=True)
    bench.server(max_batch_items=1)
    bench.write(recurring(*runs, schedule=BACKLOG))
    for trial in range(2):
        for index in (1, 2):
            bench.shard, bench.state_file = Shard(index, 2), bench.root / ".wfdeploy" / "state" / f"{index}.db"
            bench.remote.faults = [] if trial else [Fault.LOST_BEFORE, Fault.NONE, Fault.LOST_BEFORE]
            bench.apply(options=replace(create, timeout_s=300.0 if trial else 6.0))
        lose_state(bench)
    assert len(bench.triggered()) == 21 * 6


def test_what_the_logs_have_forgotten_is_taken_as_triggered(bench: VirtualBench) -> None:
    daily = {"cron": "0 3 * * *", "catchUp": "all", "startAt": "2026-11-01T00:00:00Z"}
    bench.write(recurring(schedule=daily))
    assert counts(bench.apply()) == {"triggered": 23}
    for day in range(24, 30):
        bench.at(f"2026-11-{day}T04:00:00Z")
        bench.apply()
    assert len(bench.triggered()) == 29
    bench.at("2026-11-30T04:00:00Z")
    lose_state(bench)
    bench.remote.runs = [each for each in bench.remote.runs if each.created_ms > bench.clock.now_ms() - 3 * 86_400_000]
    known = len(bench.triggered())
    assert counts(bench.apply()) == {"adopted": known, "triggered": 1}
    lose_state(bench)
    assert any("is taken as triggered" in note for note in bench.plan().notes)


def test_a_forgotten_time_of_which_a_part_is_known_is_told_too(bench: VirtualBench) -> None:
    """Each time has one known instance, and another that was never triggered."""
    bench.write(recurring(run("a"), run("b"), schedule=BACKLOG))
    bench.apply(limit=21)
    bench.pass_time(60)
    lose_state(bench)
    assert not any("is taken as triggered" in note for note in bench.plan().notes)
    bench.server(log_retention_s=6 * 3600.0)
    notes = bench.plan().notes
    left = counts(bench.apply())
    assert 0 < left["triggered"] < 21
    assert any("is taken as triggered" in note for note in notes)


def test_without_a_beginning_it_goes_on_from_the_newest(bench: VirtualBench) -> None:
    begin(bench, recurring(schedule={**HOURLY, "catchUp": "all"}))
    bench.at("2026-11-23T16:00:00Z")
    bench.apply()
    bench.write(recurring(schedule={"cron": "*/10 * * * *", "catchUp": "all"}))
    lose_state(bench)
    assert counts(bench.apply()) == {"adopted": 2}, "nothing was due by the schedule that there was then"


def test_times_of_an_edited_cron_before_the_edit_are_not_due_after_a_lost_state(bench: VirtualBench) -> None:
    spec = {"catchUp": "all", "startAt": "2026-11-23T12:00:00Z"}
    bench.write(recurring(schedule={"cron": "0 * * * *", **spec}))
    bench.apply()
    for minute in (0, 10):
        bench.at(f"2026-11-23T16:{minute:02}:00Z")
        bench.apply()
    bench.write(recurring(schedule={"cron": "30 * * * *", **spec}))
    bench.at("2026-11-23T18:45:00Z")
    bench.apply()
    started = bench.triggered()
    assert len(started) == 5 + 3
    lose_state(bench)
    assert not any("taken as triggered" in note for note in bench.plan().notes)
    assert counts(bench.apply()) == {"adopted": 8}
    assert bench.triggered() == started


def test_what_concurrency_skipped_is_not_made_up_for_after_a_lost_state() -> None:
    with virtual_bench(duration_s=5400.0) as bench:
        schedule = {"cron": "0 * * * *", "catchUp": "all", "startAt": "2026-11-23T14:00:00Z", "concurrency": "skip"}
        bench.write(recurring(schedule=schedule))
        for hour in range(14, 18):
            bench.at(f"2026-11-23T{hour}:01:00Z")
            bench.apply()
        assert bench.triggered() == ["n-a-2026-11-23t14-00-00z", "n-a-2026-11-23t16-00-00z"]
        bench.at("2026-11-23T17:20:00Z")
        lose_state(bench)
        bench.apply()
        assert len(bench.triggered()) == 2


# --- one at a time ---------------------------------------------------------------------------------------------------


def test_a_refused_instance_has_no_others_skipped(bench: VirtualBench) -> None:
    begin(bench, recurring(schedule={**HOURLY, "concurrency": "skip"}))
    bench.remote.bad = lambda run_id: "t15-" in run_id
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply()) == {"rejected": 1}
    for hour in range(16, 20):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        assert counts(bench.apply())["triggered"] == 1
    assert bench.triggered() == [f"n-a-2026-11-23t{hour}-00-00z" for hour in range(16, 20)]


def test_a_refused_instance_is_tried_again_until_the_next_is_due(bench: VirtualBench) -> None:
    bench.remote.durations_s = (900.0,)
    begin(bench, recurring(run("a"), run("b"), schedule={**HOURLY, "concurrency": "skip"}))
    bench.remote.bad = lambda _: True
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply()) == {"rejected": 2}
    bench.remote.bad = lambda run_id: "n-a-" in run_id
    bench.pass_time(60)
    assert counts(bench.apply()) == {"triggered": 1, "rejected": 1}
    bench.remote.bad = lambda _: False
    bench.at("2026-11-23T16:00:00Z")
    notes = bench.plan().notes
    assert notes[0] == (
        "n/a@2026-11-23T15:00:00Z is skipped: it was refused, and n/a@2026-11-23T16:00:00Z is due (concurrency: skip)"
    )
    assert counts(bench.apply())["triggered"] == 2
    for _ in range(3):
        bench.pass_time(600)
        assert "triggered" not in counts(bench.apply()), "what was skipped stays skipped"
    with bench.open() as store:
        assert list(store.attempts()) == []


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_an_instance_whose_outcome_is_open_is_going(bench: VirtualBench, fault: Fault) -> None:
    bench.remote.durations_s = (5000.0,)
    begin(bench, recurring(schedule={**HOURLY, "concurrency": "skip"}))
    bench.at("2026-11-23T15:59:57Z")
    bench.remote.faults = [fault]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 1}
    bench.at("2026-11-23T16:00:00Z")
    bench.apply()
    assert bench.triggered() == ["n-a-2026-11-23t15-00-00z"]


# --- a group under another name --------------------------------------------------------------------------------------


def moved(name: str, *moves: tuple[str, str], **spec: Any) -> dict[str, Any]:
    return recurring(name=name, moved=[{"from": origin, "to": to} for origin, to in moves], **spec)


def test_a_refused_instance_that_was_skipped_stays_skipped_under_another_name(bench: VirtualBench) -> None:
    bench.remote.durations_s = (900.0,)
    skipping = {**HOURLY, "concurrency": "skip"}
    begin(bench, recurring(schedule=skipping))
    bench.remote.bad = lambda _: True
    bench.at("2026-11-23T15:00:00Z")
    assert counts(bench.apply()) == {"rejected": 1}
    bench.remote.bad = lambda _: False
    bench.write(moved("n2", ("n", "n2"), schedule=skipping))
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply())["triggered"] == 1
    with bench.open() as store:
        assert list(store.attempts()) == []
    bench.pass_time(1800)
    assert "triggered" not in counts(bench.apply())


@pytest.mark.parametrize("way", ["apply", "targeted", "retrigger", "chain"])
def test_what_is_decided_moves_with_the_name_of_a_group(bench: VirtualBench, way: str) -> None:
    spec: dict[str, Any] = {"schedule": {**HOURLY, "catchUp": "all"}, "history": {"keep": 2}}
    bench.write(recurring(**spec), group("other", [run("x")]))
    for hour in (14, 15, 16, 17, 18):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    moves = [("n", "m")] if way != "chain" else [("n", "k"), ("k", "m")]
    bench.write(moved("m", *moves, **spec), group("other", [run("x")]))
    bench.pass_time(60)
    if way in ("apply", "chain"):
        assert "triggered" not in counts(bench.apply()), "there is nothing to do but to rename"
    elif way == "targeted":
        bench.apply(targets=("other/*",))
    else:
        bench.apply(requested=RequestedAction.RETRIGGER, targets=("other/x",))
    with bench.open() as store:
        assert store.schedules().keys() == {"m"}
    bench.write(recurring(name="m", **spec), group("other", [run("x")]))
    bench.at("2026-11-23T20:30:00Z")
    assert counts(bench.apply())["triggered"] == 2
    assert [slug for slug in bench.triggered() if slug.startswith("m-")] == [
        "m-a-2026-11-23t19-00-00z",
        "m-a-2026-11-23t20-00-00z",
    ]


def test_what_was_skipped_stays_skipped_under_another_name(bench: VirtualBench) -> None:
    spec: dict[str, Any] = {"schedule": {**HOURLY, "startAt": "2026-11-23T10:00:00Z"}}
    begin(bench, recurring(schedule={**HOURLY, "startAt": "2026-11-23T15:00:00Z"}))
    bench.at("2026-11-23T15:30:00Z")
    bench.apply()
    bench.write(moved("m", ("n", "m"), **spec))
    bench.apply()
    bench.write(recurring(name="m", schedule={**spec["schedule"], "catchUp": "all"}))
    bench.apply()
    assert bench.triggered() == ["n-a-2026-11-23t15-00-00z"]


def test_runs_that_are_moved_one_by_one_take_along_what_is_decided(bench: VirtualBench) -> None:
    spec: dict[str, Any] = {
        "schedule": {**HOURLY, "catchUp": "all", "startAt": "2026-11-23T14:00:00Z"},
        "history": {"keep": 1},
    }
    bench.write(recurring(run("a"), run("b"), **spec))
    for hour in (15, 16, 17, 18):
        bench.at(f"2026-11-23T{hour}:00:00Z")
        bench.apply()
    bench.pass_time(60)
    bench.apply()
    assert len(bench.triggered()) == 10
    bench.write(recurring(run("b"), **spec), moved("m", ("n/a", "m/a"), **spec))
    bench.apply()
    bench.write(recurring(run("b"), **spec), recurring(run("a"), name="m", **spec))
    bench.at("2026-11-23T19:00:00Z")
    assert counts(bench.apply())["triggered"] == 2
    assert len(bench.triggered()) == 12, "what history.keep has dropped is not due again under another name"


def test_a_name_that_is_given_to_another_group_begins_anew(bench: VirtualBench) -> None:
    spec: dict[str, Any] = {"schedule": {**HOURLY, "catchUp": "all"}}
    begin(bench, recurring(**spec))
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.write(moved("m", ("n", "m"), **spec))
    bench.apply()
    bench.at("2026-11-23T20:30:00Z")
    bench.write(recurring(name="m", **spec), recurring(run("z"), **spec))
    bench.apply()
    assert not any(slug.startswith("n-z") for slug in bench.triggered())
