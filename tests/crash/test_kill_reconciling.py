"""SIGKILL around a resume, a restart and a cancel: no run is tried again more often than its policy says."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.command import Checkout
from tests.support.scratch import scratch
from tests.support.workbench import group, run
from wfdeploy.testing import WorkflowServer

RUNS = 3


class Scene:
    """Runs that fail whenever they are tried, on a server whose dead letters stand for one resume each."""

    def __init__(self, checkout: Checkout, server: WorkflowServer, url: str) -> None:
        self.checkout = checkout
        self.server = server
        self.url = url

    def declare(self, policy: Any, stages: list[str], runs: int = RUNS) -> None:
        spec = {"destination": self.url, "defaults": {"retries": 0}, "policy": policy}
        self.checkout.write(group("g", [run(f"r{n}", body=stages) for n in range(runs)], **spec))

    def apply(self) -> dict[str, int]:
        result = self.checkout.here("apply", "--yes", "-o", "json")
        assert result.code == 0, result.stderr
        self.server.settle()
        return result.counts

    def die(self, point: str) -> None:
        dead = self.checkout.run("apply", "--yes", die=point)
        assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
        self.server.settle()

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.server.runs()]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with scratch() as root, WorkflowServer() as server:
        endpoint = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
        with server.serving(endpoint.wsgi) as base:
            checkout = Checkout(root / "project", server.url, server.environment["QSTASH_TOKEN"])
            yield Scene(checkout, server, f"{base}/wf")
        endpoint.close()


@pytest.mark.parametrize(
    "point",
    [
        *("resume:before:1", "resume:before:3", "resume:after:1", "resume:after:2"),
        *("commit:before:1", "commit:before:2", "commit:torn:2", "commit:after:2", "commit:torn:3", "commit:after:3"),
        *("page:after:1", "marker:before:1"),
    ],
)
def test_killed_while_it_resumes(scene: Scene, point: str) -> None:
    scene.declare({"onFailure": {"action": "resume", "maxAttempts": 1}}, ["run", "crash"])
    assert scene.apply() == {"triggered": RUNS}
    scene.die(point)
    for _ in range(3):
        scene.apply()
    assert scene.apply() == {"kept": RUNS}
    assert scene.states == ["RUN_FAILED"] * (2 * RUNS), "each was resumed once"
    assert len(scene.server.call("GET", "/v2/workflows/dlq").json()["messages"]) == RUNS


@pytest.mark.parametrize("point", ["trigger:before:1", "trigger:after:1", "commit:torn:2", "commit:after:2"])
def test_killed_while_it_restarts(scene: Scene, point: str) -> None:
    scene.declare({"onFailure": {"action": "restart", "maxAttempts": 2}}, ["crash"])
    assert scene.apply() == {"triggered": RUNS}
    scene.die(point)
    for _ in range(4):
        scene.apply()
    assert scene.apply() == {"kept": RUNS}
    assert scene.states == ["RUN_FAILED"] * (3 * RUNS), "each was restarted twice"


@pytest.mark.parametrize(
    "point", ["cancel:before:1", "cancel:after:1", "commit:before:3", "commit:torn:2", "commit:torn:3"]
)
def test_killed_while_it_cancels(scene: Scene, point: str) -> None:
    policy = {"onRemove": "cancel"}
    scene.declare(policy, ["wait e"])
    scene.apply()
    scene.declare(policy, ["wait e"], runs=1)
    scene.die(point)
    scene.apply()
    assert scene.apply() == {"kept": RUNS}
    assert sorted(scene.states) == ["RUN_CANCELED", "RUN_CANCELED", "RUN_STARTED"]


@pytest.mark.parametrize("point", ["cancel:after:1", "commit:torn:2", "commit:torn:3", "trigger:after:1"])
def test_killed_while_it_replaces_running_runs(scene: Scene, point: str) -> None:
    policy = {"replaceRunning": "cancel"}
    scene.declare(policy, ["wait e"])
    scene.apply()
    scene.declare(policy, ["run"])
    scene.die(point)
    scene.apply()
    assert scene.apply() == {"kept": RUNS}
    assert sorted(scene.states) == ["RUN_CANCELED"] * RUNS + ["RUN_SUCCESS"] * RUNS


@pytest.mark.parametrize("point", ["cancel:before:1", "cancel:after:1", "commit:torn:2"])
def test_a_run_that_was_to_be_cancelled_by_hand_is_not_restarted(scene: Scene, point: str) -> None:
    scene.declare({"onCancelled": "restart"}, ["wait e"])
    scene.apply()
    dead = scene.checkout.run("cancel", "g/r0", "--yes", die=point)
    assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
    assert scene.apply() == {"kept": RUNS}
    assert scene.checkout.here("cancel", "g/r0", "--yes").code == 0
    assert scene.apply() == {"kept": RUNS}
    assert sorted(scene.states) == ["RUN_CANCELED", "RUN_STARTED", "RUN_STARTED"]


@pytest.mark.parametrize("point", ["trigger:before:1", "trigger:after:1", "commit:torn:3"])
@pytest.mark.parametrize(
    "request_", [("retrigger", "g/r0"), ("restart", "g/r0"), ("apply", "--replace", "g/r0"), ("resume", "g/r0")]
)
def test_what_was_asked_for_by_hand_and_killed_is_asked_for_once_more(
    scene: Scene, request_: tuple[str, ...], point: str
) -> None:
    scene.declare({}, ["run", "crash"], runs=1)
    scene.apply()
    if request_[0] == "resume":
        point = point.replace("trigger", "resume")
    dead = scene.checkout.run(*request_, "--yes", die=point)
    assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
    scene.server.settle()
    again = scene.checkout.here(*request_, "--yes")
    assert again.code == 0, again.stderr
    scene.server.settle()
    assert scene.states == ["RUN_FAILED"] * 2, "the first one, and the requested one"
    assert ("nothing more is sent" in again.stderr) is ("before" not in point)
