"""A quick look that lets valid documents pass: validation in native code, a hundred times faster than jsonschema's.

It has no words for what is wrong, and no say in it: what it doesn't let pass, jsonschema looks at. So a document that
it turns away by mistake costs time and nothing else. What it lets pass must be valid, and tests hold it to jsonschema
for every keyword that our schemas use.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from wfdeploy.documents import patterns as row_patterns
from wfdeploy.documents.schemas import SchemaName, working_schema

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_BLANKS = r" \t\n\r\f\v\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What `\\s` stands for in Python. To ECMAScript, whose expressions the native code speaks, it is another set."""


class Gate:
    """A schema, ready to be asked. Patterns are those of Python's `re`, within what `in_ecmascript` can say; with
    `linear`, an author's, read as `row_patterns.py` says."""

    def __init__(self, schema: dict[str, Any], *, linear: bool = False) -> None:
        self._validator = _native(schema, linear=True) if linear else _native(_translated(schema))

    def passes(self, value: object) -> bool:
        """Whether the value is valid for certain. Values are what YAML gives: dicts (subclasses too), lists, scalars;
        no NaN and no infinities, which the native code takes for null."""
        if self._validator is None:
            return False
        try:
            return self._validator.is_valid(value)
        except (ValueError, TypeError, OverflowError):
            return False  # nothing that JSON can say, such as a key that isn't text


def passes(value: object, schema: SchemaName) -> bool:
    """Whether a document's data is valid for certain."""
    return _gate(schema).passes(value)


@cache
def _gate(schema: SchemaName) -> Gate:
    return Gate(working_schema(schema))


def in_ecmascript(pattern: str) -> str:
    """A pattern of `re` as ECMAScript (with the `u` flag) says it. Other classes than `\\s` and `[\\s\\S]` are not
    known here, nor are flags."""
    anything = r"[\s\S]"
    parts = [
        part.replace(r"[^\s", f"[^{_BLANKS}").replace(r"\s", f"[{_BLANKS}]").replace(r"\Z", "$")
        for part in pattern.split(anything)
    ]
    return anything.join(parts)


def _translated(node: Any) -> Any:
    if isinstance(node, list):
        return [_translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: in_ecmascript(value) if key == "pattern" and isinstance(value, str) else _translated(value)
        for key, value in node.items()
    }


def _native(schema: dict[str, Any], *, linear: bool = False) -> Draft202012Validator | None:
    try:
        from jsonschema_rs import Draft202012Validator

        options = row_patterns.linear() if linear else None
    except ImportError:  # a platform that it isn't built for
        return None
    return Draft202012Validator(schema, pattern_options=options)
