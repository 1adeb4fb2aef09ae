"""Every command explains itself, and the table of commands tells the truth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from scripts.docs_cli import commands
from tests.golden_files import GOLDEN, command_line
from wfdeploy.cli.command import Command, LazyGroup
from wfdeploy.cli.main import main
from wfdeploy.errors import ExitCode

ALL = dict(commands(main, None))


def options_of(command: click.Command) -> Iterator[click.Option]:
    return (parameter for parameter in command.params if isinstance(parameter, click.Option))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help(path: tuple[str, ...], golden: Callable[[Path, str], None]) -> None:
    ran = command_line(*path[1:], "--help")
    assert (ran.code, ran.stderr) == (0, "")
    assert not re.search(r"x>=|<=x", ran.stdout), "a range reads as noise beside a placeholder"
    assert not re.search(r"jq [^'|]*[.\[({]", re.sub(r"'[^']*'", "", ran.stdout)), "a shell would eat parts of it"
    golden(GOLDEN / "help" / f"{'-'.join(path)}.txt", ran.stdout)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples_of_the_command_itself(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert isinstance(command, Command | LazyGroup)
    assert " ".join(path) in command.examples
    assert "Exit codes:" in command.get_help(click.Context(command)) or isinstance(command, LazyGroup)


@pytest.mark.parametrize("path", [path for path in ALL if len(path) > 1], ids=" ".join)
def test_the_summary_in_the_table_is_the_first_line_of_the_help(path: tuple[str, ...]) -> None:
    group = ALL[path[:-1]]
    assert isinstance(group, LazyGroup)
    command = ALL[path]
    assert command.help is not None
    assert group.summaries[path[-1]] == command.help.splitlines()[0]
    assert command.name == path[-1]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    for option in options_of(ALL[path]):
        assert option.help, f"{path}: {option.opts}"


def test_no_option_takes_a_token() -> None:
    for command in ALL.values():
        for option in options_of(command):
            assert not {"--token", "--secret", "--password"} & set(option.opts)


def test_help_does_not_wait_for_the_rest_of_the_line_to_make_sense() -> None:
    assert command_line("apply", "--help", "--local").code == 0


def test_documented_exit_codes_hold_those_of_every_command() -> None:
    plan = ALL["wfdeploy", "plan"]
    assert isinstance(plan, Command)
    assert ExitCode.CHANGES in plan.exits
    assert all(
        {ExitCode.OK, ExitCode.BUG, ExitCode.USAGE} <= set(c.exits) for c in ALL.values() if isinstance(c, Command)
    )
