"""What a scalar means: the YAML 1.2 core schema, and durations and times of manifests."""

from __future__ import annotations

import math
import re
from datetime import datetime

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


_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile("".join(rf"(?:([0-9]+)(?:\.([0-9]{{1,3}}))?{unit})?" for unit in _UNITS_MS))


def microseconds(text: str) -> int:
    """The microseconds of `30s`, `1d10h30m`, `1.5s` or `300ms`. The schema checks the form.

    Raises: `ValueError` when it is no duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"not a duration: {text!r}")
    found = zip(_UNITS_MS.values(), match.groups()[::2], match.groups()[1::2], strict=True)
    return sum(unit * (int(whole) * 1000 + int(f"{part or 0:0<3}")) for unit, whole, part in found if whole)


def seconds(value: object) -> int:
    """The seconds of a duration, or of a number of seconds; fractions are rounded up.

    Raises: `ValueError` when it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.ceil(value)
    if not isinstance(value, str):
        raise ValueError(f"not a duration: {value!r}")
    return -(-microseconds(value) // 1_000_000)


def nearest_seconds(value: object) -> tuple[str, ...]:
    """The durations of whole seconds nearest to one that isn't one of them; none for any other value."""
    rest = microseconds(value) % 1_000_000 if isinstance(value, str) else 0
    above = seconds(value) if rest else 0
    return tuple(f"{whole}s" for whole in (above - 1, above) if whole > 0)


def unix_seconds(value: object) -> int:
    """Unix seconds of an RFC 3339 timestamp with a zone, or of a number; fractions are rounded up, never too early.

    Raises: `ValueError` when it isn't a time.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.ceil(value)
    # fromisoformat reads a fraction of 3 or 6 digits only in older versions, and no lower-case letters.
    text = re.sub(r"\.([0-9]{1,9})", lambda match: f".{match[1]:0<6.6}", str(value).upper())
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"not a time: {error}") from error
    if when.tzinfo is None:
        raise ValueError("the time has no zone")
    if when.timestamp() < 0:
        raise ValueError("the time is before 1970")
    return math.ceil(when.timestamp())
