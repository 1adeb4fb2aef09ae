"""What the simulated fleet found, each as the smallest case that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.model_server import Fault
from tests.proof.test_blocking import load, rolled, seed
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.model.event import Outcome
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import RequestedAction

HOURLY = {"cron": "0 * * * *", "catchUp": "all"}


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def lose_state(bench: VirtualBench) -> None:
    bench.pass_time(60)
    for file in bench.state_file.parent.iterdir():
        file.unlink()


def test_an_apply_about_others_leaves_a_rollout_alone(bench: VirtualBench) -> None:
    bench.write(rolled(), group("other", [run("a")]))
    assert counts(bench.apply(targets=("g/*",))) == {"triggered": 2, "blocked": 8}
    assert counts(bench.apply(targets=("other/*",))) == {"triggered": 1}
    assert counts(bench.apply()) == {"blocked": 8, "kept": 3}


def test_how_far_a_rollout_is_does_not_depend_on_what_an_apply_is_about(bench: VirtualBench) -> None:
    bench.write(rolled(steps=[{"count": 2}, {"percent": 50}]))
    bench.apply()
    bench.pass_time(120)
    left = sorted({f"g/r{index:02}" for index in range(10)} - {f"g/{slug[2:]}" for slug in bench.triggered()})
    bench.apply(targets=(left[0],))
    bench.pass_time(120)
    bench.apply()
    assert len(bench.triggered()) == 5, "a step is a share of all runs"


def test_a_renamed_group_goes_on_with_its_rollout(bench: VirtualBench) -> None:
    bench.write(rolled())
    bench.apply()
    spec: Any = rolled()["spec"]
    bench.write(group("h", spec.pop("runs"), **spec, moved=[{"from": "g", "to": "h"}]))
    assert counts(bench.apply()) == {"blocked": 8, "kept": 2}
    assert counts(bench.apply()) == {"blocked": 8, "kept": 2}
    bench.pass_time(120)
    assert counts(bench.apply()) == {"triggered": 3, "blocked": 5, "kept": 2}
    with bench.open() as store:
        assert store.rollouts().keys() == {"h"}


def test_a_canary_whose_answer_was_lost_has_not_succeeded(bench: VirtualBench) -> None:
    bench.write(group("other", [run("a")]))
    bench.apply()
    bench.write(rolled(steps=[{"count": 2}, {"percent": 50}]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 2, "blocked": 8, "kept": 1}
    bench.pass_time(60)
    assert counts(bench.apply()) == {"triggered": 2, "blocked": 8, "kept": 1}


def test_dependents_wait_for_a_group_that_was_renamed(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    bench.apply()
    sown = {**seed(moved=[{"from": "seed", "to": "sown"}]), "metadata": {"name": "sown"}}
    bench.write(sown, load(on="sown"))
    assert counts(bench.apply()) == {"blocked": 2, "kept": 3}
    bench.pass_time(120)
    assert counts(bench.apply())["triggered"] == 2


def test_batches_held_back_are_sent_in_the_end_and_told_of(bench: VirtualBench) -> None:
    """Three batches lost in a row hold up all others, until it is known what became of the three."""
    bench.server(max_batch_items=1)
    for version, lost in enumerate((3, 4, 5, 6, 9), start=1):
        bench.write(group("g", [run(f"r{index:02}", body=version) for index in range(12)]))
        bench.remote.faults = [Fault.LOST_BEFORE] * lost
        report = bench.apply(options=ApplyOptions(concurrency=2))
        assert sum(counts(report).values()) == 12, f"what was not sent is told of: {counts(report)}"
        assert lost > 3 or counts(report) == {"triggered": 12}
        bench.remote.faults = []
        bench.apply()
        assert len(bench.remote.counts) == 12 * version


def nightly(*, name: str = "n", **spec: Any) -> dict[str, Any]:
    return group(name, [run("a")], schedule={**HOURLY, **spec.pop("schedule", {})}, **spec)


def test_an_adopted_instance_that_has_ended_holds_no_other_up(bench: VirtualBench) -> None:
    bench.write(nightly(schedule={"concurrency": "skip"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    lose_state(bench)
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"adopted": 1, "triggered": 1}


def test_a_schedule_goes_on_though_the_first_apply_on_a_new_state_was_about_others(bench: VirtualBench) -> None:
    bench.write(nightly(), group("other", [run("a")]))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    lose_state(bench)
    bench.at("2026-11-23T17:30:00Z")
    bench.apply(targets=("other/*",))
    bench.at("2026-11-23T18:30:00Z")
    bench.apply()
    assert bench.triggered() == [
        "n-a-2026-11-23t15-00-00z",
        *(f"n-a-2026-11-23t{hour}-00-00z" for hour in (16, 17, 18)),
        "other-a",
    ]


def test_an_instance_is_skipped_while_one_is_going_under_a_former_name() -> None:
    with virtual_bench(duration_s=5400.0) as bench:
        skips = {"concurrency": "skip"}
        bench.write(nightly(schedule=skips))
        bench.apply()
        bench.at("2026-11-23T15:00:00Z")
        bench.apply()
        bench.write(nightly(name="m", schedule=skips, moved=[{"from": "n", "to": "m"}]))
        bench.at("2026-11-23T16:00:00Z")
        bench.apply()
        assert bench.triggered() == ["n-a-2026-11-23t15-00-00z"]


def test_an_instance_is_skipped_while_the_resume_of_one_is_going(bench: VirtualBench) -> None:
    """Its answer was lost, so the record is still that of the run that failed."""
    bench.remote.durations_s = (100.0, 90_000.0)
    bench.remote.failing = lambda number: number == 0
    bench.write(nightly(schedule={"concurrency": "skip"}, policy={"onFailure": "resume"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.pass_time(600)
    bench.remote.faults = [Fault.LOST_AFTER]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    bench.at("2026-11-23T16:00:00Z")
    bench.apply()
    assert len(bench.remote.runs) == 2


def test_a_resume_that_never_arrived_skips_no_instance(bench: VirtualBench) -> None:
    """Somebody may have dealt with the dead letter by now: then nothing would run."""
    bench.remote.durations_s = (100.0, 90_000.0)
    bench.remote.failing = lambda number: number == 0
    bench.write(nightly(schedule={"concurrency": "skip"}, policy={"onFailure": "resume"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.pass_time(600)
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply()) == {"triggered": 1, "resumed": 1}
    bench.pass_time(600)
    bench.at("2026-11-23T17:00:00Z")
    bench.apply()
    assert len(bench.remote.runs) == 3


def test_an_instance_is_skipped_while_a_resume_that_the_state_never_knew_is_going(bench: VirtualBench) -> None:
    """The restored state is from before the resume; the listing shows both runs."""
    bench.remote.durations_s = (100.0, 90_000.0)
    bench.remote.failing = lambda number: number == 0
    bench.write(nightly(schedule={"concurrency": "skip"}, policy={"onFailure": "resume"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.pass_time(600)
    copy = bench.state_file.read_bytes()
    assert counts(bench.apply()) == {"resumed": 1}
    lose_state(bench)
    bench.state_file.write_bytes(copy)
    bench.at("2026-11-23T16:00:00Z")
    bench.apply()
    assert len(bench.remote.runs) == 2


def test_a_restart_by_hand_starts_no_instance_that_is_to_be_skipped() -> None:
    with virtual_bench(duration_s=90_000.0) as bench:
        bench.write(nightly(schedule={"concurrency": "skip"}))
        bench.apply()
        bench.at("2026-11-23T15:00:00Z")
        bench.apply()
        bench.at("2026-11-23T16:00:00Z")
        bench.apply(targets=("n/*",), requested=RequestedAction.RESTART)
        assert bench.triggered() == ["n-a-2026-11-23t15-00-00z"]


def test_a_resumed_instance_is_known_again_under_its_new_name(bench: VirtualBench) -> None:
    """The label of a resume is made of the name that its run had then."""
    bench.remote.failing = lambda number: number == 0
    spec: dict[str, Any] = {"schedule": {"endAt": "2026-11-23T15:00:00Z"}, "policy": {"onFailure": "resume"}}
    bench.write(nightly(**spec))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.pass_time(200)
    assert counts(bench.apply()) == {"resumed": 1}
    lose_state(bench)
    bench.pass_time(4 * 86_400)  # its dead letter would be gone, so a failed run would be restarted
    bench.server(log_retention_s=30 * 86_400.0)
    bench.write(nightly(name="m", **spec, moved=[{"from": "n", "to": "m"}]))
    bench.apply()
    bench.apply()
    assert len(bench.remote.runs) == 2


@pytest.mark.parametrize("is_restored", [False, True])
def test_resumes_before_a_restart_count_where_the_state_forgot_them(bench: VirtualBench, *, is_restored: bool) -> None:
    bench.remote.failing = lambda _: True
    bench.server(log_retention_s=60 * 86_400.0)
    bench.write(group("g", [run("a")], policy={"onFailure": {"action": "resume", "maxAttempts": 2}}))
    bench.apply()
    bench.pass_time(200)
    assert counts(bench.apply()) == {"resumed": 1}
    copy = bench.state_file.read_bytes()
    bench.pass_time(4 * 86_400)
    assert counts(bench.apply()) == {"triggered": 1}, "its dead letter is too old: the second attempt is a restart"
    lose_state(bench)
    if is_restored:
        bench.state_file.write_bytes(copy)
    for _ in range(3):
        bench.pass_time(4 * 86_400)
        bench.apply()
    assert len(bench.remote.runs) == 3


@pytest.mark.parametrize("is_declared", [False, True])
@pytest.mark.parametrize("is_forgotten", [False, True], ids=["the logs tell", "the logs have forgotten"])
def test_a_run_that_the_listing_shows_is_not_told_as_that_of_a_lost_answer(
    bench: VirtualBench, *, is_declared: bool, is_forgotten: bool
) -> None:
    """The restored state is from before the address was triggered otherwise."""
    bench.server(log_retention_s=30 * 86_400.0)
    other = group("other", [run("a")])
    bench.write(other)
    bench.apply()
    bench.write(other, group("g", [run("a", body=1)]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    copy = bench.state_file.read_bytes()
    bench.pass_time(20 * 86_400)
    bench.write(other, group("g", [run("a", body=2)]))
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    (newest,) = (one.run_id for one in bench.remote.runs if one.body == "2")
    lose_state(bench)
    bench.state_file.write_bytes(copy)
    bench.pass_time((15 if is_forgotten else 5) * 86_400)
    bench.write(other, *([group("g", [run("a", body=2)])] if is_declared else []))
    (result,) = (one for one in bench.apply().results if one.address == "g/a")
    if is_forgotten:
        assert (result.outcome, result.workflow_run_id != newest) == (Outcome.UNKNOWN, True)
    else:
        assert (result.outcome, result.workflow_run_id) == (Outcome.ADOPTED, newest)
    with bench.open() as store:
        assert [record.workflow_run_id for record in store.records(["g/a"])] == [newest]
        assert len(list(store.attempts())) == is_forgotten


def test_a_renamed_run_whose_answer_is_not_known_is_not_called_forgotten(bench: VirtualBench) -> None:
    bench.server(log_retention_s=30 * 86_400.0)
    bench.write(group("other", [run("a")]))
    bench.apply()
    bench.write(group("other", [run("a")]), group("g", [run("a")]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    bench.pass_time(40 * 86_400)
    bench.write(group("other", [run("a")]), group("g", [run("b")], moved=[{"from": "g/a", "to": "g/b"}]))
    assert counts(bench.apply())["unknown"] == 1
