"""Failed runs that somebody resumes or restarts in the console: recognised, recorded, and never started twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.reconciling import Fleet
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import ExitCode, UsageError, Withheld
from wfdeploy.model.event import ApplyReport, Notice
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Action, Refresh, RequestedAction, Selection
from wfdeploy.model.status import Refreshed, StateChange
from wfdeploy.operations.adopt import adopt
from wfdeploy.operations.refresh import refresh
from wfdeploy.testing import WorkflowServer

FRAGILE = ["run", "fragile", "run"]
CONSENT = ApplyOptions(allow_retrigger=True)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with WorkflowServer() as server:
        endpoint = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
        with server.serving(endpoint.wsgi) as base:
            bench = Workbench(tmp_path / "project", server.url, server.environment["QSTASH_TOKEN"])
            yield Fleet(bench, server, endpoint, f"{base}/wf")
        endpoint.close()


def fail(fleet: Fleet, *names: str, policy: Any = "report", same: bool = False) -> None:
    """Apply these runs; all of them fail, and it is recorded. They do different things, unless `same`."""
    runs = {name: [*FRAGILE, *(["run"] * (0 if same else index))] for index, name in enumerate(names)}
    fleet.declare(runs, {"onFailure": policy})
    fleet.apply()
    fleet.settle()
    refresh(fleet.bench.workspace, (), ())


def press(fleet: Fleet, what: str, run_id: str) -> str:
    """Press a button of the console for a failed run. Return the id of the run that continues it."""
    letters = fleet.server.call("GET", f"/v2/workflows/dlq?workflowRunId={run_id}").json()["messages"]
    (letter,) = letters
    fleet.server.advance(1)
    answer = fleet.server.call("POST", f"/v2/workflows/dlq/{what}/{letter['dlqId']}").json()
    return str(answer["workflowRunId"])


def refreshed(fleet: Fleet, *globs: str) -> Refreshed:
    return refresh(fleet.bench.workspace, globs, ())


def requested(fleet: Fleet, action: str, *targets: str, options: ApplyOptions | None = None) -> ApplyReport:
    fleet.bench.events.clear()
    return fleet.report(requested=RequestedAction(action), targets=targets or ("g/*",), options=options)


def notices(fleet: Fleet) -> str:
    return " ".join(event.message for event in fleet.bench.events if isinstance(event, Notice))


def started(fleet: Fleet) -> int:
    return len(fleet.states())


@pytest.mark.parametrize("button", ["resume", "restart"])
def test_refresh_records_the_run_that_continues_a_failed_one(fleet: Fleet, button: str) -> None:
    fail(fleet, "a", "b")
    fleet.endpoint.is_healed = True
    failed = fleet.record("g/a")
    successor = press(fleet, button, failed.workflow_run_id)
    fleet.settle()
    found = refreshed(fleet)
    assert found.turns == [
        StateChange("g/a", successor, RunState.FAILED, RunState.SUCCESS, failed.workflow_run_id)  # type: ignore[arg-type]
    ]
    assert not found.continuations
    record = fleet.record("g/a")
    assert (record.workflow_run_id, record.triggered_id) == (successor, failed.workflow_run_id)
    assert (record.generation, record.tries, record.request) == (1, 1, failed.request)
    assert not fleet.record("g/b").handled
    fleet.declare({"a": FRAGILE, "b": [*FRAGILE, "run"]}, {"onFailure": "restart"})
    assert fleet.apply() == {"triggered": 1, "kept": 1}, "g/b alone"


@pytest.mark.parametrize("action", ["resume", "restart"])
def test_a_request_is_not_carried_out_when_somebody_was_first(fleet: Fleet, action: str) -> None:
    fail(fleet, "a", "b")
    fleet.endpoint.is_healed = True
    successor = press(fleet, "restart", fleet.record("g/a").workflow_run_id)
    report = requested(fleet, action, "g/a")
    assert report.exit_code is ExitCode.WITHHELD
    assert f"resumed or restarted elsewhere, as {successor}" in notices(fleet)
    assert started(fleet) == 3
    assert fleet.record("g/a").workflow_run_id == successor
    report = requested(fleet, action, "g/*")
    assert report.exit_code is ExitCode.OK, "of g/a it is known now that it has not failed"
    assert started(fleet) == 4


def test_of_several_those_that_are_left_are_resumed(fleet: Fleet) -> None:
    fail(fleet, "a", "b")
    fleet.endpoint.is_healed = True
    press(fleet, "resume", fleet.record("g/b").workflow_run_id)
    report = requested(fleet, "resume")
    assert counts(report) == {"resumed": 1, "kept": 1}
    assert report.exit_code is ExitCode.PARTIAL
    assert started(fleet) == 4


def test_a_retrigger_of_a_run_that_goes_on_needs_consent(fleet: Fleet) -> None:
    fail(fleet, "a")
    fleet.endpoint.is_healed = True
    successor = press(fleet, "restart", fleet.record().workflow_run_id)
    with pytest.raises(Withheld, match=f"g/a again, which may be once too often: .*{successor}"):
        requested(fleet, "retrigger")
    with pytest.raises(Withheld):
        fleet.apply(replace=("g/a",))
    assert started(fleet) == 2
    assert counts(requested(fleet, "retrigger", options=CONSENT)) == {"triggered": 1}


@pytest.mark.parametrize("policy", ["restart", "resume"])
@pytest.mark.parametrize("button", ["resume", "restart"])
def test_no_policy_starts_again_what_somebody_restarted(fleet: Fleet, policy: str, button: str) -> None:
    fail(fleet, "a")
    successor = press(fleet, button, fleet.record().workflow_run_id)
    fleet.declare({"a": FRAGILE}, {"onFailure": policy})
    assert fleet.planned() == {"g/a": ("adopt", f"resumed or restarted elsewhere, as {successor}")}
    assert fleet.apply() == {"adopted": 1}
    assert started(fleet) == 2
    fleet.settle()
    # The run that continued it failed too: now the policy acts on that one.
    assert fleet.apply(refresh=Refresh.ALL) == {"triggered" if policy == "restart" else "resumed": 1}
    assert started(fleet) == 3


def test_no_policy_restarts_a_run_whose_dead_letter_was_deleted(fleet: Fleet) -> None:
    fail(fleet, "a")
    letters = fleet.server.call("GET", "/v2/workflows/dlq").json()["messages"]
    fleet.server.call("DELETE", f"/v2/workflows/dlq/{letters[0]['dlqId']}")
    fleet.declare({"a": FRAGILE}, {"onFailure": "restart"})
    assert fleet.apply() == {"kept": 1}
    assert requested(fleet, "resume").exit_code is ExitCode.WITHHELD
    with pytest.raises(Withheld, match="its dead letter is gone"):
        requested(fleet, "restart")
    assert started(fleet) == 1
    assert counts(requested(fleet, "restart", options=CONSENT)) == {"triggered": 1}


def test_a_chain_of_restarts_is_followed_to_its_end(fleet: Fleet) -> None:
    fail(fleet, "a")
    first = press(fleet, "restart", fleet.record().workflow_run_id)
    fleet.settle()
    fleet.endpoint.is_healed = True
    second = press(fleet, "resume", first)
    assert [turn.workflow_run_id for turn in refreshed(fleet).turns] == [second]
    assert fleet.record().tries == 2
    third = requested(fleet, "restart")
    assert counts(third) == {"kept": 1}
    assert started(fleet) == 3


def test_a_successor_that_failed_is_resumed_itself(fleet: Fleet) -> None:
    fail(fleet, "a")
    successor = press(fleet, "resume", fleet.record().workflow_run_id)
    fleet.settle()
    fleet.endpoint.is_healed = True
    report = requested(fleet, "resume")
    assert counts(report) == {"resumed": 1}
    assert report.exit_code is ExitCode.OK
    fleet.settle()
    assert fleet.states().count("RUN_SUCCESS") == 1
    with fleet.bench.open() as store:
        assert successor in [entry.record.workflow_run_id for entry in store.history()]


def test_many_that_were_restarted_at_once_are_told_apart_by_their_payloads(fleet: Fleet) -> None:
    fail(fleet, *"abcde")
    fleet.endpoint.is_healed = True
    successors = {name: press(fleet, "restart", fleet.record(f"g/{name}").workflow_run_id) for name in "edcba"}
    assert {turn.address: turn.workflow_run_id for turn in refreshed(fleet).turns} == {
        f"g/{name}": successor for name, successor in successors.items()
    }


def test_which_of_two_that_do_the_same_is_not_guessed(fleet: Fleet) -> None:
    fail(fleet, "a", "b", same=True)
    fleet.endpoint.is_healed = True
    successors = [press(fleet, "restart", fleet.record(f"g/{name}").workflow_run_id) for name in "ab"]
    found = refreshed(fleet)
    assert not found.turns
    assert [one.address for one in found.continuations] == ["g/a", "g/b"]
    assert all({run.workflow_run_id for run in one.runs} == set(successors) for one in found.continuations)
    with pytest.raises(Withheld, match="may go on as"):
        requested(fleet, "restart", "g/a")
    fleet.declare({"a": FRAGILE, "b": FRAGILE}, {"onFailure": "restart"})
    assert fleet.apply() == {"kept": 2}
    for name, successor in zip("ab", successors, strict=True):
        selection = Selection(targets=(f"g/{name}",))
        workspace = fleet.bench.workspace
        report = adopt(workspace, paths=None, selection=selection, confirm=lambda _: True, run_id=successor)
        assert counts(report) == {"adopted": 1}
        assert fleet.record(f"g/{name}").workflow_run_id == successor
    fleet.settle()
    refreshed(fleet)
    assert fleet.apply() == {"kept": 2}
    assert started(fleet) == 4


def test_if_only_one_of_two_that_do_the_same_lost_its_letter_it_is_that_one(fleet: Fleet) -> None:
    fail(fleet, "a", "b", same=True)
    successor = press(fleet, "restart", fleet.record("g/b").workflow_run_id)
    assert [(turn.address, turn.workflow_run_id) for turn in refreshed(fleet).turns] == [("g/b", successor)]


def test_a_plan_names_the_run_and_the_command(fleet: Fleet) -> None:
    fail(fleet, "a", "b", same=True)
    for name in "ab":
        press(fleet, "restart", fleet.record(f"g/{name}").workflow_run_id)
    fleet.declare({"a": FRAGILE, "b": FRAGILE, "new": ["run"]})
    plan = fleet.bench.plan()
    assert [(one.address, len(one.runs)) for one in plan.continuations] == [("g/a", 2), ("g/b", 2)]
    assert not plan.unmatched_ids
    assert fleet.apply() == {"triggered": 1, "kept": 2}


def test_a_plan_that_lists_runs_adopts_what_is_certain(fleet: Fleet) -> None:
    fail(fleet, "a")
    fleet.endpoint.is_healed = True
    successor = press(fleet, "restart", fleet.record().workflow_run_id)
    fleet.declare({"a": FRAGILE, "new": ["run"]})
    assert fleet.planned()["g/a"] == ("adopt", f"resumed or restarted elsewhere, as {successor}")
    assert fleet.apply() == {"triggered": 1, "adopted": 1}
    with fleet.bench.open() as store:
        assert store.head().foreign_ms is None, "no other runner triggered it"
    fleet.declare({"a": FRAGILE, "new": ["run"], "newer": ["run"]})
    assert set(fleet.planned()) == {"g/newer"}


def test_a_run_that_was_replaced_by_an_edit_is_not_followed(fleet: Fleet) -> None:
    fail(fleet, "a")
    old = fleet.record().workflow_run_id
    fleet.declare({"a": ["run"]})
    fleet.apply()
    fleet.settle()
    press(fleet, "restart", old)
    refreshed(fleet)
    fleet.declare({"a": ["run"], "new": ["run"]})
    plan = fleet.bench.plan()
    assert [(one.address, one.workflow_run_id, one.is_past) for one in plan.continuations] == [("g/a", old, True)]
    assert fleet.apply() == {"triggered": 1, "kept": 1}
    assert fleet.record().workflow_run_id != old


def test_a_former_generation_that_does_the_same_is_not_mistaken(fleet: Fleet) -> None:
    fail(fleet, "a")
    first = fleet.record().workflow_run_id
    assert counts(requested(fleet, "restart")) == {"triggered": 1}
    fleet.settle()
    refreshed(fleet)
    press(fleet, "restart", first)
    assert not refreshed(fleet).turns, "the dead letter of the second generation is still there"
    fleet.endpoint.is_healed = True
    assert counts(requested(fleet, "resume")) == {"resumed": 1}


def test_an_id_of_the_authors_own_says_by_its_label_which_run_it_is(fleet: Fleet) -> None:
    fleet.declare({"a": {"body": FRAGILE, "workflowRunId": "one"}, "b": {"body": FRAGILE, "workflowRunId": "two"}})
    fleet.apply()
    fleet.settle()
    refreshed(fleet)
    successors = {f"g/{name}": press(fleet, "restart", fleet.record(f"g/{name}").workflow_run_id) for name in "ab"}
    assert {turn.address: turn.workflow_run_id for turn in refreshed(fleet).turns} == successors
    assert "payload" not in fleet.log


def test_so_does_the_label_of_a_resume(fleet: Fleet) -> None:
    fail(fleet, "a", "b", same=True)
    assert counts(requested(fleet, "resume")) == {"resumed": 2}
    fleet.settle()
    refreshed(fleet)
    successors = {f"g/{name}": press(fleet, "resume", fleet.record(f"g/{name}").workflow_run_id) for name in "ab"}
    assert {turn.address: turn.workflow_run_id for turn in refreshed(fleet).turns} == successors
    assert fleet.record("g/a").tries == 2


def test_a_lost_state_is_made_good(fleet: Fleet) -> None:
    fail(fleet, "a", "b")
    fleet.endpoint.is_healed = True
    successor = press(fleet, "restart", fleet.record("g/a").workflow_run_id)
    fleet.settle()
    fleet.bench.lose_state()
    fleet.declare({"a": FRAGILE, "b": [*FRAGILE, "run"]}, {"onFailure": "restart"})
    assert fleet.apply() == {"adopted": 2}
    assert fleet.record("g/a").workflow_run_id == successor
    assert fleet.apply() == {"triggered": 1, "kept": 1}, "g/b, whose dead letter is still there"
    assert started(fleet) == 4


def test_a_run_of_which_the_logs_show_no_payload_is_offered(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(fleet, "a")
    successor = press(fleet, "restart", fleet.record().workflow_run_id)

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr("wfdeploy.upstash.client.UpstashGateway.read_payload_digest", nothing)
    (one,) = refreshed(fleet).continuations
    assert (one.is_certain, [run.workflow_run_id for run in one.runs]) == (False, [successor])


def test_an_instance_that_was_restarted_counts_once(fleet: Fleet) -> None:
    """Dependents wait for the run that continues a failed one."""
    fleet.bench.write(
        group("seed", [run("s", body=FRAGILE)], destination=fleet.url, defaults={"retries": 0}),
        group("g", [run("a", body=["run"])], destination=fleet.url, dependsOn=[{"group": "seed"}]),
    )
    fleet.apply()
    fleet.settle()
    refreshed(fleet)
    assert fleet.planned()["g/a"][0] == Action.BLOCKED.value
    fleet.endpoint.is_healed = True
    press(fleet, "restart", fleet.record("seed/s").workflow_run_id)
    fleet.settle()
    refreshed(fleet)
    assert fleet.apply() == {"triggered": 1, "kept": 1}


def test_what_cannot_be_adopted_says_why(fleet: Fleet) -> None:
    fail(fleet, "a")
    workspace = fleet.bench.workspace

    def tried(run_id: str, *targets: str) -> str:
        with pytest.raises(UsageError) as caught:
            adopt(workspace, paths=None, selection=Selection(targets=targets), confirm=lambda _: True, run_id=run_id)
        return caught.value.message

    assert "one address" in tried("wfr_x", "g/a", "g/b")
    assert "nothing is recorded for g/z" in tried("wfr_x", "g/z")
    assert "lists no run wfr_x" in tried("wfr_x", "g/a")
    assert "already recorded" in tried(fleet.record().workflow_run_id, "g/a")
    fleet.declare({"a": ["run"]})
    fleet.apply()
    assert "isn't recorded as failed" in tried("wfr_x", "g/a")


def test_a_queue_that_cannot_be_read_holds_a_restart_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.e2e.test_dead_letters import broken

    fail(fleet, "a")
    monkeypatch.setattr("wfdeploy.upstash.client.UpstashGateway.list_dead_letters", broken)
    fleet.declare({"a": FRAGILE}, {"onFailure": "restart"})
    assert fleet.apply() == {"kept": 1}
    with pytest.raises(Withheld, match="doesn't show"):
        requested(fleet, "restart")
    assert started(fleet) == 1
