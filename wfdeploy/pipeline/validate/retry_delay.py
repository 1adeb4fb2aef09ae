"""`retryDelay`: arithmetic that gives milliseconds. Read with `ast`, never evaluated.

Source: Upstash Workflow REST reference, `Upstash-Retry-Delay`.
"""

from __future__ import annotations

import ast
import re

from wfdeploy.pipeline.validate.problem import Problem
from wfdeploy.pipeline.validate.words import did_you_mean

FUNCTIONS = {"pow": 2, "exp": 1, "sqrt": 1, "abs": 1, "floor": 1, "ceil": 1, "round": 1, "min": 2, "max": 2}
"""Names and how many arguments they take."""

MAX_LENGTH = 500
MAX_DEPTH = 50
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)(?![0-9A-Za-z_.])|([A-Za-z_][A-Za-z0-9_]*)|([-+*/(),]))")
_EXAMPLE = "for example 'pow(2, retried) * 1000'"


def retry_delay_problem(text: str) -> Problem | None:
    """Why a text is no retry delay; None when it is one."""
    if len(text) > MAX_LENGTH:
        return _problem(f"is longer than {MAX_LENGTH} characters")
    # Python's own grammar would let more through (`1_000`, `0x10`, `2 ** 9`), so tokens are looked at first.
    position, previous = 0, ""
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            return _problem(f"can't be read from {text[position:].strip()[:20]!r} on", _EXAMPLE)
        if match[3] in ("*", "/") and previous == match[3]:
            return _problem(f"holds {match[3] * 2}", "write pow(x, y)" if match[3] == "*" else "write floor(x / y)")
        position, previous = match.end(), match[3] or ""
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _problem("is not a complete expression", _EXAMPLE)
    return _node_problem(tree)


def _node_problem(node: ast.expr, depth: int = 0) -> Problem | None:
    if depth > MAX_DEPTH:
        return _problem("is nested too deeply")
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            return None
        case ast.Name(id="retried"):
            return None
        case ast.Name(id=name):
            hint = did_you_mean(name, ("retried", *FUNCTIONS)) or "the only variable is retried"
            return _problem(f"uses {name!r}, which is not known", hint)
        case ast.BinOp(left=left, right=right):
            return _node_problem(left, depth + 1) or _node_problem(right, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _node_problem(operand, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in FUNCTIONS:
                hint = did_you_mean(name, FUNCTIONS) or f"known are {', '.join(FUNCTIONS)}"
                return _problem(f"uses {name}(), which is not known", hint)
            if len(args) != FUNCTIONS[name]:
                count = FUNCTIONS[name]
                return _problem(f"gives {name}() {len(args)} arguments; it takes {count}", _EXAMPLE)
            return next(filter(None, (_node_problem(arg, depth + 1) for arg in args)), None)
        case _:
            return _problem("is not plain arithmetic", _EXAMPLE)


def _problem(message: str, hint: str | None = None) -> Problem:
    return Problem("bad-retry-delay", f"retryDelay {message}", hint)
