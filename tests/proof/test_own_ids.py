"""Workflow run ids that authors give: a changed one triggers the run again, and a run is never taken for another one
that has, or had, the same id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.model_server import Fault, ModelRun, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import InvalidInput, Withheld
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import ABSENT, Action, FieldChange, RequestedAction
from wfdeploy.model.state import AttemptStatus
from wfdeploy.operations.state import move

RUNNING_S = 100.0


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=RUNNING_S) as bench:
        yield bench


def declare(bench: VirtualBench, policy: dict[str, Any] | None = None, **own_ids: str | None) -> None:
    """Runs `g/a`, `g/b` with these ids; None for one with a derived id."""
    runs = [
        run(name, body={"of": name}, **({} if own_id is None else {"workflowRunId": own_id}))
        for name, own_id in own_ids.items()
    ]
    groups = [group("g", runs, policy=policy or {})] if runs else []
    bench.write(*groups, group("always", [run("there")]))


def begin(bench: VirtualBench) -> None:
    """A state that is the latest, and knows nothing of g."""
    declare(bench)
    bench.apply()
    bench.pass_time(10)


def started(bench: VirtualBench) -> list[tuple[str, str]]:
    """What the server started for g: bodies and ids, in order. Nothing twice under one identity."""
    assert set(bench.remote.counts.values()) <= {1}
    runs = [one for one in bench.remote.runs if "of" in one.body]
    return [(one.body[len('{"of":"') : -len('"}')], one.run_id if "wfr_" not in one.run_id else "") for one in runs]


def lose_state(bench: VirtualBench) -> None:
    for file in bench.state_file.parent.iterdir():
        file.unlink()


def test_a_changed_id_triggers_the_run_again(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    assert counts(bench.apply()) == {"kept": 2}
    declare(bench, a="two")
    (change,) = bench.plan().changes
    assert (change.action, change.reason) == (Action.RETRIGGER, "its workflowRunId changed")
    assert change.diff == (FieldChange("workflowRunId", "one", "two"),)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert started(bench) == [("a", "one"), ("a", "two")]
    assert not bench.plan().has_changes


def test_an_id_that_is_given_or_given_up_triggers_the_run_again(bench: VirtualBench) -> None:
    for own_id, old, new in ((None, ABSENT, ABSENT), ("one", ABSENT, "one"), (None, "one", ABSENT)):
        declare(bench, a=own_id)
        diff = bench.plan().changes[-1].diff
        assert diff == (() if old is new else (FieldChange("workflowRunId", old, new),))
        assert counts(bench.apply())["triggered"] >= 1
        assert not bench.plan().has_changes
        bench.pass_time(RUNNING_S)
    assert started(bench) == [("a", ""), ("a", "one"), ("a", "")]


def test_an_id_that_was_used_before_starts_another_run(bench: VirtualBench) -> None:
    for own_id in ("one", "two", "one"):
        declare(bench, a=own_id)
        bench.apply()
        bench.pass_time(RUNNING_S)
    assert started(bench) == [("a", "one"), ("a", "two"), ("a", "one")]
    with bench.open() as store:
        (record,) = store.records(["g/a"])
    assert (record.workflow_run_id, record.generation) == ("one", 2)


def test_the_prefix_makes_no_other_id(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    declare(bench, a="wfr_one")
    assert not bench.plan().has_changes


@pytest.mark.parametrize("since_s", [1.0, 20.0], ids=["in the time that the logs may lag", "later"])
@pytest.mark.parametrize("refuses", [False, True])
def test_swapped_ids_start_both_runs_once_they_are_free(bench: VirtualBench, since_s: float, refuses: bool) -> None:
    bench.remote.duplicates_are_errors = refuses
    declare(bench, a="one", b="two")
    bench.apply()
    bench.pass_time(since_s)
    declare(bench, a="two", b="one")
    report = bench.apply()
    assert not set(counts(report)) & {"triggered", "deduplicated"}, "the ids are those of the other run"
    assert len(started(bench)) == 2
    for _ in range(3):
        bench.pass_time(RUNNING_S)
        bench.apply()
    assert sorted(started(bench)) == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]
    assert not bench.plan().has_changes


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.LOST_LATE, Fault.CRASH_AFTER])
def test_a_lost_answer_is_not_cleared_by_the_run_that_had_the_id(bench: VirtualBench, fault: Fault) -> None:
    bench.remote.durations_s = (1.0,)
    declare(bench, a="one", b="two")
    bench.apply()
    bench.pass_time(2)
    declare(bench, a="two", b="one")
    bench.remote.faults = [fault]
    with dying():
        bench.apply(options=ApplyOptions(timeout_s=0.0))
    bench.pass_time(100)
    bench.apply()
    assert sorted(started(bench)) == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]
    assert not bench.plan().has_changes


def test_an_id_that_was_handed_on_is_not_taken_for_the_new_owners_run(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    declare(bench, b="one")
    assert counts(bench.apply()) == {"rejected": 1, "kept": 2}
    bench.pass_time(RUNNING_S)
    assert counts(bench.apply())["triggered"] == 1
    assert started(bench) == [("a", "one"), ("b", "one")]


@pytest.mark.parametrize("handed_on", [{"a": "two", "b": "one"}, {"b": "one"}, {"a": None, "b": "one"}])
def test_with_the_state_lost_each_is_told_apart(bench: VirtualBench, handed_on: dict[str, str | None]) -> None:
    declare(bench, a="one", b="two")
    bench.apply()
    bench.pass_time(RUNNING_S)
    lose_state(bench)
    declare(bench, None, **handed_on)
    bench.apply()
    expected = sorted((name, own_id or "") for name, own_id in handed_on.items())
    assert sorted(started(bench)[2:]) == expected
    bench.pass_time(RUNNING_S)
    assert not bench.plan().has_changes


def test_with_the_state_lost_nothing_that_stayed_is_triggered(bench: VirtualBench) -> None:
    declare(bench, a="one", b="two")
    bench.apply()
    bench.pass_time(RUNNING_S)
    declare(bench, a="three", b="two")
    bench.apply()
    bench.pass_time(RUNNING_S)
    lose_state(bench)
    assert counts(bench.apply()) == {"adopted": 3}
    assert started(bench) == [("a", "one"), ("b", "two"), ("a", "three")]


def test_with_the_state_lost_an_edit_is_not_dropped(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a", body=1, workflowRunId="one")]))
    bench.apply()
    bench.pass_time(RUNNING_S)
    lose_state(bench)
    bench.write(group("g", [run("a", body=2, workflowRunId="one")]))
    with pytest.raises(InvalidInput) as caught:
        bench.apply()
    assert [problem.code for problem in caught.value.diagnostics] == ["same-run-id"]
    bench.write(group("g", [run("a", body=2, workflowRunId="two")]))
    assert counts(bench.apply()) == {"triggered": 1}


def test_a_stale_state_does_not_take_a_later_run_of_the_id_for_the_recorded_one(bench: VirtualBench) -> None:
    """The same body under the same id, at another address: only what goes with the run tells them apart."""
    bench.write(group("g", [run("a", workflowRunId="one")]))
    bench.apply()
    bench.pass_time(RUNNING_S)
    copy = bench.state_file.with_name("copy.db")
    with sqlite3.connect(bench.state_file) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    bench.write(group("g", [run("b", workflowRunId="one")]))
    bench.apply(options=ApplyOptions(allow_retrigger=True))
    bench.pass_time(RUNNING_S)
    lose_others = [file for file in bench.state_file.parent.iterdir() if file != copy]
    for file in lose_others:
        file.unlink()
    copy.rename(bench.state_file)
    bench.apply(options=ApplyOptions(allow_retrigger=True))
    assert len(bench.remote.runs) == 2
    assert set(bench.remote.counts.values()) == {1}


def test_a_stale_state_remembers_a_run_whose_id_another_run_had_before(bench: VirtualBench) -> None:
    """Where the state knows the id as that of a former run, the run that got it later isn't that one."""
    begin(bench)
    for own_id in ("one", "two"):
        declare(bench, a=own_id)
        bench.apply()
        bench.pass_time(RUNNING_S)
    with sqlite3.connect(bench.state_file) as source, sqlite3.connect(bench.root / "copy.db") as target:
        source.backup(target)
    declare(bench, a="two", b="one")
    bench.apply()
    bench.pass_time(RUNNING_S)
    lose_state(bench)
    (bench.root / "copy.db").rename(bench.state_file)
    for own_ids in ({"a": "two", "c": None}, {"a": "two", "b": "one"}):
        declare(bench, None, **own_ids)
        bench.apply()
        bench.pass_time(RUNNING_S)
    assert started(bench) == [("a", "one"), ("a", "two"), ("b", "one"), ("c", "")]


