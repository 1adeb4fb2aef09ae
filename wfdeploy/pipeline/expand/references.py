"""What expressions may name: `vars.NAME`, `secrets.NAME`, and `row`, `matrix` in the template of a run.

A plain reference is looked up here, without the expression engine: start-up pays for that only where it is needed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Any, TypeAlias

from wfdeploy.model.request import SecretRef
from wfdeploy.pipeline.expand.expressions import (
    MAX_TEXT,
    Constant,
    ExpressionError,
    Scope,
    UnknownValueError,
    Varying,
    one_line,
    size_of,
)
from wfdeploy.pipeline.expand.numbers import Numbers

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEP = rf"""\s*\.\s*({_NAME})|\s*\[\s*(?:"([^"\\]*)"|'([^'\\]*)'|([0-9]{{1,9}}))\s*\]"""
_REFERENCE = re.compile(rf"({_NAME})((?:{_STEP})*)")
_STEPS = re.compile(_STEP)
_PATTERN_OF_A_NAME = re.compile(_NAME)
_LITERALS = frozenset(("true", "false", "none", "True", "False", "None"))
_OF_TEMPLATES = {"row": "a run with forEach", "matrix": "a run with a matrix", "schedule": "a group with a schedule"}
_SHOWN_FIELDS = 12
_MOST_HELD = 2**24
"""Characters of values that are kept for the next time."""

_Steps: TypeAlias = Sequence[str | int]


class References:
    """Evaluates expressions with the project's variables. `secrets` are the names that may be used; what is made has
    at most `most` characters."""

    def __init__(self, variables: Mapping[str, object], secrets: Collection[str], *, most: int = MAX_TEXT) -> None:
        self.most = most
        self._variables = variables
        self._secrets = secrets
        self._schedule: Mapping[str, object] | None = None
        self._values: dict[str, tuple[Constant, bool]] = {}  # of expressions that are more than a reference
        self._held = 0  # characters of these, about
        self.numbers = Numbers()

    def at(self, schedule: Mapping[str, object]) -> References:
        """The same, with values for `schedule`."""
        other = copy(self)
        other._schedule = schedule
        other._values, other._held = {}, 0
        return other

    def former(self) -> References:
        """The same, writing numbers as they were written before."""
        other = copy(self)
        other.numbers = Numbers(former=True)
        other._values, other._held = {}, 0
        return other

    def evaluate(self, source: str) -> object:
        reference = _parsed(source)
        if reference is not None:
            return self._constant(*reference, source, ())
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
        return known[0].value

    def compile(self, source: str, names: Collection[str]) -> Constant | Varying:
        reference = _parsed(source)
        if reference is None:
            return self._compiled(source, names)
        root, steps = reference
        return _looked_up(root, steps, source) if root in names else Constant(self._constant(*reference, source, names))

    def _constant(self, root: str, steps: _Steps, source: str, names: Collection[str]) -> object:
        if root == "vars" and steps:
            return self._variable(steps, source)
        if root == "secrets" and len(steps) == 1 and isinstance(steps[0], str):
            return self._secret(steps[0], source)
        if root == "schedule" and self._schedule is not None and len(steps) == 1:
            if steps[0] not in self._schedule:
                raise undefined_field(_name("schedule", steps), source, self._schedule)
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
        from wfdeploy.pipeline.expand.sandbox import compile_expression

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

    def _variable(self, steps: _Steps, source: str) -> object:
        value: Any = self._variables
        for depth, step in enumerate(steps):
            if isinstance(step, int) and isinstance(value, list) and step < len(value):
                value = value[step]
                continue
            if not isinstance(value, Mapping):
                what = "a list of that length" if isinstance(step, int) else "a mapping"
                message = f"{_name('vars', steps[:depth])} is not {what} and has no {step!r}"
                raise ExpressionError(message, source=source, code="undefined-variable")
            if step not in value:
                name = _name("vars", steps[: depth + 1])
                option = f" or with --var {step}=TEXT" if depth == 0 and is_variable_name(str(step)) else ""
                hint = _did_you_mean(str(step), value) or f"give it in wfdeploy.yaml (spec.vars){option}"
                raise ExpressionError(f"{name} is not defined", source=source, code="undefined-variable", hint=hint)
            value = value[step]
        return value

    def _secret(self, name: str, source: str) -> SecretRef:
        if name not in self._secrets:
            hint = _did_you_mean(name, self._secrets) or f"add {name} to spec.secrets in wfdeploy.yaml"
            message = f"the secret {name} is not listed in the project file"
            raise ExpressionError(message, source=source, code="undefined-secret", hint=hint)
        return SecretRef(name)


