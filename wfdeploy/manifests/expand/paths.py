"""A reference: a name and the steps from there, as in `vars.limits["free"]` or `row.items[0]`. It is read, followed,
and explained where it leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from wfdeploy.manifests.expand.expressions import ExpressionError, Scope, Varying

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEP = rf"""\s*\.\s*({_NAME})|\s*\[\s*(?:"([^"\\]*)"|'([^'\\]*)'|([0-9]{{1,9}}))\s*\]"""
_REFERENCE = re.compile(rf"({_NAME})((?:{_STEP})*)")
_STEPS = re.compile(_STEP)
_PATTERN_OF_A_NAME = re.compile(_NAME)
_LITERALS = frozenset(("true", "false", "none", "True", "False", "None"))
_OF_TEMPLATES = {"row": "a run with forEach", "matrix": "a run with a matrix", "schedule": "a group with a schedule"}
_SHOWN_FIELDS = 12

Steps: TypeAlias = Sequence[str | int]


def is_variable_name(name: str) -> bool:
    """Whether `vars.NAME` could refer to it."""
    return _PATTERN_OF_A_NAME.fullmatch(name) is not None


def unknown_name(name: str, source: str, names: Collection[str]) -> ExpressionError:
    """For an expression that begins with a name that isn't known."""
    from wfdeploy.documents.messages import did_you_mean

    known = ("vars", "secrets", *names)
    if name in _OF_TEMPLATES:
        hint: str | None = f"{name} is known in the fields of {_OF_TEMPLATES[name]}"
    elif name.lower() == "null":
        hint = "null is written none"
    else:
        hint = did_you_mean(name, known) or f"available: {', '.join(f'{one}.NAME' for one in known)}"
    return ExpressionError(f"{name!r} is not known here", source=source, code="undefined-name", hint=hint)


def undefined_field(name: str, source: str, holder: object) -> ExpressionError:
    """For a field that a row, or a combination of a matrix, doesn't have."""
    from wfdeploy.documents.messages import did_you_mean

    hint = None
    if isinstance(holder, Mapping):
        step = name.rpartition(".")[2]
        known = [str(key) for key in holder][:_SHOWN_FIELDS]
        more = ", ..." if len(holder) > _SHOWN_FIELDS else ""
        hint = did_you_mean(step, tuple(map(str, holder))) or (
            f"available: {', '.join(known)}{more}" if known else None
        )
    return ExpressionError(f"{name} is not defined", source=source, code="undefined-field", hint=hint)


def undefined_within(scope: Scope, name: str, holder: object, source: str) -> ExpressionError:
    """The error for an undefined field of a value, named from the scope on if possible."""
    for match in _REFERENCE.finditer(source):
        root, steps = parsed(match[0]) or ("", ())
        missing = _first_missing(scope[root], steps) if root in scope else None
        if missing is not None and missing[1] is holder and str(steps[missing[0]]) == name:
            return undefined_field(shown(root, steps[: missing[0] + 1]), source, holder)
    return undefined_field(name, source, holder)


def parsed(source: str) -> tuple[str, list[str | int]] | None:
    """Root and steps of a reference; None for any other expression."""
    match = _REFERENCE.fullmatch(source.strip())
    if match is None or (match[1] in _LITERALS and not match[2]):
        return None
    steps: list[str | int] = []
    for step in _STEPS.finditer(match[2]):
        name, double, single, index = step.groups()
        steps.append(int(index) if index is not None else next(t for t in (name, double, single) if t is not None))
    return match[1], steps


def looked_up(root: str, steps: Steps, source: str) -> Varying:
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


def _missing(scope: Scope, root: str, steps: Steps, source: str) -> ExpressionError:
    missing = _first_missing(scope[root], steps)
    assert missing is not None, "every step is there"
    depth, holder = missing
    return undefined_field(shown(root, steps[: depth + 1]), source, holder)


def _first_missing(value: Any, steps: Steps) -> tuple[int, object] | None:
    """Which step leads nowhere, and from what."""
    for depth, step in enumerate(steps):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return depth, value
    return None


def shown(root: str, steps: Steps) -> str:
    text = root
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if _PATTERN_OF_A_NAME.fullmatch(step) else f'["{step}"]'
    return text