# --- what earlier builds sent, without the label that identifies it ------------------------------------------------


def unlabelled(bench: VirtualBench) -> None:
    for index, one in enumerate(bench.remote.runs):
        bench.remote.runs[index] = replace(one, labels=one.labels[:1])


def test_what_nothing_is_known_of_is_an_error(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    bench.pass_time(RUNNING_S)
    unlabelled(bench)
    lose_state(bench)
    for ask in (bench.plan, bench.apply):
        with pytest.raises(InvalidInput) as caught:
            ask()
        (problem,) = caught.value.diagnostics
        assert (problem.code, problem.address) == ("taken-run-id", "g/a")
    assert len(started(bench)) == 1


def test_a_person_says_that_it_is_the_run(bench: VirtualBench) -> None:
    test_what_nothing_is_known_of_is_an_error(bench)
    bench.adopt(targets=("g/a",))
    bench.apply()
    assert len(started(bench)) == 1
    assert not bench.plan().has_changes


def test_or_gives_it_another_id(bench: VirtualBench) -> None:
    test_what_nothing_is_known_of_is_an_error(bench)
    declare(bench, a="two")
    bench.apply()
    assert started(bench) == [("a", "one"), ("a", "two")]
    assert not bench.plan().has_changes
    bench.pass_time(RUNNING_S)
    declare(bench, a="one")
    with pytest.raises(InvalidInput):  # it is remembered
        bench.apply()


def test_an_upgrade_triggers_nothing(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    declare(bench, a=None)
    plain = bench.plan(replace=("g/a",)).changes[-1].fingerprint
    unlabelled(bench)
    connection = sqlite3.connect(bench.state_file)
    connection.execute("UPDATE records SET fingerprint = ? WHERE address = 'g/a'", (plain,))
    connection.execute("DELETE FROM tallies")
    connection.commit()
    connection.close()
    declare(bench, a="two")
    assert bench.plan().changes[-1].action is Action.RETRIGGER
    declare(bench, a="one")
    assert not bench.plan().has_changes
    assert counts(bench.apply()) == {"kept": 2}
    with bench.open() as store:
        (record,) = store.records(["g/a"])
    assert record.fingerprint.startswith("2:")


def test_an_open_attempt_of_an_earlier_build_is_found(bench: VirtualBench) -> None:
    begin(bench)
    declare(bench, a="one")
    bench.remote.faults = [Fault.LOST_AFTER]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    unlabelled(bench)
    bench.pass_time(RUNNING_S)
    bench.apply()
    assert started(bench) == [("a", "one")]


# --- cancels -------------------------------------------------------------------------------------------------------


def test_a_cancel_does_not_hit_the_run_that_has_the_id_now(bench: VirtualBench) -> None:
    declare(bench, {"onRemove": "cancel"}, a="one")
    bench.adopt()  # by hand, so that it isn't known when its run began
    bench.write(group("g", [run("b", body={"of": "b"}, workflowRunId="one")], policy={"onRemove": "keep"}))
    bench.apply()
    bench.write(group("g", [run("b", body={"of": "b"}, workflowRunId="one")], policy={"onRemove": "cancel"}))
    bench.apply()
    bench.apply(requested=RequestedAction.CANCEL, targets=("g/a",))
    assert [one.cancelled for one in bench.remote.runs if '"b"' in one.body] == [False]


# --- a server that lists more than it is asked for -----------------------------------------------------------------


@pytest.mark.parametrize("labels", [(), ("wfdeploy.other.default",)])
def test_a_foreign_run_is_not_taken_for_ours(bench: VirtualBench, labels: tuple[str, ...]) -> None:
    bench.remote.ignores_filters = True
    bench.remote.add_foreign("one", labels, 5.0)
    declare(bench, a="one")
    bench.pass_time(10)
    bench.apply()
    assert started(bench) == [("a", "one")]
    assert not bench.plan().unmatched_ids


@pytest.mark.parametrize("labels", [(), ("wfdeploy.other.default",)])
def test_nor_is_it_for_one_whose_answer_was_lost(bench: VirtualBench, labels: tuple[str, ...]) -> None:
    bench.remote.ignores_filters = True
    begin(bench)
    declare(bench, a="one")
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    bench.remote.add_foreign("one", labels, 5.0)
    bench.pass_time(100)
    bench.apply()
    assert started(bench) == [("a", "one")]
    with bench.open() as store:
        assert not [attempt for attempt in store.attempts() if attempt.status is AttemptStatus.UNKNOWN]


def test_another_projects_derived_ids_are_no_business_of_ours(bench: VirtualBench) -> None:
    bench.remote.ignores_filters = True
    declare(bench, a=None)
    bench.apply()
    ours = bench.remote.runs[0]
    other = "wfr_g-a-" + "a" * 26 + "-g1-f1" + "b" * 26
    bench.remote.runs.append(
        ModelRun(other, "wfdeploy.other.default", ours.created_ms, 0, 0, 0, labels=("wfdeploy.other.default",))
    )
    lose_state(bench)
    bench.pass_time(100)
    bench.apply()
    with bench.open() as store:
        assert not list(store.unclaimed())


def test_a_foreign_dead_letter_resumes_nothing(bench: VirtualBench) -> None:
    bench.remote.ignores_filters = True
    bench.remote.logs_tell_letters = False
    bench.remote.failing = lambda _: True
    bench.remote.durations_s = (1.0,)
    declare(bench, {"onFailure": {"action": "resume", "maxAttempts": 1}}, a="one")
    bench.apply()
    ours = next(one for one in bench.remote.runs if one.body == '{"of":"a"}')
    ours.ends_ms = ours.created_ms
    bench.remote.add_foreign("one", ("wfdeploy.other.default",), 1.0)
    foreign = bench.remote.runs.pop()
    foreign.fails, foreign.letter, foreign.created_ms = True, "foreign", ours.created_ms
    bench.remote.runs.insert(0, foreign)
    bench.pass_time(100)
    bench.apply()
    assert (ours.letter, foreign.letter) == (None, "foreign")


# --- renames -------------------------------------------------------------------------------------------------------


def test_a_renamed_run_keeps_its_id(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    bench.pass_time(RUNNING_S)
    bench.write(
        group("g", [run("b", body={"of": "a"}, workflowRunId="one")], moved=[{"from": "g/a", "to": "g/b"}]),
        group("always", [run("there")]),
    )
    assert not [change for change in bench.plan().changes if change.sends]
    lose_state(bench)
    assert counts(bench.apply()) == {"adopted": 2}
    assert started(bench) == [("a", "one")]


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_open_attempt_is_found_under_the_name_that_it_went_out_under(bench: VirtualBench, by_hand: bool) -> None:
    begin(bench)
    declare(bench, a="one")
    bench.remote.faults = [Fault.LOST_AFTER]
    bench.apply(options=ApplyOptions(timeout_s=0.0))
    if by_hand:
        move(bench.workspace, "g/a", "g/b")
    moved = {} if by_hand else {"moved": [{"from": "g/a", "to": "g/b"}]}
    bench.write(group("g", [run("b", body={"of": "a"}, workflowRunId="one")], **moved), group("always", [run("there")]))
    bench.pass_time(2 * RUNNING_S)
    bench.apply()
    assert started(bench) == [("a", "one")]
    assert not bench.plan().has_changes


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE])
@pytest.mark.parametrize("refuses", [False, True])
def test_delayed_runs_that_do_not_show_are_not_taken_for_one_another(
    bench: VirtualBench, fault: Fault, refuses: bool
) -> None:
    """Swapped a moment after they were triggered, with a lost answer, and nothing is shown before it begins."""
    bench.remote.hide_delayed = True
    bench.remote.duplicates_are_errors = refuses
    begin(bench)

    def declare_delayed(a: str, b: str) -> None:
        runs = [run(name, body={"of": name}, workflowRunId=own_id, delay=300) for name, own_id in (("a", a), ("b", b))]
        bench.write(group("g", runs), group("always", [run("there")]))

    declare_delayed("one", "two")
    bench.apply()
    bench.pass_time(1)
    declare_delayed("two", "one")
    bench.remote.faults = [fault]
    assert not set(counts(bench.apply())) & {"triggered", "deduplicated"}
    for _ in range(8):
        bench.pass_time(300)
        bench.apply()
    assert sorted(started(bench)) == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]
    assert not bench.plan().has_changes


