"""The JSON Schemas: the one place where a field is defined; and a quick check against them by native code.

The quick check is a hundred times faster than jsonschema. It only accepts; jsonschema decides and explains everything
else. So a document that it turns away by mistake costs time and nothing else. What it accepts must be valid, and tests
compare it with jsonschema for every keyword that our schemas use.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from wfdeploy.documents.patterns import linear_engine

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

SchemaName: TypeAlias = Literal["manifest", "project"]
JsonSchema: TypeAlias = dict[str, Any]

_NOT_SCHEMAS = ("examples", "default", "enum")

NAMES: tuple[SchemaName, ...] = ("manifest", "project")
"""The schemas of what people write."""


def schema_text(name: str) -> str:
    """A schema as it was published, byte for byte.

    Raises: `FileNotFoundError` when this installation has none of this name.
    """
    file = f"{name}.schema.json"
    package = Path(__file__).resolve().parents[1]
    inside = package / "schemas" / file
    path = inside if inside.is_file() else package.parent / "schemas" / file
    return path.read_text(encoding="utf-8")


@cache
def working_schema(name: SchemaName) -> JsonSchema:
    """A schema made ready for validating: references resolved, patterns as Python means them. Don't change it.

    References are put in place because looking each one up takes longer than the checks behind it. `$` becomes `\\Z`:
    in Python, `$` lets a line break at the end pass.
    """
    schema = json.loads(schema_text(name))
    definitions = schema.pop("$defs")
    return cast("JsonSchema", _ready(schema, definitions))


def _ready(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_ready(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        return _ready({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if isinstance(node.get("pattern"), str):
        node = {**node, "pattern": node["pattern"].removesuffix("$") + r"\Z"}
    return {key: value if key in _NOT_SCHEMAS else _ready(value, definitions) for key, value in node.items()}


_BLANKS = r" \t\n\r\f\v\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What `\\s` stands for in Python. To ECMAScript, whose expressions the native code speaks, it is another set."""


class QuickSchema:
    """A schema compiled to native code.

    Patterns are those of Python's `re`, within what `in_ecmascript` can say; with `linear` they are an author's, for
    the engine of `patterns.py`.
    """

    def __init__(self, schema: dict[str, Any], *, linear: bool = False) -> None:
        self._validator = _native(schema, linear=True) if linear else _native(_translated(schema))

    def accepts(self, value: object) -> bool:
        """Whether the value is valid for certain.

        Values are what YAML gives: dicts (subclasses too), lists, scalars; no NaN and no infinities, which the native
        code takes for null.
        """
        if self._validator is None:
            return False
        try:
            return self._validator.is_valid(value)
        except (ValueError, TypeError, OverflowError):
            return False  # nothing that JSON has, such as a key that isn't text


def is_surely_valid(value: object, schema: SchemaName) -> bool:
    """Whether a document's data is valid; False where only jsonschema can decide."""
    return _quick(schema).accepts(value)


@cache
def _quick(schema: SchemaName) -> QuickSchema:
    return QuickSchema(working_schema(schema))


def in_ecmascript(pattern: str) -> str:
    """Translate a pattern of `re` to ECMAScript (with the `u` flag). Of classes, only `\\s` and `[\\s\\S]` are known
    here; flags are not."""
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

        options = linear_engine() if linear else None
    except ImportError:  # a platform that it isn't built for
        return None
    return Draft202012Validator(schema, pattern_options=options)
