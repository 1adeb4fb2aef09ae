"""`wfdeploy doctor` on set-ups that are as they should be, and on others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")

import wfdeploy
from tests.fakes.chaos_server import Behaviour, Exchange
from tests.fakes.raw_http import RawRequest, response
from tests.support.command import Checkout, Result, ended
from tests.support.local_server import LocalServer
from tests.support.relay import Relay, pass_on
from tests.support.workbench import group, run
from wfdeploy.errors import ExitCode
from wfdeploy.localserver.tenants import DEFAULT_TENANT
from wfdeploy.state.locking import lock

APP = "https://app.example.com/wf"
YEAR_2001 = "Mon, 01 Jan 2001 00:00:00 GMT"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def relay(server: LocalServer) -> Iterator[Relay]:
    with Relay(server.url) as relay:
        yield relay


@pytest.fixture
def checkout(tmp_path: Path, relay: Relay) -> Checkout:
    checkout = Checkout(tmp_path / "project", relay.url, DEFAULT_TENANT.token, server={"logLag": "0.1s"})
    checkout.write(group("g", [run("a")], destination=APP))
    git(checkout, "init", "-q")
    (checkout.root / ".gitignore").write_text(".wfdeploy/\n", encoding="utf-8")
    return checkout


def git(checkout: Checkout, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(checkout.root), *arguments], check=True, capture_output=True)


def doctor(checkout: Checkout, *arguments: str) -> tuple[Result, dict[str, dict[str, Any]]]:
    """The result, and the last check of each name."""
    ran = checkout.here("doctor", "--output", "json", *arguments)
    return ran, {check["name"]: check for check in json.loads(ran.stdout)["checks"]}


def statuses(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items() if check["status"] != "ok"}


def going(server: LocalServer) -> list[str]:
    """The runs of probes that are queued or running."""
    runs = server.accepted()
    return [one.run_id for one in runs if "wfdeploy-doctor" in one.run_id and one.state == "RUN_STARTED"]


def files(checkout: Checkout) -> dict[str, bytes]:
    paths = (path for path in checkout.root.rglob("*") if path.is_file())
    return {str(path.relative_to(checkout.root)): path.read_bytes() for path in paths}


def answering(headers: dict[str, str]) -> Behaviour:
    """A behaviour: the real server's answer, with other headers."""

    async def behave(exchange: Exchange) -> None:
        assert isinstance(exchange.server, Relay)
        status, _, body = exchange.server.ask(exchange.request)
        await exchange.send(response(status, body, headers))

    return behave


# --- as it should be -----------------------------------------------------------------------------------------


def test_a_good_set_up_is_left_as_it_is(checkout: Checkout, relay: Relay) -> None:
    before = files(checkout)
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {}), ran.stdout
    assert files(checkout) == before, "no state begins, and no cache"
    assert not [item for request in relay.triggers for item in request.items]

    assert checkout.here("apply", "--yes").code == ExitCode.OK
    before = files(checkout)
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {}), ran.stdout
    assert "1 run, serial" in checks["state"]["message"]
    assert {name for name, content in files(checkout).items() if before.get(name) != content} <= {
        ".wfdeploy/state/default.db-shm",
        ".wfdeploy/state/default.db-wal",
    }
    assert checkout.here("plan").stdout.startswith("Project shop")


def test_it_is_a_method_of_projects_too(checkout: Checkout) -> None:
    found = wfdeploy.load(checkout.root, url=checkout.url, token=checkout.token, environ={}).doctor(probe=True)
    assert found.exit_code is ExitCode.OK, found
    assert found.probe is not None
    assert found.probe.triggered == 4


def test_the_embedded_server_is_not_made(checkout: Checkout) -> None:
    before = files(checkout)
    ran, checks = doctor(checkout, "--local")
    assert ran.code == ExitCode.OK, ran.stdout
    assert statuses(checks) == dict.fromkeys(("server", "token", "clock", "limits"), "skipped")
    assert files(checkout) == before


