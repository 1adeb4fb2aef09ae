"""The commands on runs: each shows a plan, keeps to the rules of an apply, and speaks JSON."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import shlex
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.command import Checkout, Result
from tests.support.workbench import group, run
from wfdeploy.errors import ExitCode
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
    # The failed one may have been handled elsewhere.
    assert (again["asked"], again["changed"], again["summary"]["RUN_STARTED"]) == (2, [], 1)
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
    assert "500 Internal Server Error: crashed" in shown.stdout
    (failed,) = place.json("logs", "g/failed")["runs"]
    assert [step["state"] for part in failed["steps"] for step in part["steps"]] == [
        "STEP_SUCCESS",
        "STEP_SUCCESS",
        "STEP_FAILED",
    ]
    error = failed["steps"][-1]["steps"][0]["errors"][0]
    assert (error["status"], error["message"], error["body"]) == (500, "500 Internal Server Error", "crashed")
    assert failed["error"] == "500 Internal Server Error: crashed"


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


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("cancel", "g/*"), "cancel 1 run"),
        (("restart", "g/*"), "restart 1 run"),
        (("retrigger", "g/*"), "retrigger 3 runs"),
        (("apply", "--replace", "g/good"), "retrigger 1 run"),
        (("state", "rm", "g/*"), "forget 3 runs"),
    ],
)
def test_without_a_terminal_it_takes_a_yes(place: Place, command: tuple[str, ...], what: str) -> None:
    before = place.json("state", "list")
    refused = place.here(*command)
    assert (refused.code, refused.stdout) == (8, "")
    assert f"error: this would {what}, and there is no terminal to ask at; nothing was done" in refused.stderr
    words = next(line for line in refused.stderr.splitlines() if line.startswith("hint: if it is meant: wfdeploy "))
    assert place.json("state", "list") == before
    assert len(place.server.runs()) == 3
    assert place.here(*shlex.split(words.removeprefix("hint: if it is meant: wfdeploy "))).code == 0


def test_an_apply_that_cancels_takes_a_yes_without_a_terminal(place: Place) -> None:
    place.declare({"onRemove": "cancel"}, good=["run"], failed=["run", "fragile"])
    refused = place.here("apply")
    assert (refused.code, "this would cancel 1 run, and there is no terminal" in refused.stderr) == (8, True)
    assert place.states()["g/waiting"] == "RUN_STARTED"
    assert place.here("plan", "--out", "it.plan").code == 0
    assert place.here("apply", "it.plan").code == 0, "a saved plan was reviewed"
    assert place.states()["g/waiting"] == "RUN_CANCELED"


def test_an_apply_that_replaces_a_running_run_takes_a_yes_too(place: Place) -> None:
    place.declare({"replaceRunning": "cancel"}, good=["run"], failed=["run", "fragile"], waiting=["wait f"])
    refused = place.here("apply")
    assert (refused.code, "this would cancel 1 run, and there is no terminal" in refused.stderr) == (8, True)
    assert place.here("apply", "--yes").code == 0


def test_what_only_goes_on_needs_nobody(place: Place) -> None:
    place.declare(failed=["run", "fragile"], waiting=["wait e"], good=["run"], more=["run"])
    assert place.here("apply").code == 0
    assert place.here("resume", "g/failed").code == 0
    assert place.here("cancel", "g/good").code == 0, "it has ended, so there is nothing to do"


def test_a_dry_run_shows_and_does_nothing(place: Place) -> None:
    before = place.json("state", "list")
    for command, count in (("cancel", 1), ("resume", 1), ("restart", 1), ("retrigger", 3)):
        tried = place.here(command, "g/*", "--dry-run", "--yes")
        assert tried.code == 0, tried.stderr
        assert f"Plan: {count} to {command}" in tried.stdout
        assert f"Next: wfdeploy {command} 'g/*' --yes\n" in tried.stdout
        assert "nothing was done: this was a dry run" in tried.stderr
        assert place.json(command, "g/*", "--dry-run")["summary"][command] == count
    assert place.json("state", "list") == before
    assert len(place.server.runs()) == 3


def test_a_dry_run_says_when_a_limit_refuses_it(place: Place) -> None:
    tried = place.here("retrigger", "g/*", "--dry-run", "--max-triggers", "2")
    assert (tried.code, "Plan: 3 to retrigger." in tried.stdout) == (8, True)
    assert "retrigger would trigger 3 runs, more than --max-triggers 2" in tried.stderr
    assert "look at it with --dry-run; if it is meant, give --max-triggers " in tried.stderr


def test_a_refusal_names_the_limit_and_what_lifts_it(place: Place) -> None:
    place.declare(**{f"r{n:03}": ["run"] for n in range(101)})
    assert place.here("apply", "--yes").code == 0
    for options in (("--yes",), ("--dry-run",)):
        refused = place.here("retrigger", "g/r*", *options)
        assert refused.code == 8
        assert "retrigger would trigger 101 runs again, more than the limit of 100" in refused.stderr
        assert "look at it with --dry-run; if it is meant, give --allow-retrigger" in refused.stderr
    assert place.here("retrigger", "g/r*", "--dry-run", "--allow-retrigger").code == 0


def test_adoption_takes_a_yes_and_can_be_tried(place: Place) -> None:
    place.declare(failed=["run", "fragile"], waiting=["wait e"], good=["run"], more=["run"])
    tried = place.here("adopt", "--dry-run")
    assert (tried.code, "= g/more" in tried.stdout, "Plan: 1 to adopt" in tried.stdout) == (0, True, True)
    refused = place.here("adopt")
    assert (refused.code, "this would record 1 run as triggered" in refused.stderr) == (8, True)
    assert "g/more" not in place.states()
    assert place.here("adopt", "--yes").code == 0
    assert "g/more" in place.states()


RUN_COMMANDS = ["status", "logs", "wait", "cancel", "resume", "restart", "retrigger"]


def test_runs_are_selected_by_their_live_state(place: Place) -> None:
    """What is recorded of these runs is only that they were triggered."""
    assert [one["address"] for one in place.json("status", "--failed")["runs"]] == ["g/failed"]
    both = place.json("status", "--run-state", "failed,running")
    assert [one["address"] for one in both["runs"]] == ["g/failed", "g/waiting"]
    assert (both["summary"]["RUN_FAILED"], both["summary"]["RUN_SUCCESS"]) == (1, 0)
    again = place.json("status", "--run-state", "running", "--failed")
    assert [one | {"lastSeenAt": 0} for one in again["runs"]] == [one | {"lastSeenAt": 0} for one in both["runs"]]
    assert "\n\n1 failed.\n" in place.here("status", "--failed").stdout
    assert place.json("status", "--failed", "--label", "label-good")["runs"] == []
    assert [one["address"] for one in place.json("logs", "--failed")["runs"]] == ["g/failed"]
    assert place.here("wait", "--run-state", "succeeded").stdout == "Done: 1 succeeded.\n"
    assert place.here("wait", "--failed").code == 7


def test_commands_act_on_runs_in_a_state(place: Place) -> None:
    assert place.json("cancel", "--run-state", "running", "--yes")["summary"]["cancelled"] == 1
    assert place.json("restart", "g/*", "--failed", "--yes")["summary"]["triggered"] == 1
    assert place.json("retrigger", "--run-state", "succeeded", "--yes")["summary"]["triggered"] == 1
    place.server.settle()
    generations = {one["address"]: one["generation"] for one in place.json("status")["runs"]}
    assert generations == {"g/failed": 2, "g/good": 2, "g/waiting": 1}


def test_a_failed_run_that_is_recorded_as_running_is_resumed(place: Place) -> None:
    place.endpoint.is_healed = True
    assert place.json("resume", "--failed", "--yes")["summary"]["resumed"] == 1
    place.server.settle()
    assert place.states() == ALL | {"g/failed": "RUN_SUCCESS"}
    nothing = place.here("resume", "g/*", "--failed", "--yes")
    assert (nothing.code, nothing.stdout) == (0, "Nothing to do: none of the selected runs is failed.\n")
    nothing = place.here("resume", "g/good", "--label", "label-failed", "--yes")
    assert (nothing.code, nothing.stdout) == (0, "Nothing to do: none of the selected runs carries the label.\n")


@pytest.mark.parametrize("command", RUN_COMMANDS)
def test_a_state_in_which_no_run_is(place: Place, command: str) -> None:
    ran = place.here(command, "g/*", "--run-state", "missing,rejected")
    assert ran.code == 0, ran.stderr
    if command != "wait":
        assert "none of the selected runs is missing or rejected" in ran.stdout + ran.stderr
    assert place.here(command, "g/none", "--run-state", "missing").code == 64


@pytest.mark.parametrize("command", RUN_COMMANDS)
def test_an_unknown_state_names_the_known_ones(place: Place, command: str) -> None:
    refused = place.here(command, "--run-state", "failed,runing")
    assert refused.code == 64
    assert "error: 'runing' is not a state of runs" in refused.stderr
    assert "did you mean 'running'? available: running, succeeded, failed," in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        *((name, "g/*") for name in (*RUN_COMMANDS, "history", "refresh")),
        ("rollout", "status"),
        ("rollout", "pause", "g"),
        ("state", "list"),
        ("state", "show", "g/good"),
        ("state", "rm", "g/good", "--yes"),
        ("state", "export"),
    ],
)
def test_a_named_state_that_is_not_there_is_an_error(place: Place, command: tuple[str, ...]) -> None:
    missing = place.here(*command, "--state", "other.db")
    assert (missing.code, "there is no state" in missing.stderr) == (5, True)
    assert "--run-state" not in missing.stderr
    meant = place.here(*command, "--state", "failed")
    assert (meant.code, meant.stdout) == (5, "")
    assert "--state names the file of the state" in meant.stderr
    assert "is --run-state failed" in meant.stderr
    assert not (place.checkout.root / "failed").exists()


@pytest.mark.parametrize("command", ["apply", "plan", "adopt"])
def test_a_new_state_is_not_named_like_a_state_of_runs(place: Place, command: str) -> None:
    refused = place.here(command, "--state", "failed,running")
    assert refused.code == 64
    assert "is --run-state failed,running" in refused.stderr
    url = place.here(command, "--state", "https://states.example.com/shop")
    assert (url.code, "no URL of a shared state" in url.stderr) == (64, True)
    assert [file.name for file in place.checkout.root.iterdir() if file.name.startswith(("failed", "https"))] == []
    assert place.here("plan", "--state", "another.db").code == 0


def test_failed_runs_come_first_with_their_reason_and_the_next_command(place: Place) -> None:
    shown = place.here("status").stdout.splitlines()
    assert [line.split()[0] for line in shown[1:5]] == ["g/failed", "500", "g/waiting", "g/good"]
    assert shown[2].strip() == "500 Internal Server Error: crashed"
    assert any(line.startswith("Next: wfdeploy logs g/failed") for line in shown)
    (failed,) = [one for one in place.json("status")["runs"] if one["address"] == "g/failed"]
    assert (failed["error"], failed["live"]) == ("500 Internal Server Error: crashed", True)
    place.here("refresh")
    assert place.here("status").stdout.splitlines()[2] == shown[2], "also where the state knows that it failed"


def test_offline_it_says_when_each_was_last_seen(place: Place) -> None:
    assert "3 runs were never seen; `wfdeploy refresh" in place.here("status", "--offline").stdout
    place.here("refresh")
    offline = {one["address"]: one for one in place.json("status", "--offline")["runs"]}
    assert {address: one["runState"] for address, one in offline.items()} == ALL
    assert not any(one["live"] for one in offline.values())
    assert all(one["lastSeenAt"] for one in offline.values())
    assert "1 run is shown as it was last seen" in place.here("status", "--offline").stdout
    assert place.here("status", "--offline", "--watch").code == 64


def test_on_a_terminal_it_is_watched_in_place_and_left_in_full(place: Place) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with place.server.serving(place.endpoint.wsgi):
        child = place.checkout.start("status", "--watch", "--interval", "0.1", stdout=theirs)
        os.close(theirs)
        try:
            text, is_waiting = "", True
            while data := read_terminal(ours):
                text += data
                if is_waiting and "g/waiting" in text:
                    is_waiting = False
                    place.server.notify("e")
                    place.server.settle()
            assert child.result().code == 0
        finally:
            child.process.kill()
            os.close(ours)
    screen, _, left = text.rpartition("\x1b[?1049l")
    assert screen.startswith("\x1b[?1049h")
    assert "\x1b[2J" not in screen
    assert max(frame.count("\n") for frame in screen.split("\x1b[H")) < 24
    assert "1 failed, 2 succeeded." in re.sub(r"\x1b\[\d+m", "", left)


def read_terminal(file: int) -> str:
    """What a process wrote to its terminal; nothing at its end."""
    ready, _, _ = select.select([file], [], [], 20.0)
    assert ready, "nothing more was shown"
    try:
        return os.read(file, 65536).decode(errors="replace")
    except OSError:  # Linux: the other side is closed
        return ""


def test_states_of_runs_fail_a_pipeline(place: Place) -> None:
    """What --fail-on names makes the exit code 7, in each command that has it, and never hides a worse one."""
    healthy = place.here("status", "--fail-on", "cancelled,missing", "--fail-on", "blocked", "-o", "json")
    assert (healthy.code, json.loads(healthy.stdout)["failedOn"]) == (0, [])
    failed = place.here("status", "--fail-on", "blocked, failed")
    assert (failed.code, "some runs are failed (--fail-on), so the exit code is 7" in failed.stderr) == (7, True)
    assert place.here("status", "g/good", "--fail-on", "failed").code == 0
    assert place.here("status", "--offline", "--fail-on", "failed").code == 0, "nobody has recorded it yet"

    assert place.here("apply", "--yes", "--fail-on", "failed").code == 0, "nor does this apply look it up"
    assert place.here("refresh").code == 0
    applied = place.here("apply", "--yes", "--fail-on", "failed,cancelled", "-o", "json")
    assert (applied.code, json.loads(applied.stdout)["failedOn"]) == (7, ["failed"])
    assert place.here("apply", "--yes", "--target", "g/good", "--fail-on", "failed").code == 0
    assert "`wfdeploy resume --failed` retries it" in place.here("apply", "--yes").stdout
    assert place.here("status", "--offline", "--fail-on", "failed").code == 7

    assert place.here("cancel", "g/waiting", "--yes").code == 0
    assert place.here("wait", "--for", "finished").code == 0
    waited = place.here("wait", "--for", "finished", "--fail-on", "cancelled,failed", "-o", "json")
    assert (waited.code, json.loads(waited.stdout)["failedOn"]) == (7, ["failed", "cancelled"])
    assert place.here("wait", "g/good", "--fail-on", "cancelled,failed").code == 0
    withheld = place.here("apply", "--yes", "--replace", "g/good", "--max-triggers", "0", "--fail-on", "failed")
    assert withheld.code == 8, "another exit code stays"


def test_unknown_states_of_fail_on_are_refused_with_the_known_ones(place: Place) -> None:
    for command in ("apply", "status", "wait"):
        refused = place.here(command, "--fail-on", "failed,brokne")
        assert refused.code == 64
        assert "'brokne' is not a state that --fail-on knows" in refused.stderr
        assert "available: failed, cancelled, missing, blocked" in refused.stderr
    selected = place.here("status", "g/*", "--fail-on", "blocked")
    assert (selected.code, "blocked runs are not recorded one by one" in selected.stderr) == (64, True)


def test_blocked_runs_fail_a_pipeline(place: Place) -> None:
    rollout = {"steps": [{"count": 1, "pauseUntil": "approved"}]}
    spec = {"destination": place.url, "rollout": rollout}
    place.checkout.write(group("r", [run("a"), run("b")], **spec), file="more.yaml")
    applied = place.here("apply", "--yes", "--fail-on", "blocked", "-o", "json")
    assert (applied.code, json.loads(applied.stdout)["failedOn"]) == (7, ["blocked"])
    assert place.here("status", "--offline", "--fail-on", "blocked").code == 7
    assert place.here("wait", "--for", "finished", "--timeout", "0", "--fail-on", "blocked").code == 7


def test_what_was_waited_for_and_applied_is_written_as_tests(place: Place, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert place.here("wait", "--timeout", "0", "--report", f"junit={report}").code == ExitCode.PARTIAL
    text = report.read_text(encoding="utf-8")
    assert 'tests="3" failures="2"' in text
    assert '<testcase classname="wfdeploy.wait" name="g/good"/>' in text
    assert '<failure message="RUN_FAILED">' in text
    place.declare(good=["run"], more=["run"])
    assert place.here("apply", "--yes", "--report", f"junit={report}").code == 0
    assert 'name="g/more"><system-out>triggered</system-out>' in report.read_text(encoding="utf-8")
