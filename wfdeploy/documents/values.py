"""Rules for single values: header names and values, retry delays, numbers, workflow run ids."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wfdeploy.documents.messages import did_you_mean
from wfdeploy.model.canonical import MAX_INTEGER
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import SecretText, Text
from wfdeploy.model.workflow_id import id_key, parse_run_id


class Problem(NamedTuple):
    """A value that won't do: why, and what to do. Where it stands is known to the caller."""

    code: str
    message: str
    hint: str | None = None


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e]")

# What belongs to a single connection or message, and would break the next one when it is forwarded (RFC 9110, 7.6.1).
_OF_THE_MESSAGE = frozenset(
    ("connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
_RESERVED_PREFIX = "upstash-"


def header_name_problem(name: str) -> Problem | None:
    """Why a header can't be forwarded under this name; None when it can."""
    if _TOKEN.fullmatch(name) is None:
        return Problem("bad-header-name", f"{name!r} is not a header name", "letters, digits and hyphens, no spaces")
    lower = name.lower()
    if lower == "content-type":
        return Problem("reserved-header", f"the header {name} is set by contentType", "use the field contentType")
    if lower.startswith(_RESERVED_PREFIX):
        hint = "retries, delay, labels and the like are fields of the run"
        return Problem("reserved-header", f"the header {name} is reserved for the service", hint)
    if lower in _OF_THE_MESSAGE:
        return Problem("reserved-header", f"the header {name} is set by HTTP itself", "remove it")
    return None


def header_value_problem(name: str, value: Text) -> Problem | None:
    """Why a header can't have this value; None when it can. Of a secret's value nothing is known here."""
    parts = value.parts if isinstance(value, SecretText) else (value,)
    for part in parts:
        bad = _NOT_IN_A_VALUE.search(part) if isinstance(part, str) else None
        if bad is not None:
            what = "a line break" if bad[0] in "\r\n" else f"the character U+{ord(bad[0]):04X}"
            hint = "end a block scalar with '|-' or '>-'" if bad[0] in "\r\n" else "encode what is not plain ASCII"
            return Problem("bad-header-value", f"the header {name} holds {what}", hint)
    first, last = parts[0] if parts else "", parts[-1] if parts else ""
    if (isinstance(first, str) and first[:1] in (" ", "\t")) or (isinstance(last, str) and last[-1:] in (" ", "\t")):
        message = f"the header {name} begins or ends with white space, which HTTP drops"
        return Problem("bad-header-value", message, "remove it")
    return None


def is_header_name(name: str) -> bool:
    """Whether a text could be a header's name."""
    return _TOKEN.fullmatch(name) is not None


FUNCTIONS = {"pow": 2, "exp": 1, "sqrt": 1, "abs": 1, "floor": 1, "ceil": 1, "round": 1, "min": 2, "max": 2}
"""Names and how many arguments they take."""

MAX_LENGTH = 500
MAX_DEPTH = 50
_TERM = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)(?![0-9A-Za-z_.])|([A-Za-z_][A-Za-z0-9_]*)|([-+*/(),]))")
_EXAMPLE = "for example 'pow(2, retried) * 1000'"


def retry_delay_problem(text: str) -> Problem | None:
    """Why a text is no retry delay; None when it is one."""
    if len(text) > MAX_LENGTH:
        return _problem(f"is longer than {MAX_LENGTH} characters")
    # Python's own grammar would let more through (`1_000`, `0x10`, `2 ** 9`), so tokens are looked at first.
    position, previous = 0, ""
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
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


_HINT = "write it as text, in quotes, or give the whole body as bodyText"


def number_problems(value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Problem]]:
    """Every such number in a value, with its path.

    Source: RFC 8259, section 6 (integers), RFC 8785, section 3.2.2.3 (NaN and infinities).
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from number_problems(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from number_problems(item, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, Problem("not-a-json-number", f"JSON has no number {value}", _HINT)
    elif isinstance(value, int) and not isinstance(value, bool) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        shown = str(value) if value.bit_length() < 200 else "this integer"
        yield path, Problem("not-a-json-number", f"{shown} is beyond 2^53 - 1 and would change on its way", _HINT)


class OwnIds:
    """The ids that were given so far, each with the address that has it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def problems(self, text: str, address: str) -> Iterator[Problem]:
        """What is wrong with the id of a run."""
        owner = self._owners.setdefault(id_key(text), address)
        if owner != address:
            message = f"the workflow run id {text} is that of {owner if owner.isprintable() else repr(owner)} already"
            yield Problem("duplicate-run-id", message, "ids are unique")
        if parse_run_id(text) is not None:
            message = f"the workflow run id {text} has the form of those that wfdeploy derives"
            yield Problem("derived-run-id", message, "leave workflowRunId out, or choose an id of another form")
