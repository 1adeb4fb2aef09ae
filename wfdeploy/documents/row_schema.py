"""`rowSchema`: a JSON Schema of the author's own, that every row of data is checked against."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from wfdeploy.documents.messages import explain
from wfdeploy.documents.patterns import Keyword, Patterns
from wfdeploy.documents.schemas import QuickSchema

if TYPE_CHECKING:
    from referencing._core import Resolver

MAX_CHECKS = 300_000
"""Of one row: some seconds. Alternatives that refer to each other can need more than anybody waits for."""


class RowSchema:
    """An author's schema. It may refer to parts of itself and to nothing else: nothing is ever fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises: `ValueError` for what is no JSON Schema (Draft 2020-12), or has patterns that `Patterns` refuses."""
        from jsonschema import Draft202012Validator, FormatChecker
        from jsonschema.exceptions import SchemaError

        patterns = self._patterns = Patterns()
        try:
            # Without `format`, which would check patterns with Python's `re`.
            Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
            _add_patterns(tuple(subschemas(schema)), patterns)
            ready = without_dialects(schema)
        except SchemaError as error:
            where = ".".join(map(str, error.absolute_path))
            raise ValueError(f"{where}: {error.message}" if where else error.message) from error
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        self._quick = quick_schema_of(ready)
        self._budget = _Budget()
        self._validator = _validator(ready, patterns, self._budget)
        try:
            self._budget.renew()
            self._validator.is_valid(None)
        except RecursionError as error:
            raise ValueError("it refers to itself without end") from error

    def is_valid(self, row: object) -> bool:
        """Whether a row fits. Called for every row.

        Raises: `ValueError` when it takes more than `MAX_CHECKS`.
        """
        if self._quick is not None and is_finite(row) and self._quick.accepts(row):
            return True
        self._budget.renew()
        try:
            return self._validator.is_valid(row)
        except RecursionError:
            return False

    def problems(self, row: object, *, most: int = 100) -> list[str]:
        """What is wrong with a row that doesn't fit, as messages: `most` of them, about. Raises: as `is_valid`."""
        found = []
        self._budget.renew()
        try:
            for error in self._validator.iter_errors(row):
                path = tuple(error.absolute_path)
                found += [problem.message for problem in explain(error, path, matches=self._patterns.match)]
                if len(found) >= most:
                    break
        except RecursionError:
            found.append("the row is nested too deeply for its schema")
        return found


class _Budget:
    """Counts the checks of one row."""

    def __init__(self) -> None:
        self._left = 0

    def renew(self) -> None:
        self._left = MAX_CHECKS

    def counting(self, name: str, keyword: Keyword) -> Keyword:
        """Count the checks of a keyword: one, and one for each thing that it lists. A reference takes longer."""
        cost = 10 if name in ("$ref", "$dynamicRef") else 1

        def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any] | None:
            self._left -= cost + (len(value) if isinstance(value, list | dict) else 0)
            if self._left < 0:
                raise ValueError(
                    f"a row takes more than {MAX_CHECKS:,} checks: alternatives repeat, or nest, too often"
                )
            return keyword(validator, value, instance, schema)

        return counted


class _Validator(Protocol):
    def is_valid(self, instance: object) -> bool: ...

    def iter_errors(self, instance: object) -> Iterator[Any]: ...


def _validator(schema: Mapping[str, Any], patterns: Patterns, budget: _Budget) -> _Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    keywords = {**Draft202012Validator.VALIDATORS, **patterns.keywords, "uniqueItems": _unique_items}
    counted = {name: budget.counting(name, keyword) for name, keyword in keywords.items()}
    made: Any = extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]
    return cast("_Validator", made(schema, registry=Registry()))


def _add_patterns(parts: tuple[Mapping[str, Any], ...], patterns: Patterns) -> None:
    """Raises: `ValueError` for patterns that can't be used."""
    for part in parts:
        if "pattern" in part:
            patterns.add(part["pattern"])
        for pattern in part.get("patternProperties", ()):
            patterns.add(pattern)
    if any("patternProperties" in part for part in parts) and any("unevaluatedProperties" in part for part in parts):
        # jsonschema finds out what is evaluated with Python's `re`.
        raise ValueError("unevaluatedProperties and patternProperties don't go together; use additionalProperties")


def _unique_items(validator: Any, value: bool, instance: Any, _schema: object) -> Iterator[Any]:
    """jsonschema's compares each item with each other one."""
    from jsonschema import ValidationError

    if value and validator.is_type(instance, "array") and len(set(map(_spelled, instance))) < len(instance):
        yield ValidationError("it holds an item more than once")


