"""Where golden files are, and command lines run in process for them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from wfdeploy.cli.error_handler import run
from wfdeploy.cli.output import App, Output

GOLDEN = Path(__file__).parent / "golden"
NOON_S = 1_795_435_200.0
"""2026-11-23T12:00:00Z, when every command of these tests runs."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command line ended."""

    code: int
    stdout: str
    stderr: str


class Terminal(io.StringIO):
    """What takes text for a terminal."""

    def isatty(self) -> bool:
        return True


def command_line(
    *arguments: str, environ: Mapping[str, str] | None = None, group: click.Group | None = None, terminal: bool = False
) -> Ran:
    """Run `wfdeploy ARGUMENTS` in process, in the working directory, with no environment but the given one.
    `terminal`: standard error is one."""
    stdout, stderr = io.StringIO(), Terminal() if terminal else io.StringIO()
    environ = {} if environ is None else environ
    output = Output(stdout=stdout, stderr=stderr, environ=environ, now=lambda: NOON_S)
    code = run(arguments, App(output=output, environ=environ), group)
    return Ran(int(code), stdout.getvalue(), stderr.getvalue())