class UnknownReferences(References):
    """Checks the form of expressions, where it isn't known which variables and secrets there are."""

    def __init__(self) -> None:
        super().__init__({}, ())

    def _use_variables(self, source: str) -> None:
        raise UnknownValueError("variables are not known", source=source)

    def _variable(self, steps: _Steps, source: str) -> object:
        raise UnknownValueError(f"{_name('vars', steps)} is not known", source=source)

    def _secret(self, name: str, source: str) -> SecretRef:
        raise UnknownValueError(f"secrets.{name} is not known", source=source)


def is_variable_name(name: str) -> bool:
    """Whether `vars.NAME` could refer to it."""
    return _PATTERN_OF_A_NAME.fullmatch(name) is not None


def unknown_name(name: str, source: str, names: Collection[str]) -> ExpressionError:
    """For an expression that begins with a name that isn't known."""
    known = ("vars", "secrets", *names)
    if name in _OF_TEMPLATES:
        hint: str | None = f"{name} is known in the fields of {_OF_TEMPLATES[name]}"
    elif name.lower() == "null":
        hint = "null is written none"
    else:
        hint = _did_you_mean(name, known) or f"known are {', '.join(f'{one}.NAME' for one in known)}"
    return ExpressionError(f"{name!r} is not known here", source=source, code="undefined-name", hint=hint)


def undefined_field(name: str, source: str, holder: object) -> ExpressionError:
    """For a field that a row, or a combination of a matrix, doesn't have."""
    hint = None
    if isinstance(holder, Mapping):
        step = name.rpartition(".")[2]
        known = [str(key) for key in holder][:_SHOWN_FIELDS]
        more = ", ..." if len(holder) > _SHOWN_FIELDS else ""
        hint = _did_you_mean(step, tuple(map(str, holder))) or (
            f"known are {', '.join(known)}{more}" if known else None
        )
    return ExpressionError(f"{name} is not defined", source=source, code="undefined-field", hint=hint)


def undefined_within(scope: Scope, name: str, holder: object, source: str) -> ExpressionError:
    """The same for a field of something that an expression looked into, told from the scope on where its text does."""
    for match in _REFERENCE.finditer(source):
        root, steps = _parsed(match[0]) or ("", ())
        missing = _first_missing(scope[root], steps) if root in scope else None
        if missing is not None and missing[1] is holder and str(steps[missing[0]]) == name:
            return undefined_field(_name(root, steps[: missing[0] + 1]), source, holder)
    return undefined_field(name, source, holder)


def _parsed(source: str) -> tuple[str, list[str | int]] | None:
    """Root and steps of a reference; None for any other expression."""
    match = _REFERENCE.fullmatch(source.strip())
    if match is None or (match[1] in _LITERALS and not match[2]):
        return None
    steps: list[str | int] = []
    for step in _STEPS.finditer(match[2]):
        name, double, single, index = step.groups()
        steps.append(int(index) if index is not None else next(t for t in (name, double, single) if t is not None))
    return match[1], steps


def _looked_up(root: str, steps: _Steps, source: str) -> Varying:
    """A reference into the scope, as a function."""
    if len(steps) == 1:
        only: Any = steps[0]

        def field(scope: Any) -> object:
            try:
                return scope[root][only]
            except (KeyError, IndexError, TypeError):
                raise _missing(scope, root, steps, source) from None

        return field

    def deep(scope: Any) -> object:
        value = scope[root]
        try:
            for step in steps:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            raise _missing(scope, root, steps, source) from None
        return value

    return deep


def _missing(scope: Scope, root: str, steps: _Steps, source: str) -> ExpressionError:
    missing = _first_missing(scope[root], steps)
    assert missing is not None, "every step is there"
    depth, holder = missing
    return undefined_field(_name(root, steps[: depth + 1]), source, holder)


def _first_missing(value: Any, steps: _Steps) -> tuple[int, object] | None:
    """Which step leads nowhere, and from what."""
    for depth, step in enumerate(steps):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return depth, value
    return None


def _name(root: str, steps: _Steps) -> str:
    text = root
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if _PATTERN_OF_A_NAME.fullmatch(step) else f'["{step}"]'
    return text


def _did_you_mean(name: str, known: Collection[str]) -> str | None:
    closest = _closest(name, tuple(known))
    return f"did you mean {closest!r}?" if closest is not None else None


@lru_cache(maxsize=1024)  # the search is slow, and one misspelling may stand in a hundred thousand runs
def _closest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)