# --- policies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "applies"), [("cancel", 1), ("wait", 2)])
def test_swapped_ids_by_the_policy_for_running_predecessors(bench: VirtualBench, policy: str, applies: int) -> None:
    declare(bench, {"replaceRunning": policy}, a="one", b="two")
    bench.apply()
    bench.pass_time(20)
    declare(bench, {"replaceRunning": policy}, a="two", b="one")
    for _ in range(applies):
        assert "rejected" not in counts(bench.apply())
        bench.pass_time(RUNNING_S)
    assert sorted(started(bench)) == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]
    assert not bench.plan().has_changes


def test_a_group_that_ignores_changes_ignores_that_of_an_id(bench: VirtualBench) -> None:
    declare(bench, {"onChange": "ignore"}, a="one")
    bench.apply()
    declare(bench, {"onChange": "ignore"}, a="two")
    (change,) = bench.plan().changes
    assert (change.action, change.diff) == (Action.KEEP, (FieldChange("workflowRunId", "one", "two"),))
    assert not change.sends


def test_a_rename_without_moved_and_without_a_state_is_asked_about(bench: VirtualBench) -> None:
    declare(bench, a="one")
    bench.apply()
    bench.pass_time(RUNNING_S)
    lose_state(bench)
    bench.write(group("g", [run("b", body={"of": "a"}, workflowRunId="one")]), group("always", [run("there")]))
    with pytest.raises(Withheld):
        bench.apply()
    assert started(bench) == [("a", "one")]


