"""Runs that fail, are cancelled or vanish, and what plans make of it: against the embedded server, in its own time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.reconciling import Fleet
from tests.support.workbench import Workbench, planned
from wfdeploy.errors import StalePlan, Withheld
from wfdeploy.model.address import exactly
from wfdeploy.model.event import Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Action, Refresh, RequestedAction, Selection
from wfdeploy.model.state import Ended
from wfdeploy.model.status import RowStatus
from wfdeploy.operations.status import status
from wfdeploy.planning.saved_plan import plan_file_text, save_plan
from wfdeploy.testing import WorkflowServer


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with WorkflowServer() as server:
        endpoint = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
        with server.serving(endpoint.wsgi) as base:
            bench = Workbench(tmp_path / "project", server.url, server.environment["QSTASH_TOKEN"])
            yield Fleet(bench, server, endpoint, f"{base}/wf")
        endpoint.close()


CRASH = ["crash"]
FRAGILE = ["run", "fragile", "run"]


def test_a_few_runs_are_asked_for_by_their_ids(fleet: Fleet) -> None:
    fleet.declare({f"r{number:02}": ["run" if number % 2 else "crash"] for number in range(12)})
    fleet.apply()
    fleet.settle()
    fleet.log.clear()
    listed = status(fleet.bench.workspace, ())
    assert fleet.log == ["list", *["read"] * 6]  # why the failed ones did
    fleet.log.clear()
    asked = status(fleet.bench.workspace, ["g/r0?", "g/r03"])
    assert fleet.log == ["read"] * 10
    assert asked == listed[:10]
    assert [row.run_state for row in asked[:2]] == [RunState.FAILED, RunState.SUCCESS]


def test_a_run_whose_answer_was_lost_is_looked_for_in_a_listing(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH, "b": FRAGILE})
    fleet.apply()
    fleet.settle()
    fleet.lost = ["resume"]
    fleet.report(options=ApplyOptions(timeout_s=0.0), requested=RequestedAction.RESUME, targets=("g/b",))
    fleet.log.clear()
    (row,) = status(fleet.bench.workspace, ["g/b"])
    assert fleet.log[0] == "list"
    assert row.status is RowStatus.UNKNOWN
    assert row.run_state is not None


def test_a_failed_run_is_restarted_as_often_as_the_policy_says(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": {"action": "restart", "maxAttempts": 2}})
    assert fleet.apply() == {"triggered": 1}
    fleet.settle()
    for attempt in (1, 2):
        assert fleet.planned() == {"g/a": ("restart", f"failed; attempt {attempt} of 2")}
        assert fleet.apply() == {"triggered": 1}
        assert (fleet.record().generation, fleet.record().tries) == (attempt + 1, attempt)
        fleet.settle()
    for _ in range(3):
        assert fleet.apply() == {"kept": 1}
        assert fleet.planned() == {"g/a": ("keep", "failed; given up after 2 attempts")}
    assert fleet.states() == ["RUN_FAILED"] * 3
    assert len({run.id for run in fleet.server.runs()}) == 3


def test_a_failed_run_is_resumed_where_it_failed(fleet: Fleet) -> None:
    fleet.declare({"a": {"body": FRAGILE, "labels": ["mine"]}}, {"onFailure": "resume"})
    fleet.apply()
    fleet.settle()
    first = fleet.record()
    fleet.endpoint.is_healed = True
    assert fleet.apply() == {"resumed": 1}
    resumed = fleet.record()
    assert resumed.workflow_run_id != first.workflow_run_id
    assert (resumed.triggered_id, resumed.generation, resumed.tries) == (first.workflow_run_id, 1, 1)
    fleet.settle()
    assert fleet.apply() == {"kept": 1}
    assert fleet.record().run_state is RunState.SUCCESS
    assert fleet.apply() == {"kept": 1}
    assert fleet.log == []
    assert fleet.states() == ["RUN_FAILED", "RUN_SUCCESS"]
    assert sorted(number for _, number in fleet.endpoint.done.elements()) == [1, 2, 3]
    labels = fleet.server.runs()[1].logged["labels"]
    assert (labels[0], labels[2]) == ("wfdeploy.bench.default", "mine")
    with fleet.bench.open() as store:
        assert [entry.ended for entry in store.history(exactly("g/a"))] == [Ended.RESUMED]


def test_a_resume_whose_answer_was_lost_is_found_by_its_label(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH, "b": CRASH}, {"onFailure": {"action": "resume", "maxAttempts": 1}})
    fleet.apply()
    fleet.settle()
    fleet.lost = ["resume"]
    assert fleet.apply() == {"resumed": 2}
    fleet.settle()
    assert fleet.apply() == {"kept": 2}
    assert len(fleet.states()) == 4
    assert fleet.record("g/a").tries == fleet.record("g/b").tries == 1


def test_a_resume_that_never_arrived_is_sent_again(fleet: Fleet) -> None:
    fleet.declare({"a": FRAGILE}, {"onFailure": "resume"})
    fleet.apply()
    fleet.settle()
    fleet.endpoint.is_healed = True
    fleet.lost = ["resume before it was sent"]
    assert fleet.apply() == {"resumed": 1}
    assert fleet.log.count("resume") == 2
    fleet.settle()
    assert fleet.apply() == {"kept": 1}
    assert fleet.states() == ["RUN_FAILED", "RUN_SUCCESS"]


def test_a_dead_letter_that_somebody_else_dealt_with_is_let_go(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": "resume"})
    fleet.apply()
    fleet.settle()
    (letter,) = fleet.server.call("GET", "/v2/workflows/dlq").json()["messages"]
    fleet.server.call("DELETE", f"/v2/workflows/dlq/{letter['dlqId']}")
    assert fleet.apply() == {"kept": 1}
    assert "resume" in fleet.log
    for _ in range(3):
        assert fleet.apply() == {"kept": 1}
        assert "resume" not in fleet.log
        assert fleet.planned() == {"g/a": ("keep", "failed; handled elsewhere")}
    assert fleet.states() == ["RUN_FAILED"]


def test_a_run_that_failed_too_long_ago_is_restarted_instead(fleet: Fleet) -> None:
    fleet.bench.server(dlq_retention_s=3600.0)
    fleet.declare({"a": FRAGILE}, {"onFailure": "resume"})
    fleet.apply()
    fleet.settle()
    fleet.bench.plan()
    fleet.server.advance(3601)
    fleet.endpoint.is_healed = True
    assert fleet.planned()["g/a"][0] == "restart"
    assert fleet.apply() == {"triggered": 1}
    assert fleet.record().generation == 2


def test_backoff_counts_from_when_the_failure_was_seen(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": {"action": "restart", "backoff": "10m"}})
    fleet.apply()
    fleet.settle()
    assert fleet.apply() == {"blocked": 1}
    fleet.server.advance(599)
    assert fleet.planned() == {"g/a": ("blocked", "failed; waits 1 s more (onFailure.backoff)")}
    fleet.server.advance(1)
    assert fleet.apply() == {"triggered": 1}
    fleet.settle()
    assert fleet.apply() == {"blocked": 1}
    fleet.server.advance(1199)
    assert fleet.apply() == {"blocked": 1}
    fleet.server.advance(1)
    assert fleet.apply() == {"triggered": 1}


def test_runs_that_ended_cost_no_request(fleet: Fleet) -> None:
    fleet.declare({f"r{n}": ["sleep 1h"] for n in range(30)}, {"onFailure": "restart"})
    fleet.apply()
    assert fleet.apply() == {"kept": 30}
    assert fleet.log == ["list"], "some aren't known to have ended"
    fleet.server.advance(3600)
    fleet.settle()
    fleet.apply()
    assert fleet.log == ["list"]
    assert fleet.apply() == {"kept": 30}
    assert fleet.log == []
    fleet.bench.plan()
    assert fleet.log == []


def test_nobody_is_asked_where_nothing_depends_on_it(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH})
    fleet.apply()
    fleet.settle()
    assert fleet.apply() == {"kept": 1}
    assert fleet.log == []
    assert fleet.apply(refresh=Refresh.ALL) == {"kept": 1}
    assert fleet.log == ["list"]
    plan = fleet.bench.plan()
    assert (plan.changes[0].action, plan.changes[0].reason) == (Action.KEEP, "failed")
    assert plan.drifted == {RunState.FAILED: 1}
    fleet.declare({"a": CRASH}, {"onFailure": "restart"})
    assert fleet.planned()["g/a"][0] == "restart"


def test_refresh_off_goes_by_what_was_seen(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    assert fleet.apply(refresh=Refresh.OFF) == {"kept": 1}
    assert fleet.log == []
    assert fleet.apply() == {"triggered": 1}


def test_one_failed_run_among_many_is_all_that_is_looked_at(fleet: Fleet) -> None:
    runs: dict[str, object] = {f"r{n}": ["run"] for n in range(20)}
    fleet.declare(runs | {"a": CRASH}, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    plan = fleet.bench.plan()
    assert planned(plan) == {"g/a": "restart"}
    assert (plan.summary[Action.KEEP], plan.summary[Action.RESTART]) == (20, 1)
    assert fleet.apply() == {"triggered": 1, "kept": 20}


def test_a_cancelled_run_is_reported_or_restarted(fleet: Fleet) -> None:
    fleet.declare({"a": ["wait e"]})
    fleet.apply()
    fleet.settle()
    fleet.server.call("DELETE", f"/v2/workflows/runs/{fleet.record().workflow_run_id}")
    fleet.apply(refresh=Refresh.ALL)
    assert fleet.planned() == {"g/a": ("keep", "was cancelled")}
    fleet.declare({"a": ["wait e"]}, {"onCancelled": "restart", "onFailure": {"action": "report", "maxAttempts": 1}})
    assert fleet.planned() == {"g/a": ("restart", "was cancelled; attempt 1 of 1")}
    assert fleet.apply() == {"triggered": 1}
    fleet.server.call("DELETE", f"/v2/workflows/runs/{fleet.record().workflow_run_id}")
    assert fleet.apply() == {"kept": 1}
    assert fleet.planned() == {"g/a": ("keep", "was cancelled; given up after 1 attempt")}


def test_a_changed_run_waits_for_the_one_that_it_replaces(fleet: Fleet) -> None:
    fleet.declare({"a": ["wait e"]}, {"replaceRunning": "wait"})
    fleet.apply()
    fleet.settle()
    fleet.declare({"a": ["run"]}, {"replaceRunning": "wait"})
    assert fleet.apply() == {"blocked": 1}
    assert fleet.planned()["g/a"][1] == "waits for the run that it replaces to end"
    fleet.server.notify("e")
    fleet.settle()
    assert fleet.apply() == {"triggered": 1}
    fleet.settle()
    assert fleet.states() == ["RUN_SUCCESS", "RUN_SUCCESS"]


def test_a_changed_run_cancels_the_one_that_it_replaces(fleet: Fleet) -> None:
    fleet.declare({"a": ["wait e"]}, {"replaceRunning": "cancel"})
    fleet.apply()
    fleet.settle()
    fleet.declare({"a": ["run"]}, {"replaceRunning": "cancel"})
    assert fleet.apply() == {"triggered": 1}
    assert fleet.log == ["list", "cancel", "trigger"]
    fleet.settle()
    assert fleet.states() == ["RUN_CANCELED", "RUN_SUCCESS"]


def test_a_lost_state_knows_resumed_runs_again(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": {"action": "resume", "maxAttempts": 2}})
    fleet.apply()
    fleet.settle()
    assert fleet.apply() == {"resumed": 1}
    fleet.settle()
    before = fleet.record()
    for file in fleet.bench.state_file.parent.glob("default.db*"):
        file.unlink()
    assert fleet.apply() == {"adopted": 1}
    after = fleet.record()
    assert (after.workflow_run_id, after.tries) == (before.workflow_run_id, 1)
    assert after.triggered_id == before.triggered_id
    assert fleet.apply() == {"resumed": 1}
    fleet.settle()
    assert fleet.apply() == {"kept": 1}
    assert fleet.states() == ["RUN_FAILED"] * 3


def test_a_removed_run_is_cancelled_and_not_triggered_again(fleet: Fleet) -> None:
    policy = {"onRemove": "cancel"}
    fleet.declare({"a": ["wait e"], "b": ["run"]}, policy)
    fleet.apply()
    fleet.settle()
    fleet.declare({"b": ["run"]}, policy)
    assert fleet.apply() == {"cancelled": 1, "kept": 1}
    assert fleet.apply() == {"kept": 2}
    fleet.declare({"a": ["wait e"], "b": ["run"]}, policy)
    assert fleet.apply() == {"kept": 2}
    assert fleet.planned() == {"g/a": ("keep", "was cancelled with wfdeploy")}
    assert sorted(fleet.states()) == ["RUN_CANCELED", "RUN_SUCCESS"]


def test_a_removed_run_that_has_ended_is_kept(fleet: Fleet) -> None:
    policy = {"onRemove": "cancel"}
    fleet.declare({"a": ["run"], "b": ["run"]}, policy)
    fleet.apply()
    fleet.settle()
    fleet.declare({"b": ["run"]}, policy)
    assert fleet.apply() == {"kept": 2}
    assert "cancel" not in fleet.log
    assert fleet.record().run_state is RunState.SUCCESS


def test_a_forgotten_run_is_triggered_again_in_a_new_generation(fleet: Fleet) -> None:
    fleet.declare({"a": ["run"], "b": ["run"]})
    fleet.apply()
    fleet.declare({"b": ["run"]})
    assert fleet.apply(prune=True) == {"forgotten": 1, "kept": 1}
    fleet.declare({"a": ["run"], "b": ["run"]})
    assert fleet.apply() == {"triggered": 1, "kept": 1}
    assert fleet.record().generation == 2


def test_a_run_that_vanished_is_drift_and_one_that_is_too_old_is_not(fleet: Fleet) -> None:
    fleet.declare({"a": ["wait e"], "b": ["wait e"]}, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    vanished = fleet.record("g/a").workflow_run_id

    def forget(services: object) -> None:
        services.store.connection.execute(  # type: ignore[attr-defined]
            "DELETE FROM labels WHERE run_seq = (SELECT seq FROM runs WHERE run_id = ?)", (vanished,)
        )

    fleet.server.inside(forget)
    fleet.server.advance(2)
    assert fleet.apply() == {"kept": 2}
    assert fleet.planned() == {"g/a": ("keep", "is missing from the server's logs")}
    fleet.server.advance(3 * 86400 + 60)
    assert fleet.apply() == {"kept": 2}
    assert fleet.planned() == {}
    assert fleet.record("g/a").run_state is RunState.EXPIRED
    assert fleet.record("g/b").run_state is not RunState.EXPIRED


def test_a_fixed_id_is_resumed_and_not_restarted(fleet: Fleet) -> None:
    runs = {"a": {"body": CRASH, "workflowRunId": "mine-1"}}
    fleet.declare(runs, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    assert fleet.apply() == {"kept": 1}
    assert "change it to trigger the run again" in fleet.planned()["g/a"][1]
    fleet.declare(runs, {"onFailure": "resume"})
    assert fleet.apply() == {"resumed": 1}
    assert fleet.record().triggered_id == "mine-1"
    assert json.loads(fleet.record().request)["body"] == CRASH


def test_a_restored_state_learns_of_the_resume_that_it_missed(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH}, {"onFailure": {"action": "resume", "maxAttempts": 1}})
    fleet.apply()
    fleet.settle()
    fleet.apply(refresh=Refresh.OFF)
    before = fleet.bench.state_file.read_bytes()
    assert fleet.apply() == {"resumed": 1}
    fleet.settle()
    for file in fleet.bench.state_file.parent.glob("default.db*"):
        file.unlink()
    fleet.bench.state_file.write_bytes(before)
    assert fleet.apply() == {"adopted": 1}
    assert "resume" not in fleet.log
    assert fleet.record().tries == 1
    assert fleet.apply() == {"kept": 1}
    assert fleet.states() == ["RUN_FAILED"] * 2


def test_a_saved_plan_resumes_what_it_says_or_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.declare({"a": FRAGILE, "b": FRAGILE}, {"onFailure": "resume"})
    fleet.apply()
    fleet.settle()
    plan_file = tmp_path / "tonight.plan"
    save_plan(plan_file_text(fleet.bench.plan(), paths=None, selection=Selection(), new_state=False), plan_file)
    fleet.endpoint.is_healed = True
    report = fleet.bench.apply(plan_file=plan_file)
    assert report.summary[Outcome.RESUMED] == 2
    with pytest.raises(StalePlan):
        fleet.bench.apply(plan_file=plan_file)
    fleet.settle()
    assert fleet.apply() == {"kept": 2}
    assert len(fleet.states()) == 4


def test_more_than_the_allowed_number_is_withheld(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH, "b": CRASH}, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    with pytest.raises(Withheld, match="more than --max-triggers 1"):
        fleet.report(options=ApplyOptions(max_triggers=1))
    assert fleet.states() == ["RUN_FAILED"] * 2


def test_a_target_narrows_what_is_retried(fleet: Fleet) -> None:
    fleet.declare({"a": CRASH, "b": CRASH}, {"onFailure": "restart"})
    fleet.apply()
    fleet.settle()
    assert fleet.apply(targets=("g/a",)) == {"triggered": 1}
    assert (fleet.record("g/a").generation, fleet.record("g/b").generation) == (2, 1)
