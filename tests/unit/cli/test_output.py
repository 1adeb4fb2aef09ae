"""One writer, one policy."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Mapping

import pytest

from wfdeploy.cli.output import ColorMode, LogFormat, Output
from wfdeploy.errors import WfdeployError
from wfdeploy.render.terminal import Tone


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "cannot")


def output(
    environ: Mapping[str, str] | None = None,
    *,
    stdout: io.StringIO | None = None,
    stderr: io.StringIO | None = None,
) -> Output:
    return Output(
        stdout=stdout or io.StringIO(), stderr=stderr or io.StringIO(), environ=environ or {}, now=lambda: 0.25
    )


@pytest.mark.parametrize(
    ("mode", "environ", "terminal", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),  # the convention: set and not empty
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colour(mode: str, environ: dict[str, str], terminal: bool, colored: bool) -> None:
    it = output(environ, stdout=Terminal() if terminal else None)
    it.color = ColorMode(mode)
    assert (it.style("x", Tone.GOOD) != "x") is colored


@pytest.mark.parametrize(
    ("environ", "verbosity", "log_format", "animated"),
    [
        ({}, 0, "text", True),
        ({"CI": "true"}, 0, "text", False),
        ({"TERM": "dumb"}, 0, "text", False),
        ({}, -1, "text", False),
        ({}, 0, "json", False),
    ],
)
def test_progress_bars_only_on_a_terminal_of_a_person(
    environ: dict[str, str], verbosity: int, log_format: str, animated: bool
) -> None:
    it = output(environ, stderr=Terminal())
    it.verbosity, it.log_format = verbosity, LogFormat(log_format)
    assert it.can_animate is animated
    assert not output(environ).can_animate


@pytest.mark.parametrize(
    ("verbosity", "heard"),
    [(1, "dnwe"), (0, "nwe"), (-1, "we"), (-2, "e")],
)
def test_quiet_and_verbose(verbosity: int, heard: str) -> None:
    stderr = io.StringIO()
    it = output(stderr=stderr)
    it.verbosity = verbosity
    it.detail("d")
    it.note("n")
    it.warn("w")
    it.error("e")
    assert "".join(line.rpartition(" ")[2] for line in stderr.getvalue().splitlines()) == heard


def test_a_reader_that_went_away_does_not_change_what_was_done() -> None:
    it = output(stdout=Broken(errno.EPIPE))
    it.payload(["some", "thing"])


def test_a_full_disk_is_told() -> None:
    with pytest.raises(WfdeployError, match="can't write to standard output"):
        output(stdout=Broken(errno.ENOSPC)).payload("x")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_broken_standard_error_never_stops_the_work(number: int) -> None:
    it = output(stderr=Broken(number))
    it.note("x")
    it.error("y")


def test_json_log_is_one_object_a_line() -> None:
    stderr = io.StringIO()
    it = output(stderr=stderr)
    it.log_format = LogFormat.JSON
    it.event("settled", {"address": "a/\x9bb"})
    it.block("a table\n")
    it.warn("w\x1b", "h")
    assert "\x9b" not in stderr.getvalue()
    assert [json.loads(line) for line in stderr.getvalue().splitlines()] == [
        {"time": "1970-01-01T00:00:00.250Z", "level": "info", "event": "settled", "address": "a/\x9bb"},
        {"time": "1970-01-01T00:00:00.250Z", "level": "warning", "message": "w\x1b", "hint": "h"},
    ]


@pytest.mark.parametrize(
    ("answer", "yes"), [("y\n", True), (" YES\n", True), ("\n", False), ("", False), ("yep\n", False)]
)
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, answer: str, yes: bool) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert output().ask("Sure?") is yes


def test_only_a_terminal_has_a_width() -> None:
    assert output({"COLUMNS": "30"}).width is None
    assert output({"COLUMNS": "30"}, stdout=Terminal()).width == 30
    for odd in ("\u00b2", "9" * 5000, "-3", "0", "wide", ""):  # int() takes neither of the first
        assert output({"COLUMNS": odd}, stdout=Terminal()).width == 100


def test_a_ci_runner_gets_no_commands_from_what_is_printed() -> None:
    """With no variable that tells of one: the output of `docker run` and `sudo` goes to the runner, too."""
    stdout, stderr = io.StringIO(), io.StringIO()
    it = output(stdout=stdout, stderr=stderr)
    it.payload("::error::from a file name\n")
    it.payload('{"message": "##[add-mask]x"}\n')
    it.block("::stop-commands::x\n")
    it.log_format = LogFormat.JSON
    it.warn("##[group]")
    assert stdout.getvalue() == '\\u003a:error::from a file name\n{"message": "##\\u005badd-mask]x"}\n'
    assert stderr.getvalue().startswith("\\u003a:stop-commands::x\n")
    assert "##[" not in stderr.getvalue()


def test_a_command_for_the_runner_is_one_line_outside_the_fence() -> None:
    stderr = io.StringIO()
    output(stderr=stderr).workflow_command("::error file=a.yaml::wrong")
    assert stderr.getvalue() == "::error file=a.yaml::wrong\n"
    output(stderr=Broken(errno.EPIPE)).workflow_command("::error::x")
    for bad in ("error", "::error::a\n::error::b", "::error::a\r"):
        with pytest.raises(ValueError, match="not one command"):
            output().workflow_command(bad)