def test_each_of_several_unclaimed_runs_that_had_an_id_is_remembered(bench: VirtualBench) -> None:
    for name in ("a", "b", "c"):
        declare(bench, None, **{name: "one"})
        bench.apply()
        bench.pass_time(RUNNING_S)
    lose_state(bench)
    declare(bench)
    bench.apply()
    for name in ("b", "a", "c"):
        declare(bench, None, **{name: "one"})
        bench.apply()
        bench.pass_time(RUNNING_S)
    assert started(bench) == [("a", "one"), ("b", "one"), ("c", "one")]


# --- resumes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True])
def test_a_resumed_run_is_still_the_one_that_has_the_id(bench: VirtualBench, lost: bool) -> None:
    bench.remote.failing = lambda number: number == 0
    bench.remote.durations_s = (1.0,)
    policy = {"onFailure": {"action": "resume", "maxAttempts": 1}}
    declare(bench, policy, a="one")
    bench.apply()
    bench.pass_time(20)
    assert counts(bench.apply())["resumed"] == 1
    bench.pass_time(20)
    if lost:
        lose_state(bench)
        bench.apply()
    assert not bench.plan().has_changes
    declare(bench, policy, a="two")
    (change,) = bench.plan().changes
    assert (change.action, change.diff) == (Action.RETRIGGER, (FieldChange("workflowRunId", "one", "two"),))
    bench.apply()
    assert [one.run_id for one in bench.remote.runs if "wfr_g-a" in one.identity] == ["one", "two"]


def test_a_failed_run_is_triggered_again_by_another_id_and_not_restarted(bench: VirtualBench) -> None:
    bench.remote.failing = lambda number: number == 0
    bench.remote.durations_s = (1.0,)
    policy = {"onFailure": {"action": "restart", "maxAttempts": 3}}
    declare(bench, policy, a="one")
    bench.apply()
    bench.pass_time(20)
    assert counts(bench.apply()) == {"kept": 2}
    with pytest.raises(InvalidInput):
        bench.apply(replace=("g/a",))
    declare(bench, policy, a="two")
    assert counts(bench.apply())["triggered"] == 1
    assert started(bench) == [("a", "one"), ("a", "two")]
