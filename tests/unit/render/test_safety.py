"""Whatever a manifest or a server says: no raw control character is ever rendered, and JSON stays JSON."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render import samples
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.plan import Action, FieldChange
from wfdeploy.render import diagnostics, plan_json, plan_text, report, status_text
from wfdeploy.render.encode import dump
from wfdeploy.render.terminal import printable, printable_lines, without_commands
from wfdeploy.render.width import clip, display_width

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
EVIL = "\x1b[2J\r\n\x07\u202e\x9b\ud800"


def is_safe(text: str) -> bool:
    return not any(c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")) for c in text)


def all_safe(chunks: Iterable[str]) -> bool:
    return is_safe("".join(chunks))


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


@given(TEXT)
def test_json_is_safe_and_means_the_same(text: str) -> None:
    encoded = dump({text: text})
    assert is_safe(encoded)
    # Half of a surrogate pair can't be written in JSON that everybody reads: it becomes the text that shows it.
    meant = re.sub("[\ud800-\udfff]", lambda half: printable(half[0]), text)
    assert json.loads(encoded) == {meant: meant}


def test_a_file_name_that_is_not_utf8_is_shown_by_its_bytes() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert printable(name) == r"caf\xe9"
    assert json.loads(dump(name)) == r"caf\xe9"


@given(TEXT, st.integers(1, 30))
def test_clipped_text_fits(text: str, columns: int) -> None:
    shown = clip(printable(text), columns)
    assert display_width(shown) <= columns


def test_no_view_of_a_hostile_plan_holds_a_control_character() -> None:
    plan = samples.hostile()
    for width in (20, 60, 200):
        assert all_safe(plan_text.text(plan, width=width))
        assert all_safe(plan_text.text(plan, width=width, everything=True, next_step="x"))
    assert all_safe(plan_json.text(plan))


@given(TEXT, TEXT)
def test_field_changes_are_safe_in_any_width(old: str, new: str) -> None:
    change = samples.change(
        "g/r", Action.RETRIGGER, "", FieldChange("body.x", old, new), FieldChange("y", [old], {new: 1})
    )
    assert all_safe(plan_text.text(samples.plan_of([change]), width=30))


def test_reports_status_and_diagnostics_are_safe() -> None:
    result = Result(address=Address(f"g/{EVIL}"), outcome=Outcome.REJECTED, workflow_run_id=EVIL, error=EVIL)
    summary = dict.fromkeys(Outcome, 0) | {Outcome.REJECTED: 1}
    given_report = ApplyReport(summary=summary, results=(result,), stopped=EVIL, hint=EVIL)
    assert all_safe(report.text(given_report))
    assert all_safe(report.json_text(given_report))
    assert all_safe(status_text.text(samples.STATUS))
    found = [Diagnostic(code="x", message=EVIL, place=Place(EVIL), address=EVIL, hint=EVIL, excerpt=EVIL)]
    assert is_safe(diagnostics.text(found))
    assert is_safe("".join(diagnostics.json_text(found)))


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
