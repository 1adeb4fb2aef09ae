"""Writes docs/reference/cli.md from the commands' own help. `--check` tells whether the file is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from wfdeploy.cli.command import LazyGroup
from wfdeploy.cli.commands.setup import shared_options
from wfdeploy.cli.error_handler import PROGRAM
from wfdeploy.cli.main import main
from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
WIDTH = 80


def page() -> str:
    """The whole page."""
    parts = [
        "# Command line",
        "Written by `scripts/docs_cli.py` from `wfdeploy --help`; edit the help, not this page.",
    ]
    for path, command in commands(main, None):
        depth = "#" * min(len(path) + 1, 4)
        context = context_of(path, command)
        parts += [f"{depth} {' '.join(path)}", f"```text\n{command.get_help(context)}\n```"]
    parts += ["## Shared options", f"```text\n{shared_options.get_help(context_of((), shared_options))}\n```"]
    parts += ["## Exit codes", exit_codes()]
    return "\n\n".join(parts) + "\n"


def commands(group: LazyGroup, parent: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path, the group itself first, in the order of its help."""
    path = (PROGRAM,) if parent is None else parent
    yield path, group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def context_of(path: tuple[str, ...], command: click.Command) -> click.Context:
    """A context in which the command calls itself by its full name."""
    return click.Context(command, info_name=" ".join(path), terminal_width=WIDTH, max_content_width=WIDTH)


def exit_codes() -> str:
    """The table of exit codes, from the enum."""
    rows = [f"| {code.value} | {EXIT_CODE_MEANING[code]} |" for code in ExitCode]
    return "\n".join(("| code | when |", "|---|---|", *rows))


def run(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it."""
    wanted = page()
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{PAGE.name} is out of date: run python scripts/docs_cli.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
