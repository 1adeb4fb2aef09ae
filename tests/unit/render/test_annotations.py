"""Annotations: one command each, that no text of others can end, begin or widen."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.render.annotations import commands

COMMAND = re.compile(r"::(error|warning) file=([^:,\s][^:,]*),line=\d+,col=\d+,title=[^:,]*::[^\r\n]*")


def made(message: str, file: str = "a.yaml", severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(code="c", message=message, place=Place(file, 3, 5), severity=severity)


def test_it_looks_like_this() -> None:
    found = [made("careful", severity=Severity.WARNING), made("50% of a,b:c\nis wrong", "x,y:z.yaml")]
    assert list(commands(found, lambda name: f"deploy/{name}")) == [
        "::error file=deploy/x%2Cy%3Az.yaml,line=3,col=5,title=c::50%25 of a,b:c\\nis wrong",
        "::warning file=deploy/a.yaml,line=3,col=5,title=c::careful",
    ]


def test_no_more_than_the_host_shows() -> None:
    found = [made(str(n), severity=severity) for severity in Severity for n in range(30)]
    assert len(list(commands(found, str))) == 20


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()), min_size=1))
def test_no_text_leaves_its_part(message: str, file: str) -> None:
    (command,) = commands([made(message, f"f{file}")], str)
    assert COMMAND.fullmatch(command)
    assert len(command.splitlines()) == 1


def test_no_command_of_another_runner_is_in_it() -> None:
    (command,) = commands([made("##vso[task.setvariable variable=x]1", "##[a].yaml")], str)
    assert "##[" not in command
    assert "##vso[" not in command
