"""However a command ends, the gate makes an exit code and words of it."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from tests.golden_files import command_line
from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.error_handler import run
from wfdeploy.cli.output import App, Output
from wfdeploy.cli.signals import Terminated
from wfdeploy.errors import (
    ExitCode,
    InvalidInput,
    RemoteFailure,
    StateLocked,
    UsageError,
    WfdeployError,
    Withheld,
)
from wfdeploy.model.diagnostic import Diagnostic, Place


def group_that(act: Callable[[], object]) -> click.Group:
    group = click.Group("wfdeploy")

    @group.command("act", cls=Command)
    @options.view
    def act_(app: App) -> object:
        return act()

    return group


def raising(error: BaseException) -> click.Group:
    def act() -> None:
        raise error

    return group_that(act)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StateLocked("locked by pid 7"), 5),
        (RemoteFailure("no way"), 6),
        (Withheld("declined"), 8),
        (UsageError("no sense"), 64),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (Terminated(), 143),
        (click.UsageError("wrong"), 64),
        (click.FileError("f", "gone"), 64),
        (OSError(errno.ENOSPC, "No space left on device"), 74),
        (PermissionError(errno.EACCES, "Permission denied", os.fsdecode(b"b\xff")), 74),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    ran = command_line("act", group=raising(error))
    assert ran.code == code
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")


_WITHOUT_FILES = """
import os, resource, sys
import click
from wfdeploy.cli.output import App
from wfdeploy.cli.error_handler import run
from wfdeploy.cli.output import Output
from wfdeploy.errors import InvalidInput
from wfdeploy.model.diagnostic import Diagnostic, Place

@click.command()
def act():
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    raise {error}

sys.exit(run([], App(output=Output(stdout=sys.stdout, stderr=sys.stderr, environ={{}}), environ={{}}), act))
"""


@pytest.mark.skipif(os.name != "posix", reason="such limits are POSIX ones")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("ValueError('x')", 1, "error: this is a bug in wfdeploy: ValueError\nhint: no report could be written\n"),
        ("InvalidInput([Diagnostic(code='x', message='m', place=Place('a', 1))])", 74, "Too many open files"),
        ("ImportError('libz.so: cannot open it: Too many open files')", 74, "libz.so: cannot open it: "),
        ("click.UsageError('x')", 64, "error: x\n"),
    ],
)
def test_how_it_ended_is_told_with_no_file_left(error: str, code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_FILES.format(error=error)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, said in ended.stderr, "Traceback" in ended.stderr) == (code, True, False), ended.stderr


def test_another_interrupt_while_it_is_told() -> None:
    class Impatient(io.StringIO):
        left = 1

        def write(self, text: str) -> int:
            if self.left:
                self.left -= 1
                raise KeyboardInterrupt
            return super().write(text)

    for error in (
        ValueError("x"),
        KeyboardInterrupt(),
        InvalidInput([Diagnostic(code="c", message="m", place=Place("a", 1))]),
    ):
        for left in (1, 2):
            stderr = Impatient()
            stderr.left = left
            app = App(output=Output(stdout=io.StringIO(), stderr=stderr, environ={}), environ={})
            assert run(["act"], app, raising(error)) == 130
            assert stderr.getvalue() == ("error: interrupted\n" if left == 1 else "")


def test_a_working_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with contextlib.chdir(gone):
        gone.rmdir()
        ran = command_line("act", group=group_that(Path.cwd))
    assert (ran.code, ran.stderr) == (
        74,
        "error: the working directory is gone\nhint: change to one that is there: cd DIR\n",
    )


def test_a_file_that_is_missing_is_a_bug_where_nobody_expects_it() -> None:
    assert command_line("act", group=raising(FileNotFoundError(errno.ENOENT, "No such file", "x"))).code == 1


def test_a_command_returns_its_exit_code() -> None:
    assert command_line("act", group=group_that(lambda: ExitCode.CHANGES)).code == 2
    assert command_line("act", group=group_that(lambda: None)).code == 0


def test_message_and_hint_are_shown() -> None:
    ran = command_line("act", group=raising(WfdeployError("it is so", hint="do this")))
    assert ran.stderr == "error: it is so\nhint: do this\n"


def test_a_message_cannot_speak_to_the_terminal() -> None:
    ran = command_line("act", group=raising(UsageError("a\x1b[2Jb\rc\nd\u202e")))
    assert ran.stderr == "error: a\\x1b[2Jb\\rc\nd\\u202e\n"


def test_json_log_holds_the_error_as_one_object() -> None:
    ran = command_line("act", "--log-format", "json", group=raising(UsageError("no", hint="yes")))
    assert json.loads(ran.stderr) == {
        "time": "2026-11-23T12:00:00.000Z",
        "level": "error",
        "message": "no",
        "hint": "yes",
        "exitCode": 64,
    }


def test_a_complaint_about_the_command_line_follows_the_log_format() -> None:
    ran = command_line("act", "--log-format=json", "--bogus", group=raising(UsageError("never")))
    assert ran.code == 64
    assert json.loads(ran.stderr)["message"].startswith("No such option")


def test_invalid_input_shows_every_diagnostic() -> None:
    found = [
        Diagnostic(code="x", message="first", place=Place("a.yaml", 3, 5), address="g/r", excerpt="  - x: 1"),
        Diagnostic(code="x", message="second", place=Place("b.yaml"), hint="mend it"),
    ]
    ran = command_line("act", group=raising(InvalidInput(found)))
    assert ran.code == 4
    assert "a.yaml:3:5: g/r: first\n" in ran.stderr
    assert "b.yaml:1:1: second\n  hint: mend it\n" in ran.stderr
    assert ran.stderr.endswith("error: 2 errors\n")


def test_an_unexpected_error_leaves_a_report_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    secret = "s3cr3t-token-value"
    ran = command_line(
        "act",
        environ={"QSTASH_TOKEN": secret, "HOME": "/home/somebody"},
        group=raising(ValueError(f"header Bearer {secret}")),
    )
    assert ran.code == 1
    match = re.search(r"a report is in (\S+);", ran.stderr)
    assert match is not None
    report = Path(match[1]).read_text(encoding="utf-8")
    assert "ValueError: header Bearer ***" in report
    assert secret not in report + ran.stderr
    assert "/home/somebody" not in report
    assert Path(match[1]).stat().st_mode & 0o077 == 0


def test_without_a_command_the_help_is_shown_and_it_is_a_usage_error() -> None:
    ran = command_line()
    assert ran.code == 64
    assert "Everyday commands" in ran.stderr
    assert ran.stderr.endswith("error: A command is missing.\nhint: try 'wfdeploy --help'\n")


def test_unknown_command_is_met_with_a_guess() -> None:
    ran = command_line("aply")
    assert ran.code == 64
    assert "No such command 'aply'. Did you mean 'apply'?" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("state",),
        ("state", "lst"),
        ("plan", "--limit", "0"),
        ("apply", "--timeout", "nan"),
        ("plan", "--var", "novalue"),
        ("version", "extra"),
    ],
)
def test_wrong_command_lines_exit_with_64(arguments: tuple[str, ...]) -> None:
    ran = command_line(*arguments)
    assert ran.code == 64
    assert ran.stdout == ""
    assert "hint: try 'wfdeploy" in ran.stderr
