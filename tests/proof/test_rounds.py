"""`apply --wait` in virtual time: through groups and steps to the end."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_server import Fault
from tests.fakes.state_backend import altered
from tests.proof.test_blocking import load, rolled, seed
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.cli.confirm import exit_code_of
from wfdeploy.errors import ExitCode, UsageError, Withheld
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Plan, RequestedAction, Selection
from wfdeploy.operations import plan as planning
from wfdeploy.operations import rollouts, state
from wfdeploy.operations.refresh import refresh
from wfdeploy.planning.consent import needs_consent
from wfdeploy.planning.saved_plan import plan_file_text, save_plan

WAITING = ApplyOptions(wait=True)


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def test_groups_are_released_in_order_until_all_runs_have_ended(bench: VirtualBench) -> None:
    bench.write(seed(), load(), group("last", [run("x")], dependsOn=[{"group": "load"}]))
    asked: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        asked.append(plan)
        return True

    report = bench.apply(options=WAITING, confirm=confirm)
    assert counts(report) == {"triggered": 6}
    assert report.watched == {RunState.SUCCESS: 6}
    assert {result.outcome for result in report.results} == {Outcome.TRIGGERED}
    assert exit_code_of(report) is ExitCode.OK
    assert len(asked) == 1, "what follows was consented to"
    assert len(bench.triggered()) == 6


def test_a_rollout_goes_through_its_steps_and_bakes(bench: VirtualBench) -> None:
    bench.write(rolled())
    began = bench.clock.now_ms()
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"triggered": 10}, {RunState.SUCCESS: 10})
    assert bench.clock.now_ms() - began > 1000 * (3 * 100 + 600)
    with bench.open() as store:
        assert store.rollouts() == {}


def test_what_can_not_go_on_ends_the_wait_and_says_why(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: "seed-s1" in run_id
    bench.write(seed(), load())
    report = bench.apply(options=WAITING)
    assert counts(report) == {"triggered": 3, "blocked": 2}
    assert report.watched == {RunState.SUCCESS: 2, RunState.FAILED: 1}
    assert report.unsettled == "2 blocked; load/l0: waits for group seed: 2 of 3 succeeded, 1 ended otherwise"
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_a_step_that_waits_for_a_person_ends_the_wait(bench: VirtualBench) -> None:
    bench.write(rolled(steps=[{"count": 1, "pauseUntil": "approved"}]))
    report = bench.apply(options=WAITING)
    assert report.unsettled is not None
    assert "wfdeploy rollout approve g" in report.unsettled
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_the_wait_is_bounded(bench: VirtualBench) -> None:
    bench.write(seed())
    report = bench.apply(options=ApplyOptions(wait=True, wait_timeout_s=30.0))
    assert report.unsettled is not None
    assert report.unsettled.startswith("timed out after ")
    assert report.unsettled.endswith(" s (--wait-timeout): 3 runs are still running")
    assert report.watched == {RunState.STARTED: 3}
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_without_anything_to_do_it_waits_for_what_is_going(bench: VirtualBench) -> None:
    bench.write(seed())
    bench.apply()
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"kept": 3}, {RunState.SUCCESS: 3})
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"kept": 3}, {})


# --- nothing but what the first plan held back -----------------------------------------------------------------------


def waits(bench: VirtualBench, *meanwhile: Callable[[], object], **how: Any) -> ApplyReport:
    """`apply --wait`, with what others do meanwhile, one thing before each round but the first."""
    whole, others, rounds = bench.workspace.state_backend, iter(meanwhile), count()

    def lock(timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        if next(rounds) and (other := next(others, None)) is not None:
            with ThreadPoolExecutor(1) as elsewhere:  # it has an event loop of its own
                elsewhere.submit(other).result()
        return whole.lock(timeout_s, on_wait)

    report = bench.apply(options=WAITING, state_backend=altered(whole, lock=lock), **how)
    assert next(others, None) is None, "there were fewer rounds"
    return report


def versions(bench: VirtualBench) -> Counter[str]:
    """How often each run was started, whatever it was."""
    return Counter(run_id.rpartition("-g")[0].rpartition("-")[0] for run_id in bench.remote.counts.elements())


def changed(*runs: str, version: int) -> dict[str, Any]:
    return group("load", [run(name, body=version) for name in runs], dependsOn=[{"group": "seed"}])


def newer(bench: VirtualBench, *groups: dict[str, Any]) -> Callable[[], object]:
    """An apply of a newer commit, in another checkout."""

    def apply() -> None:
        bench.write(*groups)
        bench.apply()

    return apply


def test_a_newer_apply_is_not_undone(bench: VirtualBench) -> None:
    policy = {"onRemove": "cancel"}
    bench.remote.durations_s = (100.0,)
    bench.write(seed(), group("g", [run("a", body=1)], policy=policy))
    later = newer(bench, seed(), group("g", [run("a", body=2), run("b")], policy=policy))
    report = waits(bench, later)
    assert versions(bench) == {"wfr_g-a": 2, "wfr_g-b": 1, **{f"wfr_seed-s{n}": 1 for n in range(3)}}
    assert not any(one.cancelled for one in bench.remote.runs)
    assert report.unsettled is not None
    assert report.unsettled.startswith("another command has changed the state meanwhile")
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_what_a_newer_apply_changed_is_not_released_any_more(bench: VirtualBench) -> None:
    bench.write(seed(), changed("l0", "l1", version=1))
    report = waits(bench, newer(bench, seed(4), changed("l0", version=2)))
    assert not any("load" in run_id for run_id in bench.remote.counts)
    assert report.unsettled is not None
    assert "2 blocked; load/l0: waits for group seed" in report.unsettled
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_looking_and_steering_do_not_end_the_wait(bench: VirtualBench) -> None:
    bench.write(rolled(steps=[{"count": 1, "pauseUntil": "approved"}]), seed())
    report = waits(
        bench,
        lambda: refresh(bench.workspace, (), ()),
        lambda: rollouts.pause(bench.workspace, "g"),
        lambda: rollouts.resume(bench.workspace, "g"),
        lambda: rollouts.approve(bench.workspace, "g"),
    )
    assert counts(report) == {"triggered": 13}
    assert exit_code_of(report) is ExitCode.OK


@pytest.mark.parametrize("what", ["rm", "retrigger", "lost", "restored"])
def test_any_other_change_of_the_state_ends_the_wait(bench: VirtualBench, what: str) -> None:
    bench.write(seed(), load())
    copy = bench.root / "copy.db"

    def meddle() -> None:
        if what == "rm":
            state.remove(bench.workspace, ["seed/s0"])
        elif what == "retrigger":
            bench.apply(requested=RequestedAction.RETRIGGER, targets=("seed/s0",))
        elif what == "lost":
            bench.lose_state()
        else:
            shutil.copy(copy, bench.state_file)

    bench.apply(targets=("seed/s1",))
    shutil.copy(bench.state_file, copy)
    report = waits(bench, meddle)
    assert not any("load" in run_id for run_id in bench.remote.counts)
    assert versions(bench)["wfr_seed-s0"] == 1 + (what == "retrigger")
    assert report.unsettled is not None
    assert "another command has changed the state" in report.unsettled


def test_another_runner_ends_the_wait(bench: VirtualBench) -> None:
    """It has a state of its own, so only the server's listing tells of it."""
    own, other = bench.state_file, bench.state_file.with_name("other.db")
    bench.write(seed(), changed("l0", version=1))

    def elsewhere() -> None:
        bench.state_file = other
        bench.write(seed(), group("load", [run("l0", body=2)]))
        bench.apply()
        bench.state_file = own
        bench.pass_time(60)

    report = waits(bench, elsewhere)
    assert versions(bench)["wfr_load-l0"] == 1, "version 2, which the other runner started"
    assert report.unsettled is not None
    assert report.unsettled.startswith("another runner triggers runs of this project")
    assert exit_code_of(report) is ExitCode.PARTIAL


