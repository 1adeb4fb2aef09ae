"""Which schemas of authors the native gate may be asked about: those that say only what tests hold it to.

The gate lets pass; it never turns away (see `gate.py`). So what it knows may be narrower than what jsonschema knows,
and must not be wider: `not` and `oneOf` are left to jsonschema. Patterns are read by one engine (`row_patterns.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wfdeploy.documents.gate import Gate

_NOTES = frozenset(("$comment", "$schema", "default", "description", "examples", "title"))
_PLAIN = frozenset((
    "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "required", "type",
))  # fmt: skip
_OF_ONE = frozenset(("additionalProperties", "items"))
_OF_MANY = frozenset(("allOf", "anyOf"))
_NAMED = frozenset(("$defs", "properties"))

_MOST = 2000
"""Checks of one value. Beyond that, a row is left to jsonschema, which can be stopped; the native code can't."""


def gate_of(schema: Mapping[str, Any]) -> Gate | None:
    """The gate of a schema; None where it is left to jsonschema."""
    if not _is_plain(schema) or _weight(schema, schema, {}) > _MOST:
        return None
    try:
        return Gate(dict(schema), linear=True)
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
    return keyword == "pattern"


def _weight(node: Any, root: Mapping[str, Any], known: dict[int, float]) -> float:
    """How many checks a value can take at most; without end where a schema refers to itself. `known`: by identity."""
    if not isinstance(node, Mapping):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf  # which it is, when this comes by again while it is being looked at
        inner: dict[str, float] = {}
        for keyword, value in node.items():
            if keyword in _OF_ONE:
                inner[keyword] = _weight(value, root, known)
            elif keyword in _OF_MANY:
                inner[keyword] = sum(_weight(item, root, known) for item in value)
            elif keyword == "properties":  # each is about a value of its own
                inner[keyword] = max((_weight(item, root, known) for item in value.values()), default=0)
            elif keyword == "$ref":
                inner[keyword] = _weight(_at(root, value), root, known)
        known[id(node)] = len(node) + sum(inner.values())
    return known[id(node)]


def _at(root: Any, reference: str) -> Any:
    """What a reference that `_is_known` leads to."""
    found = root
    for step in reference.split("/")[1:]:
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found
