"""`${{ ... }}`: found in text here, evaluated by an `Evaluator`.

`$${{` stands for a literal `${{`. An expression that is the whole text keeps the type of its value; among other text it
must give a scalar. Secrets are never looked up: they become references.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from wfdeploy.model.request import SecretRef, Template, Text

OPENING = "${{"

_OPENING = re.compile(r"\$?\$\{\{")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"({_NAME})((?:\s*\.\s*{_NAME})*)")
_PATTERN_OF_A_NAME = re.compile(_NAME)


class ExpressionError(Exception):
    """An expression that can't be evaluated. `source` is its text, for pointing at it."""

    def __init__(self, message: str, *, source: str, code: str = "bad-expression", hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.code = code
        self.hint = hint


class UnknownValueError(ExpressionError):
    """An expression whose value nobody knows for now: nothing is wrong with it as far as can be said."""


class Evaluator(Protocol):
    """Gives expressions their values."""

    def evaluate(self, source: str) -> object:
        """The value of what stands between `${{` and `}}`; a `SecretRef` for a secret. Raises: `ExpressionError`."""


class References:
    """Evaluates dotted references: `vars.NAME.KEY`, `secrets.NAME`. `secrets` are the names that may be used."""

    def __init__(self, variables: Mapping[str, object], secrets: Collection[str]) -> None:
        self._variables = variables
        self._secrets = secrets

    def evaluate(self, source: str) -> object:
        match = _REFERENCE.fullmatch(source.strip())
        if match is None:
            message = f"{OPENING} {_one_line(source)} }}}} is not an expression"
            raise ExpressionError(message, source=source, hint="write ${{ vars.NAME }} or ${{ secrets.NAME }}")
        root, *steps = [part.strip() for part in source.split(".")]
        if root == "vars" and steps:
            return self._variable(steps, source)
        if root == "secrets" and len(steps) == 1:
            return self._secret(steps[0], source)
        if root in ("vars", "secrets"):
            message = f"{_one_line(source)} names no single value"
            raise ExpressionError(message, source=source, hint=f"write {root}.NAME")
        hint = _did_you_mean(root, ("vars", "secrets")) or "known are vars.NAME and secrets.NAME"
        raise ExpressionError(f"{root!r} is not known here", source=source, code="undefined-name", hint=hint)

    def _variable(self, steps: Sequence[str], source: str) -> object:
        value: object = self._variables
        for depth, step in enumerate(steps):
            if not isinstance(value, Mapping):
                message = f"vars.{'.'.join(steps[:depth])} is not a mapping and has no {step!r}"
                raise ExpressionError(message, source=source, code="undefined-variable")
            if step not in value:
                name = ".".join(("vars", *steps[: depth + 1]))
                hint = _did_you_mean(step, value) or f"give it in wfdeploy.yaml (spec.vars) or with --var {step}=TEXT"
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
    """Checks the form of references, where it isn't known which variables and secrets there are."""

    def __init__(self) -> None:
        super().__init__({}, ())

    def _variable(self, steps: Sequence[str], source: str) -> object:
        raise UnknownValueError(f"vars.{'.'.join(steps)} is not known", source=source)

    def _secret(self, name: str, source: str) -> SecretRef:
        raise UnknownValueError(f"secrets.{name} is not known", source=source)


def evaluate(text: str, evaluator: Evaluator) -> object:
    """The value of a text with expressions: any type when it is one expression as a whole, else `Text`.

    Raises: `ExpressionError`.
    """
    parts = _split(text, evaluator)
    if len(parts) == 1 and not isinstance(parts[0], str):
        whole = parts[0].value
        return Template((whole,)) if isinstance(whole, SecretRef) else whole
    return _join(parts)


def evaluate_text(text: str, evaluator: Evaluator) -> Text:
    """The same, where only text makes sense: numbers and booleans are written as JSON writes them."""
    return _join(_split(text, evaluator))


def is_variable_name(name: str) -> bool:
    """Whether `vars.NAME` could refer to it."""
    return _PATTERN_OF_A_NAME.fullmatch(name) is not None


class _Value:
    """The value of one expression, told apart from text that stood in the source."""

    __slots__ = ("source", "value")

    def __init__(self, source: str, value: object) -> None:
        self.source = source
        self.value = value


def _split(text: str, evaluator: Evaluator) -> list[str | _Value]:
    parts: list[str | _Value] = []
    position = 0
    while (match := _OPENING.search(text, position)) is not None:
        if match.start() > position:
            parts.append(text[position : match.start()])
        if match[0].startswith("$$"):
            parts.append(OPENING)
            position = match.end()
            continue
        end = text.find("}}", match.end())
        if end < 0:
            raise ExpressionError("'${{' without '}}'", source=match[0], hint="write $${{ for a literal ${{")
        source = text[match.end() : end]
        parts.append(_Value(source, evaluator.evaluate(source)))
        position = end + 2
    if position < len(text) or not parts:
        parts.append(text[position:])
    return parts


def _join(parts: Sequence[str | _Value]) -> Text:
    pieces: list[str | SecretRef] = []
    for part in parts:
        piece = part if isinstance(part, str) else _piece(part)
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return pieces[0]
    return Template(tuple(pieces))


def _piece(part: _Value) -> str | SecretRef:
    value = part.value
    if isinstance(value, str | SecretRef):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    what = "null" if value is None else "a mapping" if isinstance(value, Mapping) else "a list"
    message = f"{_one_line(part.source)} is {what}, which can't be put into text"
    raise ExpressionError(message, source=part.source)


def _one_line(source: str) -> str:
    return " ".join(source.split())


def _did_you_mean(name: str, known: Collection[str]) -> str | None:
    closest = _closest(name, tuple(known))
    return f"did you mean {closest!r}?" if closest is not None else None


@lru_cache(maxsize=1024)  # the search is slow, and one misspelling may stand in a hundred thousand runs
def _closest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)
