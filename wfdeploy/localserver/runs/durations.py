"""Parse durations (`50s`, `1d10h30m`, `6m5.5s`, `250ms`) and the expressions of `Upstash-Retry-Delay`.

The expressions are a small arithmetic language, parsed with `ast` and interpreted, never evaluated as code. Source:
Upstash Workflow REST reference, "Trigger Workflow Run", `Upstash-Retry-Delay`. The documented examples use `+` and
`*`; `-` and `/` are accepted too.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache

DAY_MS = 86_400_000

_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 60e3,
    "h": 3600e3,
    "d": 86400e3,
}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h|d)")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


def parse_ms(text: str) -> int:
    """The milliseconds of a duration; a bare number means seconds, as the SDKs send timeouts.

    Raises: ValueError when `text` is not a duration.
    Source: Upstash Workflow REST reference, "Trigger Workflow Run", `Upstash-Delay`; the smaller units are those of the
    `Retry-After` family (QStash: retries).
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return round(float(text) * 1000)
    total, position = 0.0, 0
    for match in _PART.finditer(text):
        if match.start() != position:
            break
        total += float(match[1]) * _UNIT_MS[match[2]]
        position = match.end()
    if position != len(text) or not text:
        raise ValueError(f"invalid duration: {text!r}")
    return round(total)


MAX_LENGTH = 1000
"""Characters. Far beyond any delay that a person writes; also bounds the depth of the syntax tree."""

MAX_DEPTH = 50

# Numbers, names and signs, without anything else that Python would parse (strings, brackets, attributes, other number
# formats). Python's parser only sees text that matches, so it never warns either.
_TOKENS = re.compile(r"(?:\s|[-+*/(),]|(?<![\w.])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?![\w.])|(?<![\w.])[a-z]+(?![\w.]))*")

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "pow": (2, math.pow),  # floats only: no big-integer powers that eat the machine
    "exp": (1, math.exp),
    "sqrt": (1, math.sqrt),
    "abs": (1, abs),
    "floor": (1, math.floor),
    "ceil": (1, math.ceil),
    "round": (1, lambda value: math.floor(value + 0.5)),
    "min": (2, min),
    "max": (2, max),
}


class BadExpression(ValueError):
    """The text is not an expression of this language; the message names the part that is not."""


@lru_cache(maxsize=256)
def check_expression(text: str) -> ast.expr:
    """Parse `text` and check every node of it."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"retry delay expression is longer than {MAX_LENGTH} characters")
    if not _TOKENS.fullmatch(text):
        raise BadExpression(f"invalid retry delay expression: {text!r}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression(f"invalid retry delay expression: {text!r}") from error
    _check(tree, 0)
    return tree


def _check(node: ast.expr, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadExpression("retry delay expression is nested too deeply")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if abs(value) > 1e15:
                raise BadExpression("retry delay expression holds a number that is too large")
        case ast.Name(id="retried"):
            pass
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, depth + 1)
            _check(right, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            if len(args) != _FUNCTIONS[name][0]:
                raise BadExpression(f"{name} takes {_FUNCTIONS[name][0]} argument(s) in a retry delay expression")
            for arg in args:
                _check(arg, depth + 1)
        case _:
            raise BadExpression(f"not allowed in a retry delay expression: {ast.unparse(node)}")


def expression_ms(text: str, *, retried: int, ceiling_ms: int) -> int:
    """The delay before the next attempt, 0 to `ceiling_ms` milliseconds; `retried` is 0 for the first retry.

    A result that is not a number (division by zero, overflow) counts as the ceiling: the run must wait, not crash.
    """
    try:
        value = _value(check_expression(text), float(retried))
    except (ArithmeticError, ValueError):
        return ceiling_ms
    if math.isnan(value):
        return ceiling_ms
    return round(min(max(value, 0.0), float(ceiling_ms)))


def _value(node: ast.expr, retried: float) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name():
            return retried
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, retried), _value(right, retried))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, retried)
        case ast.UnaryOp(operand=operand):
            return _value(operand, retried)
        case ast.Call(func=ast.Name(id=name), args=args):
            return float(_FUNCTIONS[name][1](*(_value(arg, retried) for arg in args)))
        case _:  # pragma: no cover - check_expression() lets nothing else through
            raise BadExpression(ast.unparse(node))
