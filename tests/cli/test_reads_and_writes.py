"""The table in docs/state.md: which command asks the server, and which one reads or writes the state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts.docs_cli import commands
from tests.support.command import Checkout
from tests.support.workbench import group, run
from wfdeploy.cli.main import main
from wfdeploy.errors import ExitCode
from wfdeploy.state.locking import lock
from wfdeploy.testing import WorkflowServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "state.md"

LINES = {
    "plan": ["--refresh=all"],
    "apply": ["--yes"],
    "adopt": ["--yes"],
    "cancel": ["g/a", "--yes"],
    "resume": ["g/a", "--yes"],
    "restart": ["g/a", "--yes"],
    "retrigger": ["g/a", "--yes"],
    "logs": ["g/a"],
    "wait": ["--timeout", "0"],
    "state show": ["g/a"],
    "state rm": ["g/a", "--yes"],
    "state mv": ["g/a", "g/z"],
    "state resolve": ["g/a", "--resend"],
    "rollout approve": ["r"],
    "rollout pause": ["r"],
    "rollout resume": ["r"],
    "rollout abort": ["r"],
}
"""What a command needs to have something to do. `state import` only makes a new state."""

OF_SHARED_STATES = {f"state {name}" for name in ("init", "holder", "unlock", "pull", "migrate")}
OTHERS = OF_SHARED_STATES | {
    "init",
    "validate",
    "render",
    "graph",
    "comment",
    "dev",
    "help",
    "explain",
    "schema",
    "completion",
    "version",
}


def table() -> Iterator[tuple[str, str, str, str]]:
    """The commands of the table, each with what it asks, what it does with the state, and whether it locks."""
    section = PAGE.read_text(encoding="utf-8").partition("## Which command asks")[2].partition("\n## ")[0]
    for line in re.findall(r"^\|.*\|$", section, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for command in re.findall(r"`([^`]+)`", cells[0]):
            yield command, cells[1], cells[2], cells[3]


TABLE = [row for row in table() if row[0] != "state import"]


def line(command: str) -> Sequence[str]:
    return [*command.split(), *LINES.get(command, [])]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A run that waits, a rollout that waits for an approval, and another run that is new."""
    with WorkflowServer() as server:
        checkout = Checkout(tmp_path / "project", server.url, server.environment["QSTASH_TOKEN"])
        rollout = {"steps": [{"count": 1, "pauseUntil": "approved"}]}
        spec = {"destination": f"{server.url}/nowhere", "defaults": {"delay": "6h"}}
        checkout.write(group("g", [run("a")], **spec), group("r", [run("b"), run("c")], rollout=rollout, **spec))
        assert checkout.here("apply", "--yes").code == ExitCode.OK
        checkout.write(group("h", [run("c")], **spec), file="new.yaml")
        yield checkout


def test_the_table_has_every_command() -> None:
    leaves = {" ".join(path[1:]) for path, _ in commands(main, None)} - {"", "state", "rollout"}
    assert {command for command, *_ in table()} == leaves - OTHERS


@pytest.mark.parametrize(("command", "asks", "state", "locks"), TABLE, ids=[row[0] for row in TABLE])
def test_it_is_so(command: str, asks: str, state: str, locks: str, checkout: Checkout) -> None:
    with lock(checkout.state_file, command="a test"):
        assert (checkout.here(*line(command)).code == ExitCode.STATE) is (locks == "yes")
    token, checkout.token = checkout.token, "wrong"
    asked = checkout.here(*line(command))
    assert (asked.code == ExitCode.REMOTE) is (not asks.startswith(("no", "only"))), asked.stderr
    if "--offline" in asks:
        assert checkout.here(*line(command), "--offline").code == ExitCode.OK
    checkout.token = token
    before = checkout.here("state", "export").stdout
    checkout.here(*line(command))
    if state == "reads":
        assert checkout.here("state", "export").stdout == before