# --- what is wrong -------------------------------------------------------------------------------------------


def test_a_project_file_that_is_wrong_stops_the_rest(checkout: Checkout) -> None:
    (checkout.root / "wfdeploy.yaml").write_text("kind: Nothing\n", encoding="utf-8")
    ran, checks = doctor(checkout)
    assert ran.code == ExitCode.INVALID
    assert "wfdeploy.yaml:1" in checks["project"]["message"]
    assert checks["state"]["status"] == checks["server"]["status"] == "skipped"


def test_manifests_that_are_wrong_are_a_problem_among_others(checkout: Checkout) -> None:
    checkout.write(group("g", [run("a"), run("a")], destination=APP))
    ran, checks = doctor(checkout)
    assert ran.code == ExitCode.INVALID
    assert statuses(checks) == {"manifests": "problem"}
    probed = checkout.here("doctor", "--probe", "--yes")
    assert "first solve what is wrong with: manifests" in probed.stdout


def test_a_schema_of_another_version(checkout: Checkout) -> None:
    (checkout.root / "schema.json").write_text("{}", encoding="utf-8")
    manifest = checkout.root / "manifests" / "runs.yaml"
    manifest.write_text(f"# yaml-language-server: $schema=../schema.json\n{manifest.read_text('utf-8')}", "utf-8")
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {"schema": "warning"})
    assert "not the schema of this version" in checks["schema"]["message"]


def test_what_git_takes_along(checkout: Checkout) -> None:
    (checkout.root / ".gitignore").unlink()
    _, checks = doctor(checkout)
    assert "doesn't ignore .wfdeploy" in checks["git"]["message"]
    (checkout.root / ".gitignore").write_text(".wfdeploy\n", encoding="utf-8")
    (checkout.root / ".env.example").touch()
    git(checkout, "add", ".env.example")
    assert not statuses(doctor(checkout)[1])
    (checkout.root / ".env").write_text("QSTASH_TOKEN=x\n", encoding="utf-8")
    git(checkout, "add", ".env")
    ran, checks = doctor(checkout)
    assert (ran.code, checks["git"]["status"]) == (ExitCode.OK, "warning")
    assert "git tracks .env" in checks["git"]["message"]
    checkout.here("apply", "--yes")
    git(checkout, "add", "-f", ".wfdeploy/state/default.db")
    ran, checks = doctor(checkout)
    assert (ran.code, checks["git"]["status"]) == (ExitCode.STATE, "problem")
    assert checks["state"]["status"] == checks["server"]["status"] == "skipped"


def test_a_state_of_another_server_and_one_that_others_read(checkout: Checkout, server: LocalServer) -> None:
    checkout.here("apply", "--yes")
    checkout.state_file.chmod(0o644)
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {"storage": "warning"})
    assert checks["storage"]["hint"].startswith("chmod 600")
    checkout.url = server.url
    ran, checks = doctor(checkout)
    assert (ran.code, checks["state"]["status"]) == (ExitCode.STATE, "problem")
    assert "belongs to" in checks["state"]["message"]


def test_a_state_that_is_required_and_missing(checkout: Checkout) -> None:
    checkout.spec["state"] = {"required": True}
    checkout.configure()
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {"state": "warning"})
    assert "--create-state" in checks["state"]["hint"]


def test_who_holds_the_lock(checkout: Checkout) -> None:
    checkout.here("apply", "--yes")
    with lock(checkout.state_file, command="wfdeploy apply"):
        ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.OK, {"lock": "warning"})
    assert f"process {os.getpid()}" in checks["lock"]["message"]


# --- the server ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "code", "name", "status"),
    [
        ("", ExitCode.USAGE, "token", "problem"),
        ("nobodys", ExitCode.REMOTE, "server", "problem"),
        (DEFAULT_TENANT.read_only_token, ExitCode.OK, "token", "warning"),
    ],
)
def test_tokens(checkout: Checkout, token: str, code: ExitCode, name: str, status: str) -> None:
    checkout.token = token
    ran, checks = doctor(checkout)
    assert (ran.code, checks[name]["status"]) == (code, status), ran.stdout
    assert checks[name]["hint"]


