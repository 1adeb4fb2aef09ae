"""What a scalar means: the YAML 1.2 core schema.

Source: YAML 1.2.2, section 10.3.2 "Tag Resolution". It differs from YAML 1.1 (and PyYAML) in what surprises people:
`no`, `on`, `12:30` and `2026-01-01` are text, `012` is twelve, `0o17` is octal.
"""

from __future__ import annotations

import math
import re

SUSPECTS = frozenset("0123456789+-.~nNtTfF")
"""First characters of plain scalars that may be anything else than text."""

KEYWORDS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
    ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf,
    "+.inf": math.inf, "+.Inf": math.inf, "+.INF": math.inf,
    "-.inf": -math.inf, "-.Inf": -math.inf, "-.INF": -math.inf,
}  # fmt: skip

LETTERS = frozenset("nNtTfF")
"""Suspects that begin no number."""

_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+|(0o[0-7]+)|(0x[0-9a-fA-F]+)|((?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?))"
)
_SIGNED_BASE = re.compile(r"[-+]0[ox]")
"""The core schema gives only decimal integers a sign."""

MAX_SAFE_INTEGER = 2**53 - 1
"""Beyond it, integers change when read as IEEE 754 doubles, as JSON readers do (RFC 8259, section 6)."""

MAX_DIGITS = 500
"""Of an integer. Python refuses to print much longer ones (from 640 digits on, as it may be set up), and no message
should fail over them."""

_HELD = 10_000
_SHORT = 100
"""Characters of a scalar whose value is kept for the next one."""

TAG_PREFIX = "tag:yaml.org,2002:"
_CORE_TAGS = ("str", "int", "float", "bool", "null")


def plain(text: str) -> object:
    """The value of a plain (unquoted, untagged) scalar.

    Raises: `ValueError` for an integer that is too long to be one.
    """
    if text in KEYWORDS:
        return KEYWORDS[text]
    if text[0] in LETTERS:
        return text
    match = _NUMBER.fullmatch(text)
    if match is None or _SIGNED_BASE.match(text):
        return text
    octal, hexadecimal, real = match.groups()
    if not real and len(text) > MAX_DIGITS:
        raise ValueError("an integer of this many digits can't be read; quote it to make it text")
    if octal:
        return int(text, 8)
    if hexadecimal:
        return int(text, 16)
    if real:
        return float(text)
    return int(text)


class _PlainValues(dict[str, object]):
    def __missing__(self, text: str) -> object:
        value = plain(text)
        if len(text) <= _SHORT and len(self) < _HELD:
            self[text] = value
        return value


PLAIN = _PlainValues()
"""The values of plain scalars, many of them worked out once, whatever the file. Raises: as `plain`."""


def is_extreme(value: object) -> bool:
    """True for numbers that JSON can't carry safely."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER


def tagged(tag: str, text: str) -> object:
    """The value of a scalar with an explicit tag. `!` and `!!str` make text of anything.

    Raises: `ValueError`, saying why, when the tag isn't one of the core schema or doesn't fit the text.
    """
    name = tag.removeprefix(TAG_PREFIX)
    if tag == "!" or (name == "str" and name != tag):
        return text
    if name == tag or name not in _CORE_TAGS:
        shown = f"!!{name}" if name != tag else tag
        raise ValueError(f"the tag {shown} is not known")
    value = plain(text)
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    if not fits[name]:
        raise ValueError(f"{text!r} is not a value for the tag !!{name}")
    return float(value) if name == "float" and isinstance(value, int) else value
