"""`rowSchema`: a JSON Schema of the author's own, asked about every row of data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from wfdeploy.documents import messages as words
from wfdeploy.documents.patterns import Keyword, Patterns
from wfdeploy.manifests.validate.row_gate import gate_of, is_finite
from wfdeploy.manifests.validate.row_subschemas import subschemas, without_dialects

MAX_CHECKS = 300_000
"""Of one row: some seconds. Alternatives that refer to each other can ask for more than anybody waits for."""


class RowSchema:
    """A schema, ready to be asked. It may refer to parts of itself and to nothing else: nothing is ever fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises: `ValueError` for what is no JSON Schema (Draft 2020-12), or has patterns that `Patterns` refuses."""
        from jsonschema import Draft202012Validator, FormatChecker
        from jsonschema.exceptions import SchemaError

        patterns = self._patterns = Patterns()
        try:
            # Without `format`, by which Python's `re` would be asked about patterns.
            Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
            _check(tuple(subschemas(schema)), patterns)
            ready = without_dialects(schema)
        except SchemaError as error:
            where = ".".join(map(str, error.absolute_path))
            raise ValueError(f"{where}: {error.message}" if where else error.message) from error
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        self._gate = gate_of(ready)
        self._budget = _Budget()
        self._validator = _validator(ready, patterns, self._budget)
        try:
            self._budget.renew()
            self._validator.is_valid(None)
        except RecursionError as error:
            raise ValueError("it refers to itself without end") from error

    def is_valid(self, row: object) -> bool:
        """Whether a row fits. The one question that is asked for every row.

        Raises: `ValueError` when it takes more than `MAX_CHECKS`.
        """
        if self._gate is not None and is_finite(row) and self._gate.passes(row):
            return True
        self._budget.renew()
        try:
            return self._validator.is_valid(row)
        except RecursionError:
            return False

    def problems(self, row: object, *, most: int = 100) -> list[str]:
        """What is wrong with a row that doesn't fit, in words: the first problems. Raises: as `is_valid`."""
        found = []
        self._budget.renew()
        try:
            for error in self._validator.iter_errors(row):
                path = tuple(error.absolute_path)
                found += [told.message for told in words.tell(error, path, matches=self._patterns.match)]
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
        """The same keyword, counted: once, and once for each of the things that it lists. A reference takes longer."""
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


def _check(parts: tuple[Mapping[str, Any], ...], patterns: Patterns) -> None:
    """Raises: `ValueError` for patterns that can't be used."""
    for part in parts:
        if "pattern" in part:
            patterns.add(part["pattern"])
        for pattern in part.get("patternProperties", ()):
            patterns.add(pattern)
    if any("patternProperties" in part for part in parts) and any("unevaluatedProperties" in part for part in parts):
        # jsonschema's way to tell what is evaluated asks Python's `re`.
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