def test_a_read_only_token_can_not_probe(checkout: Checkout) -> None:
    checkout.token = DEFAULT_TENANT.read_only_token
    ran, checks = doctor(checkout, "--probe", "--yes")
    assert (ran.code, checks["probe"]["status"]) == (ExitCode.REMOTE, "problem")


def test_a_server_that_does_not_answer(checkout: Checkout) -> None:
    checkout.url = "http://127.0.0.1:9"
    ran, checks = doctor(checkout)
    assert (ran.code, checks["server"]["status"]) == (ExitCode.REMOTE, "problem")


def test_a_clock_that_is_off_and_limits(checkout: Checkout, relay: Relay) -> None:
    limits = {"RateLimit-Limit": "1000", "RateLimit-Remaining": "0", "Burst-RateLimit-Limit": "50"}
    relay.listings = [answering({"Date": YEAR_2001, **limits})]
    ran, checks = doctor(checkout)
    assert (ran.code, statuses(checks)) == (ExitCode.REMOTE, {"clock": "warning", "limits": "problem"})
    assert "ahead of the server's" in checks["clock"]["message"]
    relay.listings = [answering(limits | {"RateLimit-Remaining": "7"})]
    ran, checks = doctor(checkout)
    assert "tell no time" in checks["clock"]["message"]
    assert "50 reading requests a second and 1,000 messages a day, 7 of them left" in checks["limits"]["message"]


# --- consent, and being killed -------------------------------------------------------------------------------


def test_nothing_is_triggered_without_consent(
    checkout: Checkout, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = checkout.here("doctor", "--probe")
    assert refused.code == ExitCode.WITHHELD
    assert "wfdeploy doctor --probe --yes" in refused.stderr
    assert checkout.here("doctor", "--destination", APP).code == ExitCode.USAGE
    assert checkout.here("doctor", "--probe", "--yes", "--destination", "app").code == ExitCode.USAGE

    answers = iter([False, True])
    monkeypatch.setattr("wfdeploy.cli.output.Output.can_ask", True)
    monkeypatch.setattr("wfdeploy.cli.output.Output.ask", lambda _self, _question: next(answers))
    declined, checks = doctor(checkout, "--probe")
    assert (declined.code, checks["probe"]["status"]) == (ExitCode.WITHHELD, "problem")
    assert "4 delayed by 60 minutes" in declined.stderr
    assert f"server {checkout.url}" in declined.stderr
    assert not [item for request in relay.triggers for item in request.items]
    agreed, _ = doctor(checkout, "--probe")
    assert agreed.code == ExitCode.OK, agreed.stdout
    assert next(answers, None) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_ends_a_probe_leaves_nothing(
    checkout: Checkout, relay: Relay, server: LocalServer, number: signal.Signals
) -> None:
    """A listing after the triggers hangs; there the process gets a signal."""
    reached: list[RawRequest] = []

    async def hang(exchange: Exchange) -> None:
        reached.append(exchange.request)
        exchange.server.changed()
        await exchange.until_client_leaves()

    passed_on = 4  # by the check of the server, to learn the time, and for the leftovers of two labels
    relay.listings = [*(pass_on() for _ in range(passed_on)), hang]
    with ended(checkout.start("doctor", "--probe", "--yes")) as child:
        relay.wait_until(lambda: bool(reached), timeout_s=30.0)
        child.process.send_signal(number)
        code = child.result().code
    ours = going(server)
    if number != signal.SIGKILL:
        assert code == (ExitCode.SIGTERM if number == signal.SIGTERM else ExitCode.SIGINT)
        assert not ours
        return
    assert len(ours) == 4
    relay.listings = []
    report = json.loads(checkout.here("doctor", "--probe", "--yes", "--output", "json").stdout)["probe"]
    assert report["leftovers"] == 4
    assert not going(server)
