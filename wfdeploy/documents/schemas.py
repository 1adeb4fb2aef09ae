"""The JSON Schemas: the one place where a field is defined. Found beside the package in a checkout, inside a wheel."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

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
