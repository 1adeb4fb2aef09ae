"""`rowSchema`: a JSON Schema of the author's own, asked about every row of data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from wfdeploy.pipeline.validate import words
from wfdeploy.pipeline.validate.row_gate import gate_of, is_finite

_DATA = frozenset(("const", "default", "enum", "examples"))
"""Keywords whose values are data and no schemas."""


class RowSchema:
    """A schema, ready to be asked. It may refer to parts of itself and to nothing else: nothing is ever fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises: `ValueError` for what is no JSON Schema (Draft 2020-12)."""
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from referencing import Registry

        try:
            with warnings.catch_warnings(action="error", category=FutureWarning):
                Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            where = ".".join(map(str, error.absolute_path))
            raise ValueError(f"{where}: {error.message}" if where else error.message) from error
        except FutureWarning as error:  # a set in a set, which other programs read in another way
            raise ValueError(f"a pattern may be misread: {error}") from error
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        for keyword, value in _keywords(schema):
            _check(keyword, value)
        _check_references(schema)
        ready = _with_ends(schema)
        self._gate = gate_of(schema, ready)
        self._validator = Draft202012Validator(ready, registry=Registry())
        try:
            self._validator.is_valid(None)
        except RecursionError as error:
            raise ValueError("it refers to itself without end") from error

    def is_valid(self, row: object) -> bool:
        """Whether a row fits. The one question that is asked for every row."""
        if self._gate is not None and is_finite(row) and self._gate.passes(row):
            return True
        try:
            return self._validator.is_valid(row)
        except RecursionError:
            return False

    def problems(self, row: object) -> list[str]:
        """What is wrong with a row that doesn't fit, in words."""
        found = []
        try:
            for error in self._validator.iter_errors(row):
                found += [told.message for told in words.tell(error, tuple(error.absolute_path))]
        except RecursionError:
            found.append("the row is nested too deeply for its schema")
        return found


def _keywords(node: Any) -> Iterator[tuple[str, Any]]:
    """All keywords of a schema and of those in it, with names of properties among them."""
    if isinstance(node, Mapping):
        for keyword, value in node.items():
            yield keyword, value
            if keyword not in _DATA:
                yield from _keywords(value)
    elif isinstance(node, list):
        for item in node:
            yield from _keywords(item)


def _check(keyword: str, value: Any) -> None:
    """Raises: `ValueError` for what would have to be fetched."""
    if keyword in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
        raise ValueError(f"{keyword} leads out of the schema ({value}); put what it needs under $defs")


def _check_references(schema: Mapping[str, Any]) -> None:
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver: Any = Registry().resolver_with_root(resource)
    for keyword, value in _keywords(schema):
        if keyword == "$ref" and isinstance(value, str):
            try:
                resolver.lookup(value)
            except Unresolvable as error:
                raise ValueError(f"{value} refers to nothing in the schema") from error


def _with_ends(node: Any) -> Any:
    """Patterns as JSON Schema means them: to Python, `$` lets a line break at the end pass."""
    if isinstance(node, list):
        return [_with_ends(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    made = {key: value if key in _DATA else _with_ends(value) for key, value in node.items()}
    pattern = made.get("pattern")
    if isinstance(pattern, str) and pattern.endswith("$") and not pattern.endswith("\\$"):
        made["pattern"] = pattern[:-1] + r"\Z"
    return made
