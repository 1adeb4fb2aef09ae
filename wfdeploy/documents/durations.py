"""Durations and times of manifests into whole seconds. Their form is the schema's business; their sense is ours."""

from __future__ import annotations

import math
import re
from datetime import datetime

_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_UNITS_S = (86400, 3600, 60, 1)


def seconds(value: object) -> int:
    """Seconds of `30s`, `1d10h30m` or a number of seconds; fractions are rounded up.

    Raises: `ValueError` when it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.ceil(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not value:
        raise ValueError(f"not a duration: {value!r}")
    return sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS_S, strict=True) if count)


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
