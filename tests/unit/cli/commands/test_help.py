"""`wfdeploy help`."""

from __future__ import annotations

import pytest

from tests.golden_files import command_line
from wfdeploy.errors import ExitCode


@pytest.mark.parametrize("names", [(), ("plan",), ("state",), ("state", "export"), ("help",)])
def test_it_says_what_help_says_after_the_command(names: tuple[str, ...]) -> None:
    ran = command_line("help", *names)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == command_line(*names, "--help").stdout


def test_the_shared_options_in_full() -> None:
    ran = command_line("help", "options")
    assert ran.code == 0
    assert "Where to work:\n  -e, --environment NAME" in ran.stdout
    assert "Output:\n  -o, --output" in ran.stdout
    assert "Usage:" not in ran.stdout


def test_help_of_a_command_only_names_the_shared_options() -> None:
    help_ = command_line("plan", "--help").stdout
    own, _, rest = help_.partition("Shared options, explained by `wfdeploy help options`:\n")
    named = rest.partition("\n\n")[0].split()
    assert named[:2] == ["-e,", "--local,"]
    assert named[-1] == "--log-format"
    assert "Environment of the project file" not in help_
    assert own.index("--detailed-exitcode") < own.index("--target")
    assert max(map(len, help_.splitlines())) <= 78


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("plam",), "No such command 'plam'. Did you mean 'plan'?"),
        (("state", "exprot"), "No such command 'exprot'. Did you mean 'export'?"),
        (("plan", "x"), "'wfdeploy plan' has no commands of its own, so no 'x'."),
    ],
)
def test_an_unknown_command(names: tuple[str, ...], message: str) -> None:
    ran = command_line("help", *names)
    assert ran.code == ExitCode.USAGE
    assert message in ran.stderr
