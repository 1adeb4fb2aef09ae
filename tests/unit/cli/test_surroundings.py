"""Libraries don't write past the output, and the command that is suggested leads to the same place."""

from __future__ import annotations

import io
import logging
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