def _spelled(value: Any) -> str:
    """One text for values that JSON Schema calls equal, such as 1 and 1.0, and another one for others."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{json.dumps(key)}:{_spelled(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spelled, value)) + "]"
    return json.dumps(value)


# --- the schemas within a schema -----------------------------------------------------------------------------

_ONE = frozenset((
    "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
))  # fmt: skip
_LISTED = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))


def subschemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and all in it. Raises: `ValueError` for a reference to something else."""
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    found = list(_within(schema, Registry().resolver_with_root(root), DRAFT202012.create_resource))
    known = {id(node) for node, _ in found}
    for node, resolver in found:
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(node.get(keyword), str):
                _check_reference(keyword, node[keyword], resolver, known)
        yield node


def _check_reference(keyword: str, target: str, resolver: Resolver[Any], known: set[int]) -> None:
    from referencing.exceptions import Unresolvable

    if not target.startswith("#"):
        raise ValueError(f"{keyword} leads out of the schema ({target}); put what it needs under $defs")
    try:
        contents = resolver.lookup(target).contents
    except Unresolvable as error:
        raise ValueError(f"{target} refers to nothing in the schema") from error
    if not isinstance(contents, bool) and id(contents) not in known:
        raise ValueError(f"{target} refers to what is no schema; put it under $defs")


def _within(
    node: Any, resolver: Resolver[Any], resource: Callable[[Any], Any]
) -> Iterator[tuple[Mapping[str, Any], Resolver[Any]]]:
    if not isinstance(node, Mapping):
        return
    resolver = resolver.in_subresource(resource(node))
    yield node, resolver
    for keyword, value in node.items():
        for inner in _schemas_of(keyword, value):
            yield from _within(inner, resolver, resource)


def _schemas_of(keyword: str, value: Any) -> Iterator[Any]:
    if keyword in _ONE:
        yield value
    elif keyword in _LISTED:
        yield from value
    elif keyword in _NAMED:
        yield from value.values()


def without_dialects(node: Any) -> Any:
    """Copy a schema without `$schema`, which would make jsonschema take another validator for it than ours."""
    if not isinstance(node, Mapping):
        return node
    made: dict[str, Any] = {}
    for keyword, value in node.items():
        if keyword in _ONE:
            made[keyword] = without_dialects(value)
        elif keyword in _LISTED:
            made[keyword] = list(map(without_dialects, value))
        elif keyword in _NAMED:
            made[keyword] = {name: without_dialects(inner) for name, inner in value.items()}
        elif keyword != "$schema":
            made[keyword] = value
    return made


# --- which schemas the quick check may be used for ------------------------------------------------------------

_NOTES = frozenset(("$comment", "$schema", "default", "description", "examples", "title"))
_PLAIN = frozenset((
    "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "required", "type",
))  # fmt: skip
_OF_ONE_VALUE = frozenset(("additionalProperties", "items", "allOf", "anyOf"))
_WITH_SCHEMAS = _OF_ONE_VALUE | {"$defs", "properties"}

_MAX_WEIGHT = 2000
"""Checks of one value. Beyond that, a row is left to jsonschema, which can be stopped; the native code can't."""


def quick_schema_of(schema: Mapping[str, Any]) -> QuickSchema | None:
    """The quick check of a schema; None where it is left to jsonschema.

    The quick check only accepts (see `documents/schemas.py`). So what it knows may be narrower than what jsonschema
    knows, and must not be wider: `not` and `oneOf` are left to jsonschema.
    """
    if not _is_plain(schema) or _weight(schema, schema, {}) > _MAX_WEIGHT:
        return None
    try:
        return QuickSchema(dict(schema), linear=True)
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
    if keyword in _WITH_SCHEMAS:
        return all(map(_is_plain, _schemas_of(keyword, value)))
    if keyword == "$ref":
        return value.startswith("#/$defs/") and "%" not in value and "~" not in value
    return keyword == "pattern"


def _weight(node: Any, root: Mapping[str, Any], known: dict[int, float]) -> float:
    """How many checks a value can take at most; without end where a schema refers to itself.

    known: the weights so far, by identity.
    """
    if not isinstance(node, Mapping):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf  # which it is, when this comes by again while it is being looked at
        inner: dict[str, float] = {}
        for keyword, value in node.items():
            if keyword in _OF_ONE_VALUE:
                inner[keyword] = sum(_weight(item, root, known) for item in _schemas_of(keyword, value))
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
