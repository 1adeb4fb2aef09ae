"""What every format of data files gives: records in order, read past cheaply, parsed where they are wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wfdeploy.manifests.expand.data.streams import FileProblem

MAX_DEPTH = 100
"""Levels of nesting in a row, as in manifests."""

SHOWN_CHARACTERS = 200
"""Of a row in a message."""

FORMATS = ("csv", "tsv", "json", "jsonl", "yaml", "parquet")

_SUFFIXES = {"ndjson": "jsonl", "yml": "yaml"}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used: why."""

    code: str
    message: str
    hint: str | None = None


class Rows(Protocol):
    """The rows of a file that is open."""

    uniform: bool
    """Every row has the same fields: a field that is missing in one is missing in all."""

    shares_lines: bool
    """Several rows may stand on one line, so that a line doesn't identify one of them."""

    def records(self) -> Iterator[tuple[int, Any]]:
        """Line (or number, where there are no lines; from 1) and raw form of each row. Raises: `FileProblem`."""

    def parse(self, record: Any) -> object:
        """The row that a record holds; a `BadRow` where it can't be used."""

    def shown(self, record: Any) -> str:
        """A record for people."""


def format_of(name: str) -> str:
    """The format in a file's name. Raises: `FileProblem` when there is none."""
    parts = name.lower().rsplit("/", 1)[-1].split(".")
    if parts[-1] in ("gz", "zst"):
        parts.pop()
    suffix = _SUFFIXES.get(parts[-1], parts[-1]) if len(parts) > 1 else ""
    if suffix not in FORMATS:
        message = f"the name {name} does not tell the format of the data"
        raise FileProblem("unknown-format", message, f"give forEach.format: one of {', '.join(FORMATS)}")
    return suffix


def cut(text: str) -> str:
    """A row for a message, cut where it would flood the line."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def shown_value(value: object) -> str:
    """A row of JSON values for people."""
    return cut(json.dumps(value, ensure_ascii=False, default=str))


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")


class CellTypes:
    """Gives the cells of a table the types that `rowSchema.properties` names. What doesn't fit stays text, which
    the schema then refuses."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        properties = (schema or {}).get("properties")
        self._properties: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}

    def of(self, columns: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The columns whose cells aren't just text, each with the types it may have."""
        found = []
        for column in columns:
            field = self._properties.get(column)
            types = field.get("type") if isinstance(field, Mapping) else None
            names = tuple(types) if isinstance(types, list) else (types,) if isinstance(types, str) else ()
            if names and names != ("string",):
                found.append((column, names))
        return found


def typed(cell: str, types: tuple[str, ...]) -> object:
    """A cell's value. An empty one is null where that is allowed."""
    if not cell and "null" in types:
        return None
    if "integer" in types and _INTEGER.fullmatch(cell) and len(cell) <= SHOWN_CHARACTERS:
        return int(cell)
    if "number" in types and _NUMBER.fullmatch(cell) and len(cell) <= SHOWN_CHARACTERS:
        return json.loads(cell)
    if "boolean" in types and cell in _BOOLEANS:
        return _BOOLEANS[cell]
    return cell


_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
