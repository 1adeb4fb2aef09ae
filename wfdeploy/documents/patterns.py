"""Patterns of authors' schemas, read by one engine wherever they stand, in time proportional to the text.

Python's `re` backtracks: `^(a+)+$` takes longer than anybody waits for a text of fifty letters. So it never sees a
pattern that a manifest brings. The engine here is Rust's `regex`, by way of jsonschema-rs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, RegexOptions

MAX_PATTERNS = 100
"""Different patterns of a schema. Each takes memory, `_MAX_COMPILED` at most and as much again while it is used."""

_MAX_COMPILED = 2**20
"""Bytes of a compiled pattern: `((a{100}){100}){100}` is short, and a million states."""

Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
"""A keyword of a jsonschema validator: called with validator, value, instance and schema."""


def linear_engine() -> RegexOptions:
    """Choose the engine that takes time proportional to the text. Raises: `ImportError`."""
    from jsonschema_rs import RegexOptions

    return RegexOptions(size_limit=_MAX_COMPILED)


class Patterns:
    """The patterns of one schema."""

    def __init__(self) -> None:
        self._known: dict[str, Draft202012Validator] = {}

    def add(self, pattern: str) -> None:
        """Compile a pattern. Raises: `ValueError` for one that the engine doesn't take."""
        if pattern in self._known:
            return
        if len(self._known) == MAX_PATTERNS:
            raise ValueError(f"it has more than {MAX_PATTERNS} different patterns")
        try:
            from jsonschema_rs import Draft202012Validator

            made = Draft202012Validator({"pattern": pattern}, pattern_options=linear_engine())
        except ImportError as error:
            raise ValueError("patterns need the package jsonschema-rs, which can't be imported here") from error
        except ValueError as error:
            shown = json.dumps(pattern if len(pattern) <= 60 else f"{pattern[:57]}...", ensure_ascii=False)
            message = f"the pattern {shown} can't be used: it is not a regular expression, looks around ('(?=', '(?!',"
            raise ValueError(f"{message} '(?<'), refers back ('\\1'), or is too large") from error
        self._known[pattern] = made

    def match(self, pattern: str, text: str) -> bool:
        """Whether a text holds a match of a pattern that was added."""
        try:
            return self._known[pattern].is_valid(text)
        except ValueError:  # half of a surrogate pair, which is no text
            return False

    @property
    def keywords(self) -> Mapping[str, Keyword]:
        """The keywords of jsonschema that would use Python's `re`."""
        return {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
        }

    def _pattern(self, validator: Any, pattern: str, instance: object, _schema: object) -> Iterator[Any]:
        from jsonschema import ValidationError

        if validator.is_type(instance, "string") and not self.match(pattern, str(instance)):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")

    def _pattern_properties(
        self, validator: Any, value: Mapping[str, Any], instance: Any, _schema: object
    ) -> Iterator[Any]:
        if not validator.is_type(instance, "object"):
            return
        for pattern, schema in value.items():
            for name, item in instance.items():
                if self.match(pattern, name):
                    yield from validator.descend(item, schema, path=name, schema_path=pattern)

    def _additional_properties(
        self, validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[Any]:
        from jsonschema import ValidationError

        if not validator.is_type(instance, "object"):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        extras = [
            name
            for name in instance
            if name not in known and not any(self.match(pattern, name) for pattern in patterns)
        ]
        if isinstance(value, Mapping):
            for name in extras:
                yield from validator.descend(instance[name], value, path=name)
        elif not value and extras:
            for name in extras:
                yield ValidationError("not known here", instance={name: instance[name]})
