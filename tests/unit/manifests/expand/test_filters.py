"""Filters and tests of values: each is tried here, and listed in the guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.manifests.expand.expanding import value_of
from wfdeploy.manifests.expand import filters


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("7 // 2", 3),
        ("vars.f * 2", 3.0),
        ("2 ** 10", 1024),
        ("vars.n > 2 and vars.x == 'X'", True),
        ("'big' if vars.n > 2 else 'small'", "big"),
        ("vars.x in ['X', 'Y']", True),
        ("vars.x ~ '-' ~ vars.n ~ true ~ 1.5", "X-3true1.5"),
        ("vars.x + 'y'", "Xy"),
        ("vars.l + [3]", [1, "two", 3]),
        ("vars.l[0]", 1),
        ("vars.l[-1]", "two"),
        ("vars.l[:1]", [1]),
        ("vars.x[0:1]", "X"),
        ("(1, 'a')", [1, "a"]),
        ('{"a": {"b": [vars.n]} }', {"a": {"b": [3]}}),
        ("true", True),
        ("none", None),
        ("'}}'", "}}"),
        ('"a" ~ "}}"', "a}}"),
        ("vars.m.items", 5),  # a key, never a method
        ("vars.m['items']", 5),
        ("vars['m'].none | default('d')", "d"),
        ("vars.m.missing | default([])", []),
        ("vars.m.missing is defined", False),
        ("vars.m.none is none", True),
        ("vars.n is number and vars.x is string and vars.l is list and vars.m is mapping and true is boolean", True),
    ],
)
def test_value(source: str, value: object) -> None:
    found = value_of(source)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("' Ab ' | trim | lower", "ab"),
        ("'ab' | upper", "AB"),
        ("'a-b-c' | replace('-', '')", "abc"),
        ("'a,b' | split(',')", ["a", "b"]),
        ("['a', 1, true] | join('/')", "a/1/true"),
        ("vars.l | first", 1),
        ("vars.l | last", "two"),
        ("vars.m | length", 2),
        ("'12' | int", 12),
        ("'-7' | int", -7),
        ("2.0 | int", 2),
        ("'1.5' | float", 1.5),
        ("3 | float", 3.0),
        ("'TRUE' | bool", True),
        ("12 | string", "12"),
        ("2.5 | round", 2),
        ("2.567 | round(1)", 2.6),
        ("-3 | abs", 3),
        ("'ä b/c' | urlencode", "%C3%A4%20b%2Fc"),
        ("'a' | sha256", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("{'a': [1, none]} | tojson", '{"a":[1,null]}'),
        ("'[1, {\"a\": null}]' | fromjson", [1, {"a": None}]),
    ],
)
def test_filter(source: str, value: object) -> None:
    found = value_of(source)
    assert found == value
    assert type(found) is type(value)


def test_every_filter_and_test_is_exercised_here() -> None:
    used = [mark for test in (test_filter, test_value) for mark in test.pytestmark]  # type: ignore[attr-defined]
    sources = " ".join(source for mark in used for source, _ in mark.args[1])
    assert [name for name in filters.FILTERS if f"| {name}" not in sources] == []
    assert [name for name in filters.TESTS if f"is {name}" not in sources] == []


def test_the_guide_lists_every_filter_and_test() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "large-sets.md").read_text(encoding="utf-8")
    tables = guide.partition("| filter | gives |")[2].partition("Expressions are evaluated")[0]
    listed = set(re.findall(r"`([a-z0-9]+)(?:\([a-z, ]+\))?`", tables)) - {"is", "other"}
    assert listed == {*filters.FILTERS, *filters.TESTS}
