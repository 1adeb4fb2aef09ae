"""Header names and values, as RFC 9110 (section 5) has them."""

from __future__ import annotations

import re

from wfdeploy.model.request import SecretText, Text
from wfdeploy.pipeline.validate.problem import Problem

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e]")

# What belongs to a single connection or message, and would break the next one when it is forwarded (RFC 9110, 7.6.1).
_OF_THE_MESSAGE = frozenset(
    ("connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
_RESERVED_PREFIX = "upstash-"


def name_problem(name: str) -> Problem | None:
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


def value_problem(name: str, value: Text) -> Problem | None:
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


def is_token(name: str) -> bool:
    """Whether a text could be a header's name."""
    return _TOKEN.fullmatch(name) is not None
