"""`rowSchema`, and the quick check of it, compared with jsonschema."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wfdeploy.documents.row_schema import RowSchema, is_finite, quick_schema_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+$"},
        "seats": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
        "plan": {"enum": ["free", "pro"]},
        "at": {"$ref": "#/$defs/address"},
    },
    "additionalProperties": False,
    "$defs": {"address": {"type": "object", "required": ["city"], "properties": {"next": {"$ref": "#/$defs/address"}}}},
}


def doubling(count: int, last: dict[str, Any]) -> dict[str, Any]:
    """A schema each of whose definitions asks the next one twice."""
    defs = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{count}": last}}


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a"},
        {"id": "a", "seats": None, "plan": "pro"},
        {"id": "a", "seats": 100.0},
        {"id": "a", "at": {"city": "x", "next": {"city": "y"}}},
    ],
)
def test_rows_that_fit(row: object) -> None:
    assert RowSchema(SCHEMA).is_valid(row)
    assert RowSchema(SCHEMA).problems(row) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "the field id is missing"),
        ({"id": 5}, "id must be text, not the number 5"),
        ({"id": "a\n"}, "id: 'a\\n' is not a valid id"),
        ({"id": "a", "seats": 0}, "seats is 0; it must be at least 1"),
        ({"id": "a", "seats": 101}, "at most 100"),
        ({"id": "a", "seats": "x"}, "seats must be a whole number, not the text 'x'"),
        ({"id": "a", "plan": "por"}, "plan must be one of free, pro, not the text 'por'"),
        ({"id": "a", "at": {"city": 1, "next": {}}}, "at.next: the field city is missing"),
        ({"id": "a", "more": 1}, "the field 'more' is not known here"),
        ("a", "must be a mapping, not the text 'a'"),
        (None, "must be a mapping, not null"),
    ],
)
def test_rows_that_do_not_fit_are_told_in_words(row: object, words: str) -> None:
    rules = RowSchema(SCHEMA)
    assert not rules.is_valid(row)
    assert any(words in problem for problem in rules.problems(row))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objct"}, "type"),
        ({"type": "object", "properties": {"a": {"minimum": "x"}}}, "properties.a.minimum"),
        ({"properties": {"a": {"pattern": "("}}}, "pattern"),
        ({"patternProperties": {"(": {}}}, 'the pattern "(" can'),
        ({"properties": {"a": {"pattern": "^(?=a)"}}}, "looks around"),
        ({"items": {"pattern": r"(a)\1"}}, "refers back"),
        ({"propertyNames": {"pattern": "((a{100}){100}){100}"}}, "is too large"),
        ({"anyOf": [{"pattern": f"^{number}$"} for number in range(101)]}, "more than 100 different patterns"),
        ({"unevaluatedProperties": False, "patternProperties": {"a": {}}}, "don't go together"),
        ({"properties": {"default": {"$ref": "http://x/"}}}, "leads out of the schema"),
        ({"properties": {"enum": {"pattern": "(?!a)"}}}, "looks around"),
        ({"examples": [{"pattern": "(a+)+$"}], "$ref": "#/examples/0"}, "what is no schema"),
        ({"$ref": "https://example.com/row.json"}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "other.json#/x"}}}, "leads out of the schema"),
        ({"properties": {"a": {"$dynamicRef": "http://x#y"}}}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "#/$defs/nowhere"}}}, "refers to nothing"),
        ({"$ref": "#"}, "without end"),
        (doubling(60, {"type": "string"}), "more than 300,000 checks"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}}, "without end"),
    ],
)
def test_what_is_no_schema_is_told_before_the_first_row(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        RowSchema(schema)
    assert words in str(caught.value)


def test_a_row_that_is_too_deep_for_its_schema_is_refused() -> None:
    row: Any = {}
    for _ in range(5000):
        row = {"next": row}
    rules = RowSchema({"properties": {"next": {"$ref": "#"}}})
    assert not rules.is_valid(row)
    assert rules.problems(row) == ["the row is nested too deeply for its schema"]


EXPLODING = ["^(a+)+$", "(x+x+)+y", "^(a|aa)+$", "^(a*)*b", "(.*a){20}$", "^([a-zA-Z0-9])(([-.]|_+)?[a-zA-Z0-9]+)*@x"]
TEXT = "a" * 50_000 + "!"


@pytest.mark.parametrize("pattern", EXPLODING)
@pytest.mark.parametrize(
    ("schema", "row"),
    [
        ({"pattern": "P"}, TEXT),
        ({"not": {"not": {"pattern": "P"}}}, TEXT),
        ({"patternProperties": {"P": False}, "additionalProperties": False}, {TEXT: 1}),
        ({"propertyNames": {"pattern": "P"}}, {TEXT: 1}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"pattern": "P"}}}}, [TEXT]),
        ({"dependentSchemas": {"a": {"properties": {"a": {"pattern": "P"}}}}}, {"a": TEXT}),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "P"}}}, {"a": TEXT}),
        ({"unevaluatedProperties": {"pattern": "P"}}, {"a": TEXT}),
        ({"properties": {"a": {"type": "string", "pattern": "P"}}}, {"a": 10**4000}),
    ],
)
def test_a_pattern_takes_time_in_proportion_to_the_text(pattern: str, schema: dict[str, Any], row: object) -> None:
    rules = RowSchema(json.loads(json.dumps(schema).replace('"P"', json.dumps(pattern))))
    began = time.process_time()
    assert not rules.is_valid(row)
    assert rules.problems(row)
    assert time.process_time() - began < 2


def test_alternatives_that_multiply_with_the_depth_of_a_row_end_with_an_error() -> None:
    step = {"properties": {"next": {"$ref": "#/$defs/a"}}}
    node = {"type": "object", "anyOf": [{**step, "minProperties": 2}, step]}
    rules = RowSchema({"$ref": "#/$defs/a", "$defs": {"a": node}})
    row: Any = {"next": {"next": "text"}}
    assert not rules.is_valid(row)
    for _ in range(60):
        row = {"next": row}
    with pytest.raises(ValueError, match="more than 300,000 checks"):
        rules.is_valid(row)
    assert rules.is_valid({}), "each row has as many"


def test_names_that_a_pattern_allows_are_not_told() -> None:
    rules = RowSchema({"properties": {"id": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False})
    assert rules.is_valid({"id": 1, "x-a": 2})
    assert rules.problems({"id": 1, "x-a": 2, "other": 3}) == ["the field 'other' is not known here"]


@pytest.mark.parametrize(
    ("items", "unique"),
    [([1, 1.0], False), ([1, True], True), ([{"a": [1]}, {"a": [1.0]}], False), (["1", 1], True), ([[], {}], True)],
)
def test_items_are_unique_as_json_schema_means_it(items: list[object], unique: bool) -> None:
    assert RowSchema({"uniqueItems": True}).is_valid(items) is unique


def test_many_items_are_compared_in_time() -> None:
    rules = RowSchema({"uniqueItems": True})
    began = time.process_time()
    assert rules.is_valid([{"a": number} for number in range(50_000)])
    assert time.process_time() - began < 5


def test_without_the_engine_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert RowSchema({"minLength": 1}).is_valid("a")
    with pytest.raises(ValueError, match="need the package jsonschema-rs"):
        RowSchema({"pattern": "a"})


ROWS = st.dictionaries(
    st.sampled_from(["id", "seats", "plan", "more"]),
    st.none() | st.booleans() | st.integers(-1, 101) | st.sampled_from(["a", "A", "free", 1.0, 2.5]),
)


@given(ROWS)
def test_a_row_is_valid_where_jsonschema_says_so(row: object) -> None:
    rules = RowSchema(SCHEMA)
    assert rules.is_valid(row) is Draft202012Validator(SCHEMA).is_valid(row)
    assert rules.is_valid(row) is (rules.problems(row) == [])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        [2**53, 2**64, 2**70, -(2**65), 1.0, 0.5, -0.0, 1e300, "", "a", "A", "é", "e\u0301", "a\n", "😀", "12"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "n", "x"]), inner, max_size=3),
    max_leaves=6,
)
PATTERNS = st.sampled_from(
    ["^a", "a$", "^[a-z]+$", "^.$", "\\d", "^\\w+$", "^(a|A)?$", "[^a]", "^.{1,2}$", "a*", "\\s", "^\\p{L}", "(?i)a"]
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "enum": st.lists(VALUES, min_size=1, max_size=3),
    "const": VALUES,
    "minimum": st.integers(-2, 2) | st.just(0.5),
    "exclusiveMaximum": st.integers(-2, 2) | st.just(2**64),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "pattern": PATTERNS,
    "minItems": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "required": st.lists(st.sampled_from(["id", "n"]), unique=True),
}
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.fixed_dictionaries(
        {},
        optional={
            **KEYWORDS,
            "properties": st.dictionaries(st.sampled_from(["id", "n", "x"]), SCHEMAS, max_size=2),
            "additionalProperties": st.booleans() | SCHEMAS,
            "items": SCHEMAS,
            "anyOf": st.lists(SCHEMAS, min_size=1, max_size=2),
            "allOf": st.lists(SCHEMAS, min_size=1, max_size=2),
        },
    )
)


@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=6))
def test_the_gate_lets_pass_what_is_valid_and_nothing_else(schema: dict[str, Any], rows: list[object]) -> None:
    rules = RowSchema(schema)
    for row in rows:
        assert rules.is_valid(row) is (rules.problems(row) == [])


def test_the_gate_is_there_for_usual_schemas() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "User",
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"}, "at": {"$ref": "#/$defs/at"}},
        "$defs": {"at": {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}}},
    }
    quick = quick_schema_of(schema)
    assert quick is not None
    assert quick.accepts({"id": "a-1", "at": {"city": "x"}})
    assert not quick.accepts({"id": "a-1", "at": {"city": ""}})


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"oneOf": [{}]},
        {"format": "date"},
        {"multipleOf": 0.1},
        {"properties": {"a": {"unevaluatedProperties": False}}},
        {"$id": "https://example.com/x"},
        {"$ref": "#"},
        {"x-own": 1},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}},
        {"items": {"anyOf": [{"minimum": 1}] * 2000}},
    ],
)
def test_what_they_may_read_differently_or_takes_long_is_left_to_jsonschema(schema: dict[str, Any]) -> None:
    assert quick_schema_of(schema) is None


@given(
    st.text(alphabet="ab0[]^$().*+?{},1-|\\dw&~", max_size=8),
    st.lists(st.text(alphabet="ab0-&\n.", max_size=4), max_size=8),
)
def test_a_pattern_that_the_gate_takes_means_the_same(pattern: str, texts: list[str]) -> None:
    try:
        rules = RowSchema({"pattern": pattern})
    except ValueError:
        return
    for text in texts:
        assert rules.is_valid(text) is (rules.problems(text) == [])


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, [math.nan]], {"a": {"b": -math.inf}}])
def test_numbers_that_are_none_are_seen(value: object) -> None:
    assert not is_finite(value)
    assert not RowSchema({"type": ["null", "array", "object"]}).is_valid(math.nan)
    assert RowSchema({"type": "number"}).is_valid(math.nan)


@given(VALUES)
def test_other_values_are_finite(value: object) -> None:
    assert is_finite(value)