def save(bench: VirtualBench, selection: Selection) -> Path:
    """A plan that was saved by `wfdeploy plan --out`."""
    file, is_new = bench.root / "tonight.plan", not bench.state_file.exists()
    with planning.planned(bench.workspace, paths=None, selection=selection, offline=False, keep_all=False) as plan:
        save_plan(plan_file_text(plan, paths=None, selection=selection, new_state=is_new), file)
    return file


def test_a_saved_plan_stays_bound(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    bench.remote.badly = lambda run_id: "seed-s1" in run_id
    assert counts(waits(bench, plan_file=save(bench, Selection()))) == {"triggered": 3, "blocked": 2}
    bench.remote.badly = lambda _: False
    with pytest.raises(UsageError):
        waits(bench, plan_file=save(bench, Selection(limit=1)))


def test_what_was_refused_is_not_tried_again_by_the_same_command(bench: VirtualBench) -> None:
    bench.remote.bad = lambda run_id: "seed-s1" in run_id
    bench.write(seed(), load())
    calls: list[int] = []
    report = waits(bench, lambda: calls.append(bench.remote.calls))
    assert counts(report) == {"triggered": 2, "rejected": 1, "blocked": 2}
    assert calls == [bench.remote.calls]


def test_an_instance_that_becomes_due_meanwhile_is_left_to_the_next_apply(bench: VirtualBench) -> None:
    bench.remote.durations_s = (900.0,)
    nightly = group("n", [run("a")], schedule={"cron": "*/10 * * * *", "catchUp": "all"}, dependsOn=[{"group": "seed"}])
    bench.write(seed(), nightly)
    bench.apply()
    bench.pass_time(600)  # one is due now, and blocked
    report = waits(bench)
    assert counts(report)["triggered"] == 1
    assert versions(bench)["wfr_n-a-2026-11-23t14-10-00z"] == 1
    assert counts(bench.apply())["triggered"] > 1, "none is lost"


def test_only_failures_of_what_it_started_are_seen_to(bench: VirtualBench) -> None:
    policy = {"onFailure": {"action": "restart", "maxAttempts": 1}}
    bench.write(group("old", [run("o")], policy=policy))
    bench.apply()
    bench.remote.failing = lambda number: number < 2
    for each in bench.remote.runs:
        each.fails = True
    bench.write(group("old", [run("o")], policy=policy), group("young", [run("y")], policy=policy))
    report = waits(bench)
    assert versions(bench) == {"wfr_old-o": 1, "wfr_young-y": 2}
    assert report.watched == {RunState.FAILED: 1, RunState.SUCCESS: 1}
    assert exit_code_of(report) is ExitCode.PARTIAL
    assert counts(bench.apply())["triggered"] == 1, "the next apply sees to it"


def test_a_replacement_that_had_to_wait_is_released(bench: VirtualBench) -> None:
    bench.write(seed(), load())
    waits(bench)
    bench.write(seed(4), load())
    report = waits(bench, replace=("load/l0",))
    assert counts(report) == {"triggered": 2, "kept": 4}
    assert versions(bench)["wfr_load-l0"] == 2
    assert versions(bench)["wfr_load-l1"] == 1


def test_a_round_that_fails_tells_what_the_others_did(bench: VirtualBench) -> None:
    bench.write(seed(), load())

    def fail() -> None:
        bench.remote.listing_faults = [Fault.LOST_BEFORE]

    report = waits(bench, fail)
    assert counts(report) == {"triggered": 3, "blocked": 2}
    assert report.stopped == "the logs are out of order"
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_manifests_that_change_on_disk_meanwhile_are_not_applied(bench: VirtualBench) -> None:
    schedule = {"cron": "*/10 * * * *"}
    bench.write(seed(), group("n", [run("a", body=1)], schedule=schedule, dependsOn=[{"group": "seed"}]))
    bench.remote.durations_s = (700.0,)
    bench.apply()
    bench.pass_time(600)  # an instance is due, and blocked; it is made anew from the file when its turn comes
    report = waits(
        bench, lambda: bench.write(group("n", [run("a", body=2)], schedule=schedule), group("other", [run("x")]))
    )
    assert not any("other" in run_id for run_id in bench.remote.counts)
    assert counts(report) == {"triggered": 1, "kept": 3}
    assert exit_code_of(report) is ExitCode.OK


def test_a_cancel_by_hand_does_not_end_the_wait(bench: VirtualBench) -> None:
    bench.write(seed(), load("finished"))
    report = waits(bench, lambda: bench.apply(requested=RequestedAction.CANCEL, targets=("seed/s0",)))
    assert counts(report) == {"triggered": 5}
    assert report.watched == {RunState.SUCCESS: 4, RunState.CANCELED: 1}


def test_consent_covers_what_is_released_later(bench: VirtualBench) -> None:
    limited = ApplyOptions(wait=True, max_triggers=4)
    bench.write(seed(), load())
    with pytest.raises(Withheld, match="would trigger 5 runs"):
        bench.apply(options=limited)
    assert counts(bench.apply(options=replace(limited, wait=False))) == {"triggered": 3, "blocked": 2}
    bench.pass_time(120)
    assert counts(bench.apply(options=limited)) == {"triggered": 2, "kept": 3}
    many = [run(f"r{n:03}") for n in range(101)]
    bench.write(group("g", many))
    bench.apply()
    edited = [{**each, "body": 2} for each in many]
    bench.write(group("g", edited, rollout={"steps": [{"count": 1}]}))
    with pytest.raises(Withheld, match="would trigger 101 runs again"):
        bench.apply(options=WAITING)
    assert counts(bench.apply(options=ApplyOptions(wait=True, allow_retrigger=True)))["triggered"] == 101


def test_consent_covers_what_is_cancelled_later(bench: VirtualBench) -> None:
    policy = {"replaceRunning": "cancel"}
    bench.write(seed(), group("g", [run("r0"), run("r1")], policy=policy))
    bench.apply()
    edited = group("g", [run("r0", body=2), run("r1", body=2)], policy=policy, dependsOn=[{"group": "seed"}])
    bench.write(seed(4), edited)
    shown: list[Plan] = []

    def declines(plan: Plan) -> bool:
        shown.append(plan)
        return False

    with pytest.raises(Withheld, match="declined"):
        bench.apply(options=WAITING, confirm=declines)
    assert [needs_consent(plan, Selection()) for plan in shown] == ["cancel 2 runs"]
    with pytest.raises(Withheld, match="declined"):
        bench.apply(confirm=declines)
    assert needs_consent(shown[-1], Selection()) is None, "the next apply will ask for itself"


@pytest.mark.parametrize("what", ["edited", "removed"])
def test_a_newer_apply_that_triggers_nothing_yet_ends_the_wait_too(bench: VirtualBench, what: str) -> None:
    bench.write(seed(), load())
    later = group("load", [run("l0", body=2), run("l1")] if what == "edited" else [run("l1")])
    later["spec"]["dependsOn"] = [{"group": "seed"}]
    report = waits(bench, newer(bench, seed(), later))
    assert not any("load" in run_id for run_id in bench.remote.counts)
    assert report.unsettled is not None
    assert report.unsettled.startswith("another command has changed the state meanwhile")


@pytest.mark.parametrize(
    "otherwise",
    [
        {"dependsOn": [{"group": "seed"}, {"group": "third"}]},
        {"dependsOn": [{"group": "third"}]},
        {"dependsOn": [{"group": "seed", "condition": "finished"}]},
        {"dependsOn": [{"group": "seed"}], "rollout": {"steps": [{"count": 1, "pauseUntil": "approved"}]}},
        {"dependsOn": [{"group": "seed"}], "defaults": {"delay": "5h"}},
        {"dependsOn": [{"group": "seed"}], "defaults": {"flowControl": {"key": "k", "parallelism": 1}}},
    ],
)
def test_a_newer_apply_ends_the_wait_if_the_same_runs_shall_go_otherwise(
    bench: VirtualBench, otherwise: dict[str, Any]
) -> None:
    """By other conditions, or delivered otherwise: what waits is the same."""
    third = group("third", [run("t")], dependsOn=[{"group": "seed"}])
    runs = [run("l0"), run("l1")]
    bench.write(seed(), third, group("load", runs, dependsOn=[{"group": "seed"}]))
    report = waits(bench, newer(bench, seed(), third, group("load", runs, **otherwise)))
    assert not any("load" in run_id for run_id in bench.remote.counts)
    assert report.unsettled is not None
    assert report.unsettled.startswith("another command has changed the state meanwhile")
    assert exit_code_of(report) is ExitCode.PARTIAL


def test_applies_of_the_same_commit_do_not_end_the_wait(bench: VirtualBench) -> None:
    bench.write(seed(), load(), group("last", [run("x")], dependsOn=[{"group": "load"}]))
    report = waits(bench, bench.apply, lambda: bench.apply(targets=("seed/*",)), bench.apply)
    assert (counts(report), report.watched) == ({"triggered": 6}, {RunState.SUCCESS: 6})
