"""Each number that a schema lets in has an end: SQLite, JSON and the clock have theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from wfdeploy.documents.schemas import NAMES, schema_text


def numbers(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from numbers(item, f"{place}/{index}")
    elif isinstance(schema, dict):
        types = schema.get("type", ())
        if {"integer", "number"} & set([types] if isinstance(types, str) else types):
            yield place, schema
        for name, value in schema.items():
            if name not in ("examples", "default"):
                yield from numbers(value, f"{place}/{name}")


@pytest.mark.parametrize("name", NAMES)
def test_each_number_has_a_maximum(name: str) -> None:
    found = dict(numbers(json.loads(schema_text(name))))
    assert len(found) > 5
    assert {place for place, schema in found.items() if schema.get("maximum", 2**53) >= 2**53} == set()
