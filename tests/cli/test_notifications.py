"""Notifications by the command, to a real server: with the operator's consent, and though the process dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.chaos_server import ChaosServer, Exchange, answer
from tests.fakes.step_endpoint import StepEndpoint
from tests.support.command import Checkout
from tests.support.workbench import group, run
from wfdeploy.testing import WorkflowServer


@pytest.fixture
def hook() -> Iterator[ChaosServer]:
    with ChaosServer(otherwise=answer(200, "ok")) as server:
        yield server


@pytest.fixture
def checkout(tmp_path: Path, hook: ChaosServer) -> Iterator[Checkout]:
    """A project with one run that failed, and a state that knows it."""
    with WorkflowServer() as server:
        token = server.environment["QSTASH_TOKEN"]
        endpoint = StepEndpoint(lambda: server.url, token)
        with server.serving(endpoint.wsgi) as base:
            checkout = Checkout(tmp_path / "project", server.url, token)
            spec = {"destination": f"{base}/wf", "defaults": {"retries": 0}}
            checkout.write(group("g", [run("failed", body=["run", "fragile"]), run("good", body=["run"])], **spec))
            assert checkout.here("apply", "--yes").code == 0
            server.settle()
            assert checkout.here("refresh").code == 0
            checkout.spec["notify"] = [{"name": "ops", "urlEnv": "OPS_URL"}]
            checkout.configure()
            checkout.environ = {"OPS_URL": f"{hook.url}/hidden", "WFDEPLOY_ALLOW": f"notify={hook.url}"}
            yield checkout
        endpoint.close()


def test_an_apply_tells_of_a_failed_run_once(checkout: Checkout, hook: ChaosServer) -> None:
    for command in ("plan", "status", "wait"):
        checkout.here(command)
    assert hook.requests == [], "these only look"
    assert checkout.here("apply", "--yes").code == 0
    (request,) = hook.requests
    assert request.target == "/hidden"
    text = json.loads(request.body)["text"]
    assert text.splitlines()[0] == "*shop, default*: 1 run of g has failed"
    assert checkout.here("refresh").code == 0
    assert checkout.here("apply", "--yes").code == 0
    assert len(hook.requests) == 1


def test_a_failing_webhook_is_a_warning_that_holds_no_url(checkout: Checkout, hook: ChaosServer) -> None:
    hook.then(answer(410))
    applied = checkout.here("apply", "--yes", "-q")
    assert applied.code == 0
    assert "warning: webhook ops: it answered 410; 1 notification waits for the next command" in applied.stderr
    assert "hidden" not in applied.stdout + applied.stderr


def test_without_the_operators_consent_nothing_is_done(checkout: Checkout, hook: ChaosServer) -> None:
    checkout.environ["WFDEPLOY_ALLOW"] = "notify=hooks.slack.com"
    for command in (("apply", "--yes"), ("refresh",)):
        refused = checkout.here(*command)
        assert (refused.code, "OPS_URL holds no URL of a webhook that is allowed here" in refused.stderr) == (4, True)
        assert "hidden" not in refused.stderr
    assert checkout.here("plan").code == 0
    assert checkout.here("status").code == 0
    assert hook.requests == []


def test_killed_before_it_hears_the_answer_it_tells_again_under_the_same_id(
    checkout: Checkout, hook: ChaosServer
) -> None:
    pids: list[int] = []

    async def kill(exchange: Exchange) -> None:
        os.kill(pids[0], signal.SIGKILL)
        await exchange.until_client_leaves()

    hook.then(kill)
    child = checkout.start("apply", "--yes")
    pids.append(child.process.pid)
    assert child.result().code == -signal.SIGKILL
    assert checkout.here("apply", "--yes").code == 0
    first, second = hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert checkout.here("apply", "--yes").code == 0
    assert len(hook.requests) == 2
