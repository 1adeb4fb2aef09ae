from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wfdeploy.pipeline.validate.row_schema import RowSchema

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
        ({"patternProperties": {"(": {}}}, "not a 'regex'"),
        ({"$ref": "https://example.com/row.json"}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "other.json#/x"}}}, "leads out of the schema"),
        ({"properties": {"a": {"$dynamicRef": "http://x#y"}}}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "#/$defs/nowhere"}}}, "refers to nothing"),
        ({"$ref": "#"}, "without end"),
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


ROWS = st.dictionaries(
    st.sampled_from(["id", "seats", "plan", "more"]),
    st.none() | st.booleans() | st.integers(-1, 101) | st.sampled_from(["a", "A", "free", 1.0, 2.5]),
)


@given(ROWS)
def test_a_row_is_valid_where_jsonschema_says_so(row: object) -> None:
    rules = RowSchema(SCHEMA)
    assert rules.is_valid(row) is Draft202012Validator(SCHEMA).is_valid(row)
    assert rules.is_valid(row) is (rules.problems(row) == [])
