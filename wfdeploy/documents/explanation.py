"""Fields of manifests and of the project file, found by their names and explained from the schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wfdeploy.documents.schemas import NAMES, JsonSchema, SchemaName, working_schema
from wfdeploy.errors import UsageError

_TYPES = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "number": "number"}
_PLURALS = {"object": "mappings", "string": "texts"}
_ANY_NAME = "NAME"


@dataclass(frozen=True, slots=True)
class Field:
    """One field, and where it is: `spec.runs[].retries`, `spec.environments.NAME.url`.

    `path` is empty for the whole document.
    """

    document: SchemaName
    path: str
    schema: JsonSchema
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that lead to it."""
        return tuple(name for name in self.path.replace("[]", "").split(".") if name)


def type_words(schema: JsonSchema, quoted: Callable[[object], str] = str) -> str:
    """The type of a field for people: `list of texts`, `cancel | keep`. `quoted`: how a value is written."""
    if "enum" in schema:
        return " | ".join(map(quoted, schema["enum"]))
    types = schema.get("type", "any value")
    names = [types] if isinstance(types, str) else [kind for kind in types if kind != "null"]
    text = " or ".join(_TYPES.get(kind, kind) for kind in names)
    if schema.get("items"):
        inner = schema["items"].get("enum")
        kind = _PLURALS.get(schema["items"].get("type", "object"), "items")
        text += " of " + (", ".join(map(quoted, inner)) if inner else kind)
    return text


def children(field: Field) -> Sequence[Field]:
    """The fields of a mapping, of the items of a list, or of what stands under any name."""
    schema, path = field.schema, field.path
    if "properties" not in schema:
        for key, suffix in (("items", "[]"), ("additionalProperties", f".{_ANY_NAME}")):
            if isinstance(schema.get(key), dict):
                schema, path = schema[key], path + suffix
                break
    required = schema.get("required", ())
    before = f"{path}." if path else ""
    return [
        Field(field.document, f"{before}{name}", inner, name in required)
        for name, inner in schema.get("properties", {}).items()
    ]


def find_field(text: str) -> tuple[Field, Sequence[Field]]:
    """The field that is meant by `spec.runs[].retries`, `runs.retries`, `retries` or `project.environments`, and the
    other places where it stands too.

    Raises: `UsageError` for an unknown one, with the nearest.
    """
    names = tuple(name for name in re.sub(r"\[[^\]]*\]", "", text.strip().strip(".")).split(".") if name)
    documents: Sequence[SchemaName] = NAMES
    for document in NAMES:
        if names[:1] == (document,):
            documents, names = (document,), names[1:]
    if not names:
        return Field(documents[0], "", working_schema(documents[0])), ()
    fields = [field for document in documents for field in _all(Field(document, "", working_schema(document)))]
    for wanted in (names, ("spec", *names)):
        found = [field for field in fields if _matches(field.names, wanted)]
        if found:
            return found[0], ()
    found = [field for field in fields if _matches(field.names[-len(names) :], names)]
    if not found:
        raise UsageError(f"there is no field {text}", hint=_nearest(names, fields))
    return found[0], [field for field in found[1:] if field.schema == found[0].schema]


def _all(field: Field) -> Iterator[Field]:
    for child in children(field):
        yield child
        yield from _all(child)


def _matches(names: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(names) == len(wanted) and all(
        name in (given, _ANY_NAME) for name, given in zip(names, wanted, strict=True)
    )


def _nearest(names: Sequence[str], fields: Sequence[Field]) -> str:
    from difflib import get_close_matches

    # A field whose last name is misspelled stands beside what was meant.
    beside = {".".join(field.names).removeprefix("spec."): field for field in fields}
    wanted = ".".join(names).removeprefix("spec.")
    if len(names) == 1:
        beside = {field.names[-1]: field for field in fields}
    lowered = {name.lower(): name for name in beside}
    near = get_close_matches(wanted.lower(), lowered, n=1, cutoff=0.7)
    meant = f"did you mean {lowered[near[0]]}? " if near else ""
    return f"{meant}`wfdeploy explain` lists the fields of manifests, `wfdeploy explain project` those of wfdeploy.yaml"


def explained(field: Field, others: Sequence[Field] = ()) -> Mapping[str, Any]:
    """All that the schema says of a field, as plain data."""
    schema = field.schema
    said: dict[str, Any] = {
        "document": field.document,
        "field": field.path,
        "alsoAt": [other.path for other in others],
        "title": schema.get("title", ""),
        "description": schema.get("description", ""),
        "type": type_words(schema),
        "required": field.required,
    }
    said |= {name: schema[name] for name in ("default", "minimum", "maximum") if name in schema}
    said["examples"] = schema.get("examples", [])
    said["fields"] = [
        {
            "name": child.path.removeprefix(field.path).lstrip("."),
            "type": type_words(child.schema),
            "required": child.required,
            "description": child.schema.get("description", ""),
        }
        for child in _shown(field)
    ]
    return said


def _shown(field: Field) -> Iterator[Field]:
    """The fields within, and of a whole document those of its `spec` too, which is what people look for."""
    for child in children(field):
        yield child
        if child.path == "spec":
            yield from children(child)
