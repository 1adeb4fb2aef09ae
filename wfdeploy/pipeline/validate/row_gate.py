"""Which schemas of authors the native gate may be asked about: those that say only what tests hold it to.

The gate lets pass; it never turns away (see `gate.py`). So what it knows may be narrower than what jsonschema knows,
and must not be wider: `not` and `oneOf` are left to jsonschema, and so are patterns that the two read differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from wfdeploy.pipeline.validate.gate import Gate

_NOTES = frozenset(("$comment", "$schema", "default", "description", "examples", "title"))
_PLAIN = frozenset((
    "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "required", "type",
))  # fmt: skip
_OF_ONE = frozenset(("additionalProperties", "items"))
_OF_MANY = frozenset(("allOf", "anyOf"))
_NAMED = frozenset(("$defs", "properties"))

_PATTERN = re.compile(
    r"(?:[^\\\[\](?{}]|\((?!\?)|\?|\{[0-9]+(?:,[0-9]*)?\}|\\[dw./+*?()\[\]{}|^$\\-]|\[\^?[^\\\[\]]+\])*"
)
_OPERATORS = re.compile(r"&&|--|~~|\|\||[*+?}]\+")
"""What is text in one language of patterns and more in another."""


def gate_of(schema: Mapping[str, Any], ready: Mapping[str, Any]) -> Gate | None:
    """The gate of a schema (`ready`: as it is validated with); None where it is left to jsonschema."""
    if not _is_plain(schema):
        return None
    try:
        return Gate(dict(ready))
    except ValueError:  # the native code has its own limits
        return None


def is_finite(row: object) -> bool:
    """Whether a row holds no NaN and no infinity, which the native code would take for null."""
    kind = type(row)
    if kind is float:
        return math.isfinite(row)  # type: ignore[arg-type]
    if isinstance(row, dict):
        return _ATOMS.issuperset(map(type, row.values())) or all(map(is_finite, row.values()))
    if isinstance(row, list):
        return _ATOMS.issuperset(map(type, row)) or all(map(is_finite, row))
    return kind in _ATOMS


_ATOMS = frozenset((str, int, bool, type(None)))


def _is_plain(schema: Any) -> bool:
    if isinstance(schema, bool):
        return True
    return isinstance(schema, Mapping) and all(_is_known(keyword, value) for keyword, value in schema.items())


def _is_known(keyword: str, value: Any) -> bool:
    if keyword in _NOTES or keyword in _PLAIN:
        return True
    if keyword in _OF_ONE:
        return _is_plain(value)
    if keyword in _OF_MANY:
        return all(map(_is_plain, value))
    if keyword in _NAMED:
        return all(map(_is_plain, value.values()))
    if keyword == "$ref":
        return value.startswith("#/$defs/") and "%" not in value and "~" not in value
    return keyword == "pattern" and _PATTERN.fullmatch(value) is not None and _OPERATORS.search(value) is None
