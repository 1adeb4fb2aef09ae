"""Text of others becomes visible text, and no command of a terminal or of a CI job."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render.views import TEXT, is_safe
from wfdeploy.render.encode import dump
from wfdeploy.render.terminal import printable, printable_lines, without_commands


@given(TEXT)
def test_printable_text_is_one_safe_line(text: str) -> None:
    shown = printable(text)
    assert is_safe(shown)
    assert "\n" not in shown
    assert is_safe(printable_lines(text))
    if is_safe(text) and "\n" not in text:
        assert shown == text


def test_nothing_that_is_not_visible_is_printed() -> None:
    unseen = [chr(code) for code in range(0x110000) if not is_safe(chr(code))]
    assert [character for character in unseen if not is_safe(printable(character))] == []


def test_a_file_name_that_is_not_utf8_is_shown_by_its_bytes() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert printable(name) == r"caf\xe9"
    assert json.loads(dump(name)) == r"caf\xe9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\u003a:error::x"),
        ("a\n \t::set-output name=x::y\nb", "a\n \t\\u003a:set-output name=x::y\nb"),
        ("\u00a0::add-mask::a", "\u00a0\\u003a:add-mask::a"),
        ("it is ##[error]so", r"it is ##\u005berror]so"),
        ("##vso[task.setvariable variable=x]y", r"##vso\u005btask.setvariable variable=x]y"),
        ("##teamcity[buildStop]", r"##teamcity\u005bbuildStop]"),
        ("###[x] and ##[[", r"###\u005bx] and ##\u005b["),
        ("a::b, {1:: 2}, ## [x], #[x]", "a::b, {1:: 2}, ## [x], #[x]"),
        (":: ::\n:::", "\\u003a: ::\n\\u003a::"),
    ],
)
def test_nothing_is_a_command_of_a_ci_job(text: str, shown: str) -> None:
    assert without_commands(text) == shown


@given(st.recursive(st.text('#[:\\vso \n"'), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_json_without_commands_means_the_same(value: Any) -> None:
    for indent in (None, 1):
        encoded = without_commands(json.dumps(value, indent=indent))
        assert json.loads(encoded) == value
        assert "##[" not in encoded
