"""Libraries don't write past the output, and the command that is suggested leads to the same place."""

from __future__ import annotations

import io
import logging
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden_files import command_line as ran_line
from wfdeploy.cli.output import Output
from wfdeploy.cli.surroundings import command_line, library_logs
from wfdeploy.model.options import TargetOptions
from wfdeploy.model.plan import Selection


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [(0, ["warning: ours \\x1b[2J"]), (1, ["lib.deep: theirs: ValueError('x')", "warning: ours \\x1b[2J"])],
)
def test_warnings_of_libraries_are_details(verbosity: int, lines: list[str]) -> None:
    stderr = io.StringIO()
    output = Output(stdout=io.StringIO(), stderr=stderr, environ={})
    output.verbosity = verbosity
    before = list(logging.getLogger().handlers)
    with library_logs(output):
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("lib.deep").exception("theirs")
        logging.getLogger("lib").info("never")
        logging.getLogger("wfdeploy.localserver").warning("ours %s", "\x1b[2J")
    assert stderr.getvalue().splitlines() == lines
    assert logging.getLogger().handlers == before


def test_nothing_given_nothing_said() -> None:
    assert command_line("apply", TargetOptions(), (), Selection()) == "wfdeploy apply"


def test_flags_are_repeated_and_quoted() -> None:
    flags = TargetOptions(environment="production", state="a b.db", token_file="t")
    selection = Selection(targets=("g/*",), replace=("g/r[1]",), limit=3, prune=True, variables={"a": "b c"})
    assert command_line("apply", flags, ["manifests/"], selection) == (
        "wfdeploy apply manifests/ -e production --token-file t --state 'a b.db' --target 'g/*' "
        "--replace 'g/r[1]' --limit 3 --prune --var 'a=b c'"
    )
    assert command_line("apply", TargetOptions(local=True), ["p.plan"]) == "wfdeploy apply p.plan --local"


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10)


@given(WORDS, WORDS, WORDS)
def test_what_is_quoted_is_read_back(path: str, target: str, value: str) -> None:
    selection = Selection(targets=(target,), variables={"a": value})
    words = shlex.split(command_line("apply", TargetOptions(state=path), [path], selection))
    assert words[2].removeprefix("./") == path.removeprefix("./")
    assert not words[2].startswith("-") or path == "-"
    assert words[3:] == ["--state", path, "--target", target, "--var", f"a={value}"]


def test_a_server_that_a_variable_names_in_vain_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran_line("init")
    environ = {"QSTASH_URL": "https://qstash-us-east-1.upstash.io"}
    ran = ran_line("plan", "-e", "staging", environ=environ)
    assert ran.stderr.count("QSTASH_URL is https://qstash-us-east-1.upstash.io and is ignored: with -e staging") == 1
    assert "it is https://qstash.upstash.io" in ran.stderr
    for arguments in (("plan", "-e", "staging", "--offline"), ("plan", "-e", "staging", "-qq"), ("validate",)):
        assert "ignored" not in ran_line(*arguments, environ=environ).stderr
