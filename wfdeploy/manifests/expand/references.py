"""What expressions may name: `vars.NAME`, `secrets.NAME`, and `row`, `matrix` in the template of a run.

A plain reference is looked up here, without the expression engine: start-up pays for that only where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from typing import Any

from wfdeploy.documents.messages import did_you_mean
from wfdeploy.manifests.expand.expressions import (
    MAX_TEXT,
    OPENING,
    Constant,
    ExpressionError,
    UnknownValueError,
    Varying,
    one_line,
    size_of,
)
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.manifests.expand.paths import (
    Steps,
    is_variable_name,
    looked_up,
    parsed,
    shown,
    undefined_field,
    unknown_name,
)
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import SecretRef

_MOST_HELD = 2**24
"""Characters of values that are kept for the next time."""


class References:
    """Evaluates expressions with the project's variables.

    secrets: the names that may be used.
    most: characters of what is made.
    """

    def __init__(self, variables: Mapping[str, object], secrets: Collection[str], *, most: int = MAX_TEXT) -> None:
        self.most = most
        self._variables = variables
        self._secrets = secrets
        self._schedule: Mapping[str, object] | None = None
        self._values: dict[str, tuple[Constant, bool]] = {}  # of expressions that are more than a reference
        self._held = 0  # characters of these, about
        self.numbers = NumberFormat()

    def at(self, schedule: Mapping[str, object]) -> References:
        """The evaluator with values for `schedule`."""
        other = copy(self)
        other._schedule = schedule
        other._values, other._held = {}, 0
        return other

    def former(self) -> References:
        """The evaluator that writes numbers as they were written before."""
        other = copy(self)
        other.numbers = NumberFormat(former=True)
        other._values, other._held = {}, 0
        return other

    def compile(self, source: str, names: Collection[str]) -> Constant | Varying:
        reference = parsed(source)
        if reference is None:
            return self._compiled(source, names) if names else self._evaluated(source)
        root, steps = reference
        return looked_up(root, steps, source) if root in names else Constant(self._constant(*reference, source, names))

    def _evaluated(self, source: str) -> Constant | Varying:
        """The value of an expression that is more than a reference, evaluated once for many runs."""
        known = self._values.get(source)
        numbers = self.numbers
        if known is None:
            before, numbers.respelled = numbers.respelled, False
            compiled = self._compiled(source, ())
            assert isinstance(compiled, Constant), "nothing varies without a scope"
            known = compiled, numbers.respelled
            self._held += size_of(compiled.value, self.most)
            if self._held > _MOST_HELD:
                self._values.clear()
                self._held = 0
            self._values[source] = known
            numbers.respelled = before
        numbers.respelled = numbers.respelled or known[1]
        return known[0]

    def _constant(self, root: str, steps: Steps, source: str, names: Collection[str]) -> object:
        if root == "vars" and steps:
            return self._variable(steps, source)
        if root == "secrets" and len(steps) == 1 and isinstance(steps[0], str):
            return self._secret(steps[0], source)
        if root == "schedule" and self._schedule is not None and len(steps) == 1:
            if steps[0] not in self._schedule:
                raise undefined_field(shown("schedule", steps), source, self._schedule)
            return self._schedule[str(steps[0])]
        if root in ("vars", "secrets") or (root == "schedule" and self._schedule is not None):
            message = f"{one_line(source)} names no single value"
            raise ExpressionError(message, source=source, hint=f"write {root}.NAME")
        raise unknown_name(root, source, (*self._known, *names))

    @property
    def _known(self) -> tuple[str, ...]:
        """Names beside those of variables, secrets and templates."""
        return () if self._schedule is None else ("schedule",)

    def _compiled(self, source: str, names: Collection[str]) -> Constant | Varying:
        """An expression that is more than a reference."""
        from wfdeploy.manifests.expand.sandbox import compile_expression

        expression = compile_expression(source, (*names, "vars", *self._known), self.numbers, self.most)
        if "vars" in expression.names:
            self._use_variables(source)
        fixed: dict[str, object] = {"vars": self._variables}
        if self._schedule is not None:
            fixed["schedule"] = self._schedule
        if not expression.names.isdisjoint(names):
            return lambda scope: expression({**fixed, **scope})
        return Constant(expression(fixed))

    def _use_variables(self, source: str) -> None:
        """An expression is about to use some variable or other."""

    def _variable(self, steps: Steps, source: str) -> object:
        value: Any = self._variables
        for depth, step in enumerate(steps):
            if isinstance(step, int) and isinstance(value, list) and step < len(value):
                value = value[step]
                continue
            if not isinstance(value, Mapping):
                what = "a list of that length" if isinstance(step, int) else "a mapping"
                message = f"{shown('vars', steps[:depth])} is not {what} and has no {step!r}"
                raise ExpressionError(message, source=source, code="undefined-variable")
            if step not in value:
                name = shown("vars", steps[: depth + 1])
                option = f" or with --var {step}=TEXT" if depth == 0 and is_variable_name(str(step)) else ""
                hint = did_you_mean(str(step), value) or f"give it in wfdeploy.yaml (spec.vars){option}"
                raise ExpressionError(f"{name} is not defined", source=source, code="undefined-variable", hint=hint)
            value = value[step]
        return value

    def _secret(self, name: str, source: str) -> SecretRef:
        if name not in self._secrets:
            hint = did_you_mean(name, self._secrets) or f"add {name} to spec.secrets in wfdeploy.yaml"
            message = f"the secret {name} is not listed in the project file"
            raise ExpressionError(message, source=source, code="undefined-secret", hint=hint)
        return SecretRef(name)


def find_secret(data: Mapping[str, Any], entry: int, name: str) -> tuple[FieldPath, str] | None:
    """The path of a text that names a secret, and the piece of it that does: in an entry of `spec.runs`, else in what
    its group gives it."""
    named = re.compile(rf"""secrets(\.{re.escape(name)}\b|\[\s*["']{re.escape(name)}["']\s*\])""")
    spec = data["spec"]
    places: tuple[tuple[FieldPath, object], ...] = (
        (("spec", "runs", entry), spec["runs"][entry]),
        (("spec", "defaults"), spec.get("defaults")),
        (("spec", "destination"), spec.get("destination")),
    )
    for path, value in places:
        for at, text in _texts(value, path):
            match = named.search(text) if OPENING in text else None
            if match is not None:
                return at, match[0]
    return None


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from _texts(child, (*path, step))


class UnknownReferences(References):
    """Checks the form of expressions, where it isn't known which variables and secrets there are."""

    def __init__(self) -> None:
        super().__init__({}, ())

    def _use_variables(self, source: str) -> None:
        raise UnknownValueError("variables are not known", source=source)

    def _variable(self, steps: Steps, source: str) -> object:
        raise UnknownValueError(f"{shown('vars', steps)} is not known", source=source)

    def _secret(self, name: str, source: str) -> SecretRef:
        raise UnknownValueError(f"secrets.{name} is not known", source=source)
