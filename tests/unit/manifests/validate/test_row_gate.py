"""The native gate on authors' schemas, held to jsonschema."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.validate.row_gate import gate_of, is_finite
from wfdeploy.manifests.validate.row_schema import RowSchema

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
    gate = gate_of(schema)
    assert gate is not None
    assert gate.passes({"id": "a-1", "at": {"city": "x"}})
    assert not gate.passes({"id": "a-1", "at": {"city": ""}})


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
    assert gate_of(schema) is None


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
