"""Hints hold what the file holds: a value that YAML reads as something else isn't changed by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.documents import structure, yaml_docs
from wfdeploy.documents.positions import diagnose
from wfdeploy.documents.schemas import SchemaName
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import SourceFile

HEAD = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\nspec:\n  destination: https://example.com\n"


def diagnosed(text: str, schema: SchemaName = "manifest") -> list[Diagnostic]:
    problems: list[Diagnostic] = []
    source = SourceFile(display="m.yaml", name="m.yaml", folder=Path(), text=text)
    (document,) = yaml_docs.read(source, problems)
    assert not problems
    return diagnose(structure.check(document, schema))


def hint_of(text: str, schema: SchemaName = "manifest") -> str | None:
    (one,) = diagnosed(text, schema)
    assert one.code == "wrong-type"
    return one.hint


@pytest.mark.parametrize(
    "written",
    ["007", "1.10", "0x1F", "0o17", "012", "1e3", "1.0", "+1", "-0", "1e400", ".5", "True", "FALSE", "true"],
)
@pytest.mark.parametrize(
    "field",
    ["bodyText: {}", "{{bodyText: {}}}", "labels: [{}, a]", "headers: {{X-A: {} }}", "headers: {{007: {}}}", "key: {}"],
)
def test_the_quotes_go_around_what_is_written(field: str, written: str) -> None:
    entry = field.format(written)
    run = f"{{name: a, {entry[1:]}" if entry.startswith("{") else f"{{name: a, {entry}}}"
    assert hint_of(f"{HEAD}  runs: [{run}]\n") == f'put quotes around it: "{written}"'
    if not entry.startswith("{"):
        assert hint_of(f"{HEAD}  runs:\n    - name: a\n      {entry}  # note\n") == f'put quotes around it: "{written}"'


@pytest.mark.parametrize("written", ["007", "1.10", "0x1F", "1e3", "TRUE"])
def test_a_name_keeps_its_spelling(written: str) -> None:
    assert hint_of(f"{HEAD}  runs: [{{name: {written}}}]\n") == f'put quotes around it: "{written}"'


@pytest.mark.parametrize("written", ["-1", "+1", ".5", ".inf", "1."])
def test_nothing_is_quoted_that_would_not_do_as_a_name(written: str) -> None:
    hint = hint_of(f"{HEAD}  runs: [{{name: {written}}}]\n")
    assert hint == "letters, digits, '.', '_' and '-', a letter or digit at both ends; for example acme"


@pytest.mark.parametrize("written", ["2026-12-01", "12:30", "190:20:30", "yes", "no", "on", "1_000", "0b11", "1,5"])
def test_what_is_text_in_yaml_1_2_is_no_mistake(written: str) -> None:
    assert diagnosed(f"{HEAD}  runs:\n    - name: a\n      bodyText: {written}\n") == []


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("*it", "write it as text, in quotes"),
        ("!!int 007", "write it as text, in quotes"),
        ("&other 007", 'put quotes around it: "007"'),
    ],
)
def test_where_quotes_around_it_would_not_do_none_are_proposed(value: str, hint: str) -> None:
    assert hint_of(f"{HEAD}  defaults: {{body: &it 007}}\n  runs:\n    - name: {value}\n") == hint


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("007", 'a list is written ["007"]'),
        ("0x1F", 'a list is written ["0x1F"]'),
        ('"007"', 'a list is written ["007"]'),
        ('"true"', 'a list is written ["true"]'),
        ("'it''s: one'", 'a list is written ["it\'s: one"]'),
        ("urgent", "a list is written [urgent]"),
        ("urgent, nightly", "a list is written [urgent, nightly]"),
        ('"urgent, 007"', 'a list is written ["urgent, 007"]'),
    ],
)
def test_a_list_of_one_keeps_its_value(value: str, hint: str) -> None:
    assert hint_of(f"{HEAD}  runs:\n    - name: a\n      labels: {value}\n") == hint


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("null", 'give it a value or leave it out; the text is written "null"'),
        ("Null", 'give it a value or leave it out; the text is written "Null"'),
        ("~", "give it a value or leave it out"),
        ("", "give it a value or leave it out"),
    ],
)
def test_a_null_that_may_be_meant_as_a_word(value: str, hint: str) -> None:
    assert hint_of(f"{HEAD}  runs:\n    - name: {value}\n") == hint


def test_a_project_file_has_the_same_hints() -> None:
    text = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: 007}\n"
    assert hint_of(text, "project") == 'put quotes around it: "007"'
    text = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\nspec: {state: {path: 1.10}, vars: {a: 007}}\n"
    assert hint_of(text, "project") == 'put quotes around it: "1.10"'


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (
            "2026-12-01",
            "add the time and the zone: 2026-12-01T00:00:00Z in UTC, or with an offset such as "
            "2026-12-01T00:00:00+01:00",
        ),
        ("2026-12-01 06:00Z", "add the seconds: 2026-12-01T06:00:00Z"),
        (
            "2026-12-01T06:00",
            "add the seconds and the zone: 2026-12-01T06:00:00Z in UTC, or with an offset such as "
            "2026-12-01T06:00:00+01:00",
        ),
        (
            "2026-12-01T06:00:00.5",
            "add the zone: 2026-12-01T06:00:00.5Z in UTC, or with an offset such as 2026-12-01T06:00:00.5+01:00",
        ),
        ("2026-12-01T06:00:00+0100", "write 2026-12-01T06:00:00+01:00"),
        ("2026-12-01 06:00:00 UTC", "write 2026-12-01T06:00:00Z"),
        ('"1796104800"', "remove the quotes"),
        ("2026-13-01", "for example 2026-12-01T06:00:00Z, 2026-12-01T06:00:00+01:00, 1796104800"),
        ("1735689600000", "write 1735689600"),
        ("1735689600001", "write 1735689601"),
        ("1735689600000000000", "write 1735689600"),
    ],
)
def test_a_time_that_lacks_something_says_what(value: str, hint: str) -> None:
    (one,) = diagnosed(f"{HEAD}  runs:\n    - name: a\n      notBefore: {value}\n")
    assert one.hint == hint


def test_milliseconds_are_called_so() -> None:
    (one,) = diagnosed(f"{HEAD}  runs: [{{name: a, notBefore: 1735689600000}}]\n")
    assert one.message == "notBefore is 1735689600000: these are milliseconds, and Unix seconds are meant"
    (other,) = diagnosed(f"{HEAD}  runs: [{{name: a, delay: 1735689600000}}]\n")
    assert other.message == "delay is 1735689600000; it must be at most 315360000"


def test_a_saved_plan_is_called_so() -> None:
    (one,) = diagnosed('{"kind": "Plan", "formatVersion": 1, "project": "p"}\n')
    assert one.message == "this is a saved plan, and no manifest"
