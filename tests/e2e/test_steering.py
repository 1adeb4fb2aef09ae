"""`wait`, `rollout` and `apply --wait` as commands, against the embedded server over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Checkout, ended
from tests.support.local_server import LocalServer
from tests.support.workbench import group, run

FAILING = "http://127.0.0.1:9/nobody"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(demo=True) as server:
        yield server


@pytest.fixture
def checkout(server: LocalServer, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "project", server.url, server.token)


def declared(server: LocalServer, name: str, runs: int, **spec: object) -> dict[str, object]:
    return group(
        name,
        [run(f"r{index}", body={"order": index}) for index in range(runs)],
        **{"destination": f"{server.demo_url}/demo/flow", "defaults": {"retries": 0}, **spec},
    )


def test_apply_follows_groups_through_to_the_end(checkout: Checkout, server: LocalServer) -> None:
    checkout.write(declared(server, "seed", 3), declared(server, "load", 2, dependsOn=[{"group": "seed"}]))
    result = checkout.here("apply", "--yes", "-o", "json", "--wait", "--wait-timeout", "60")
    assert (result.code, result.counts) == (0, {"triggered": 5}), result.stderr
    assert result.report["watched"]["RUN_SUCCESS"] == 5


def test_a_failure_is_the_exit_code_of_the_wait(checkout: Checkout, server: LocalServer) -> None:
    checkout.write(
        declared(server, "seed", 1, destination=FAILING), declared(server, "load", 1, dependsOn=[{"group": "seed"}])
    )
    result = checkout.here("apply", "--yes", "--wait", "--wait-timeout", "60")
    assert result.code == 7, result.stderr
    assert "Unsettled: 1 blocked; load/r0: waits for group seed: 0 of 1 succeeded, 1 ended otherwise" in result.stdout


def test_wait_until_runs_have_ended(checkout: Checkout, server: LocalServer) -> None:
    checkout.write(declared(server, "good", 2), declared(server, "bad", 1, destination=FAILING))
    assert checkout.here("apply", "--yes").code == 0
    result = checkout.here("wait", "good/*", "-o", "json", "--timeout", "60")
    assert (result.code, result.report["fulfilled"]) == (0, True), result.stderr
    assert result.report["states"]["RUN_SUCCESS"] == 2
    result = checkout.here("wait", "--timeout", "60")
    assert (result.code, result.stdout) == (
        7,
        "Not all succeeded: 2 succeeded, 1 failed.\n`wfdeploy logs --failed` shows what went wrong.\n",
    )
    result = checkout.here("wait", "--for", "finished")
    assert (result.code, result.stdout) == (0, "Done: 2 succeeded, 1 failed.\n")
    assert checkout.here("wait", "nothing/*").code == 64
    delayed = declared(server, "late", 1)
    delayed["spec"]["defaults"] = {"delay": "1h"}  # type: ignore[index]
    checkout.write(delayed, file="late.yaml")
    assert checkout.here("apply", "--yes").code == 0
    result = checkout.here("wait", "late/*", "--timeout", "0")
    assert (result.code, result.stdout) == (
        7,
        "Timed out after 0 s: 1 of 1 still running.\n"
        "They go on. To wait again, or longer with --timeout: wfdeploy wait 'late/*' --timeout 0\n",
    )
    shown = json.loads(checkout.here("wait", "late/*", "--timeout", "0", "-o", "json").stdout)
    assert (shown["fulfilled"], shown["timedOut"], shown["interrupted"]) == (False, True, False)


def test_a_rollout_is_seen_and_steered(checkout: Checkout, server: LocalServer) -> None:
    steps = [{"count": 1, "pauseUntil": "approved"}, {"percent": 50}]
    checkout.write(declared(server, "g", 4, rollout={"steps": steps}))
    assert "none" in checkout.here("rollout", "status").stdout
    assert checkout.here("rollout", "approve", "g").code == 5, "there is no state yet"
    first = checkout.here("apply", "--yes")
    assert "Approval needed: the rollout of g waits; `wfdeploy rollout approve g` continues it." in first.stdout
    assert json.loads(checkout.here("apply", "--yes", "-o", "json").stdout)["approvals"] == ["g"], "nothing to do"
    shown = checkout.here("rollout", "status", "g").stdout
    assert "running" in shown
    assert "1 of 2 (1)" in shown
    assert "approved" in shown
    assert checkout.here("wait", "g/*").code == 0

    idle = checkout.here("rollout", "resume", "g")
    assert (idle.code, "the rollout of g is running: there is nothing to resume" in idle.stderr) == (64, True)
    assert checkout.here("rollout", "pause", "g").stdout == "Paused. The next apply releases no more runs.\n"
    idle = checkout.here("rollout", "pause", "g")
    assert (idle.code, "the rollout of g is already paused" in idle.stderr) == (64, True)
    assert checkout.here("rollout", "approve", "g").stdout == "Approved. The next apply releases no more runs.\n"
    idle = checkout.here("rollout", "approve", "g")
    assert (idle.code, "step 1 of the rollout of g is already approved" in idle.stderr) == (64, True)
    assert checkout.apply().counts == {"blocked": 3, "kept": 1}
    assert checkout.here("rollout", "resume", "g").stdout == "Resumed. The next apply continues the rollout.\n"
    assert checkout.apply().counts == {"triggered": 1, "blocked": 2, "kept": 1}
    (view,) = json.loads(checkout.here("rollout", "status", "-o", "json").stdout)["rollouts"]
    assert (view["released"], view["progress"]["step"], view["progress"]["mode"]) == (2, 2, "running")
    idle = checkout.here("rollout", "approve", "g")
    assert (idle.code, idle.stdout) == (64, "")
    assert "the rollout of g waits for no approval: step 2 waits until its runs have succeeded" in idle.stderr
    assert checkout.here("rollout", "abort", "g").code == 0
    assert checkout.here("rollout", "abort", "g").code == 64
    assert checkout.apply().counts == {"blocked": 2, "kept": 2}
    result = checkout.here("rollout", "pause", "gg")
    assert (result.code, "did you mean 'g'?" in result.stderr) == (64, True)
    assert checkout.here("rollout", "resume", "g").code == 0
    result = checkout.here("apply", "--yes", "--wait", "-o", "json")
    assert (result.code, result.counts) == (0, {"triggered": 2, "kept": 2}), result.stderr


def test_a_plan_names_the_next_instances(checkout: Checkout, server: LocalServer) -> None:
    checkout.write(declared(server, "nightly", 1, schedule={"cron": "0 3 * * *", "startAt": "2000-01-01T00:00:00Z"}))
    result = checkout.here("plan")
    assert result.code == 0, result.stderr
    assert "T03:00:00Z  due" in result.stdout
    assert "nightly: instances that were missed are skipped (catchUp: last)." in result.stdout
    assert "Next instances: nightly at " in result.stdout
    assert checkout.apply().counts == {"triggered": 1}
    assert "No changes: no runs are due." in checkout.here("plan").stdout


def test_an_apply_that_waits_does_not_undo_a_newer_one(checkout: Checkout, server: LocalServer) -> None:
    """The newer one waits for the lock until the first round of the other has ended."""

    def commit(body: int) -> None:
        checkout.write(
            declared(server, "seed", 1, defaults={"delay": "5s"}),
            group("g", [run("a", body=body)], destination=f"{server.demo_url}/demo/flow"),
            declared(server, "load", 2, dependsOn=[{"group": "seed"}]),
        )

    commit(1)
    with ended(checkout.start("apply", "--yes", "--wait", "--wait-timeout", "60")) as older:
        older.wait_for_words("2 blocked")
        commit(2)
        newer = checkout.here("apply", "--yes", "--lock-timeout", "30", "-o", "json")
        assert (newer.code, newer.counts) == (0, {"triggered": 1, "blocked": 2, "kept": 1}), newer.stderr
        result = older.result()
    assert result.code == 7, result.stderr
    assert "Unsettled: another command has changed the state meanwhile" in result.stdout
    assert "2 blocked; load/r0: waits for group seed" in result.stdout
    assert checkout.here("plan").code == 0
    assert "g/a" not in checkout.here("plan").stdout, "version 2 is what is declared, and what was triggered last"
