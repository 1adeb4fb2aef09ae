"""The commands on runs: each shows a plan, keeps to the rules of an apply, and speaks JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.command import Checkout, Result
from tests.support.workbench import group, run
from wfdeploy.testing import WorkflowServer


class Place:
    """A project with runs of every kind."""

    def __init__(self, root: Path, server: WorkflowServer, endpoint: StepEndpoint, url: str) -> None:
        self.server = server
        self.endpoint = endpoint
        self.url = url
        self.checkout = Checkout(root, server.url, server.environment["QSTASH_TOKEN"])
        self.declare(failed=["run", "fragile"], waiting=["wait e"], good=["run"])
        assert self.here("apply", "--yes").code == 0
        server.settle()

    def declare(self, policy: Any = None, **runs: list[str]) -> None:
        declared = [run(name, body=stages, labels=[f"label-{name}"]) for name, stages in runs.items()]
        spec = {"destination": self.url, "defaults": {"retries": 0}, "policy": policy or {}}
        self.checkout.write(group("g", declared, **spec))

    def here(self, *arguments: str) -> Result:
        return self.checkout.here(*arguments)

    def json(self, *arguments: str) -> dict[str, Any]:
        result = self.here(*arguments, "-o", "json")
        assert result.code == 0, result.stderr
        value = json.loads(result.stdout)
        assert isinstance(value, dict)
        assert value["formatVersion"] == 1
        return value

    def states(self) -> dict[str, str | None]:
        return {one["address"]: one["runState"] for one in self.json("status")["runs"]}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with WorkflowServer() as server:
        endpoint = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
        with server.serving(endpoint.wsgi) as base:
            yield Place(tmp_path / "project", server, endpoint, f"{base}/wf")
        endpoint.close()


ALL = {"g/failed": "RUN_FAILED", "g/good": "RUN_SUCCESS", "g/waiting": "RUN_STARTED"}


def test_refresh_writes_down_how_runs_do(place: Place) -> None:
    found = place.json("refresh")
    assert found["asked"] == 3
    assert {one["address"]: one["after"] for one in found["changed"]} == ALL
    again = place.json("refresh")
    assert (again["asked"], again["changed"], again["summary"]["RUN_STARTED"]) == (1, [], 1)
    shown = place.here("refresh", "g/waiting")
    assert shown.stdout == "Checked 1 run: 1 running.\n"
    assert "no declared or recorded run matches g/none" in place.here("refresh", "g/none").stderr


def test_a_failed_run_is_resumed_by_hand(place: Place) -> None:
    place.endpoint.is_healed = True
    shown = place.here("resume", "g/failed", "--yes")
    assert shown.code == 0
    assert "! g/failed  failed; requested" in shown.stderr, shown.stderr
    assert "1 resumed" in shown.stdout
    place.server.settle()
    assert place.states() == ALL | {"g/failed": "RUN_SUCCESS"}
    past = place.json("history", "g/failed")["runs"]
    assert [(one["ended"], one["attempts"], one["generation"]) for one in past] == [("resumed", 0, 1), (None, 1, 1)]
    again = place.here("resume", "g/failed", "--yes")
    assert "has succeeded: only a failed run can be resumed" in again.stderr
    assert len(place.server.runs()) == 4


def test_a_failed_run_is_restarted_by_hand_whatever_the_policy(place: Place) -> None:
    assert place.json("restart", "g/*", "--yes")["summary"]["triggered"] == 1
    place.server.settle()
    (_, now) = place.json("history", "g/failed")["runs"]
    assert (now["generation"], now["attempts"]) == (2, 1)
    assert len(place.server.runs()) == 4


def test_runs_are_selected_by_label(place: Place) -> None:
    report = place.json("cancel", "--label", "label-waiting", "--yes")
    assert [one["address"] for one in report["results"]] == ["g/waiting"]
    assert report["summary"]["cancelled"] == 1
    assert place.states()["g/waiting"] == "RUN_CANCELED"
    assert [one["address"] for one in place.json("status", "-l", "label-good")["runs"]] == ["g/good"]


def test_what_was_cancelled_by_hand_is_left_so(place: Place) -> None:
    assert place.here("cancel", "g/*", "--yes").code == 0
    place.declare({"onCancelled": "restart"}, failed=["run", "fragile"], waiting=["wait e"], good=["run"])
    plan = place.json("plan")
    (waiting,) = [one for one in plan["changes"] if one["address"] == "g/waiting"]
    assert (waiting["action"], waiting["reason"]) == ("keep", "was cancelled with wfdeploy")
    assert (waiting["runState"], plan["drifted"]["RUN_CANCELED"]) == ("RUN_CANCELED", 1)
    assert place.json("apply", "--yes")["summary"]["triggered"] == 0
    assert place.json("restart", "g/waiting", "--yes")["summary"]["triggered"] == 1


def test_runs_can_be_cancelled_while_the_manifests_are_broken(place: Place) -> None:
    (place.checkout.root / "manifests" / "runs.yaml").write_text("what: ever\n")
    assert place.here("plan").code == 4
    assert place.json("cancel", "g/waiting", "--yes")["summary"]["cancelled"] == 1


def test_a_run_is_triggered_anew_however_it_did(place: Place) -> None:
    assert place.json("retrigger", "g/good", "g/failed", "--yes")["summary"]["triggered"] == 2
    runs = place.json("history", "g/good")["runs"]
    assert [(one["generation"], one["ended"], one["attempts"]) for one in runs] == [(1, "superseded", 0), (2, None, 0)]
    assert place.json("apply", "--yes")["summary"]["triggered"] == 0


def test_logs_show_steps_and_errors(place: Place) -> None:
    shown = place.here("logs", "g/failed", "g/good")
    assert shown.code == 0, shown.stderr
    assert "g/failed  failed" in shown.stdout
    assert "run-1" in shown.stdout
    assert "500 crashed" in shown.stdout
    (failed,) = place.json("logs", "g/failed")["runs"]
    assert [step["state"] for part in failed["steps"] for step in part["steps"]] == [
        "STEP_SUCCESS",
        "STEP_SUCCESS",
        "STEP_FAILED",
    ]
    assert failed["steps"][-1]["steps"][0]["errors"][0]["status"] == 500


def test_status_is_watched_until_every_run_has_ended(place: Place) -> None:
    place.server.notify("e")
    place.server.settle()
    shown = place.here("status", "--watch", "--output", "json")
    (look,) = [json.loads(line) for line in shown.stdout.splitlines()]
    assert look["summary"]["RUN_SUCCESS"] == 2


def test_status_is_watched_as_it_changes(place: Place) -> None:
    with place.server.serving(place.endpoint.wsgi):
        child = place.checkout.start("status", "--watch", "--interval", "0.1", "-o", "json")
        try:
            child.wait_for_output('"RUN_STARTED":1')
            place.server.notify("e")
            place.server.settle()
            result = child.result()
        finally:
            child.process.kill()
    looks = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.code == 0
    assert looks[0]["summary"]["RUN_STARTED"] == 1
    assert looks[-1]["summary"]["RUN_STARTED"] == 0


@pytest.mark.parametrize(
    "command", ["cancel", "resume", "restart", "retrigger", "logs", "history", "status", "refresh", "wait"]
)
def test_a_label_that_nothing_carries_is_a_slip(place: Place, command: str) -> None:
    asked = place.here(command, "--label", "label-good", "--label", "lable-bad")
    assert asked.code == 64
    assert "no recorded run carries the label lable-bad" in asked.stderr


@pytest.mark.parametrize("command", ["cancel", "resume", "restart", "retrigger", "logs"])
def test_nothing_selected_is_a_usage_error(place: Place, command: str) -> None:
    result = place.here(command)
    assert (result.code, "it must be said which runs" in result.stderr) == (64, True)
    assert place.here(command, "g/nothing").code == 64
    assert len(place.server.runs()) == 3
