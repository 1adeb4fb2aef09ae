"""The schemas within a schema: where JSON Schema (Draft 2020-12) has them, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referencing._core import Resolver

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
