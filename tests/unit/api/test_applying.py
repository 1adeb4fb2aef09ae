"""What a program has done: the same promises as those of the command."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import wfdeploy
from tests.support.local_server import LocalServer
from tests.support.workbench import run
from tests.unit.api.conftest import Load, counts, declare
from wfdeploy import Action, ApplyOptions


def test_a_plan_that_is_declined_sends_nothing(load: Load, server: LocalServer) -> None:
    shown: list[wfdeploy.Plan] = []

    def decline(plan: wfdeploy.Plan) -> bool:
        assert threading.current_thread() is threading.main_thread()
        shown.append(plan)
        return False

    with pytest.raises(wfdeploy.Withheld):
        load().apply(confirm=decline)
    assert [plan.summary[Action.TRIGGER] for plan in shown] == [3]
    assert server.accepted() == []


def test_what_must_be_allowed_is_withheld(load: Load, folder: Path, server: LocalServer) -> None:
    declare(folder, "many", [run(f"r{number}") for number in range(101)])
    project = load()
    with pytest.raises(wfdeploy.Withheld, match="--max-triggers"):
        project.apply(options=ApplyOptions(max_triggers=100))
    assert server.accepted() == []
    project.apply()
    with pytest.raises(wfdeploy.Withheld, match="trigger 101 runs again"):
        project.retrigger("many/*")
    assert counts(project.retrigger("many/*", options=ApplyOptions(allow_retrigger=True)))["triggered"] == 101


def test_a_stopped_apply_sends_nothing_more(load: Load, server: LocalServer) -> None:
    stop = wfdeploy.StopFlag()
    stop.request()
    with pytest.raises(wfdeploy.Interrupted):
        load().apply(stop=stop)
    assert server.accepted() == []


def test_an_error_of_a_listener_is_raised_and_what_was_sent_is_recorded(load: Load, server: LocalServer) -> None:
    def fail(event: wfdeploy.Event) -> None:
        if isinstance(event, wfdeploy.Settled):
            raise ZeroDivisionError

    project = load()
    with pytest.raises(ZeroDivisionError):
        project.apply(on_event=fail)
    assert len(server.accepted()) == 3
    assert counts(project.apply()) == {"kept": 3}


def test_runs_are_waited_for_and_shown(load: Load) -> None:
    project = load()
    project.apply()
    rows = project.status("onboarding/*")
    assert [(row.address, row.status) for row in rows] == [
        ("onboarding/acme", wfdeploy.RowStatus.TRIGGERED),
        ("onboarding/globex", wfdeploy.RowStatus.TRIGGERED),
    ]
    waited = project.wait("seed/*", until="succeeded", timeout_s=0.5)
    assert not waited.fulfilled  # nothing answers at its destination
    assert sum(waited.states.values()) == 1


def test_an_apply_waits_for_its_runs(folder: Path) -> None:
    with LocalServer(demo=True) as server:
        for name in ("seed", "onboarding"):
            declare(folder, name, [run("r", destination=f"{server.demo_url}/demo/{name}")])
        project = wfdeploy.load(folder, url=server.url, token=server.token, environ={})
        report = project.apply(options=ApplyOptions(wait=True, wait_timeout_s=30))
        assert (report.is_done, report.watched) == (True, {wfdeploy.RunState.SUCCESS: 2})
        assert project.wait().fulfilled


def test_runs_are_cancelled_and_restarted(load: Load) -> None:
    project = load()
    project.apply()
    assert counts(project.cancel("onboarding/acme")) == {"cancelled": 1}
    assert project.refresh().asked <= 3
    assert project.status("onboarding/acme")[0].run_state is wfdeploy.RunState.CANCELED
    assert counts(project.restart("onboarding/acme")) == {"triggered": 1}


def test_runs_are_selected_by_state(load: Load) -> None:
    project = load()
    project.apply()
    assert counts(project.cancel("onboarding/acme")) == {"cancelled": 1}
    assert [row.address for row in project.status(run_states=["cancelled"])] == ["onboarding/acme"]
    assert counts(project.retrigger(run_states=["cancelled"])) == {"triggered": 1}
    assert counts(project.restart("onboarding/*", run_states=["failed", "rejected"])) == {}
    assert project.wait(run_states=["failed"]).states == {}
    for refused in ("failed", ["fialed"]):
        with pytest.raises(wfdeploy.UsageError):
            project.status(run_states=refused)


@pytest.mark.parametrize("method", ["cancel", "resume", "restart", "retrigger"])
def test_all_runs_are_never_meant_by_saying_nothing(load: Load, method: str) -> None:
    project = load()
    project.apply()
    with pytest.raises(wfdeploy.UsageError, match="which runs"):
        getattr(project, method)()


def test_it_works_where_an_event_loop_runs(load: Load, server: LocalServer) -> None:
    async def program() -> wfdeploy.ApplyReport:
        project = load()
        project.apply(targets=["seed/*"])
        return await asyncio.to_thread(project.apply)

    assert counts(asyncio.run(program())) == {"triggered": 2, "kept": 1}
    assert len(server.accepted()) == 3


def test_two_threads_apply_one_project_and_each_run_is_triggered_once(load: Load, server: LocalServer) -> None:
    project, barrier = load(), threading.Barrier(2)
    reports: list[wfdeploy.ApplyReport] = []

    def work() -> None:
        barrier.wait()
        reports.append(project.apply(options=ApplyOptions(lock_timeout_s=60)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(counts(report).get("triggered", 0) for report in reports) == [0, 3]
    assert len(server.accepted()) == 3


def test_who_does_not_wait_for_the_lock_is_told_who_holds_it(load: Load) -> None:
    project, held, done = load(), threading.Event(), threading.Event()

    def hold(_: wfdeploy.Plan) -> bool:
        held.set()
        return done.wait(60)

    holder = threading.Thread(target=lambda: project.apply(confirm=hold))
    holder.start()
    try:
        assert held.wait(60)
        with pytest.raises(wfdeploy.StateLocked, match=r"Project\.apply in Python"):
            project.apply()
    finally:
        done.set()
        holder.join(60)
    assert counts(project.apply()) == {"kept": 3}
