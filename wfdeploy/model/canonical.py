"""Canonical JSON (RFC 8785, "JSON Canonicalization Scheme"): one value, one sequence of bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_INTEGER = 2**53 - 1
"""Integers beyond this have no exact form in RFC 8785 (section 3.2.2.3, which rests on IEEE 754 doubles)."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def canonical_json(value: object) -> bytes:
    """The RFC 8785 form of a JSON value (dicts with text keys, lists, tuples, text, numbers, bools, None).

    Raises: `ValueError` for what JSON can't say exactly: NaN, infinities, integers beyond 2^53 - 1, text with lone
    surrogates, keys that aren't text.
    """
    if _is_simple(value):
        # The C encoder gives the same bytes wherever no float is involved and keys sort alike by code point and by
        # UTF-16 unit; it is an order of magnitude faster, and this runs once per declared run.
        return _encode(value).encode()
    import rfc8785

    try:
        return rfc8785.dumps(_plain(value))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def _is_simple(value: object) -> bool:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -MAX_INTEGER <= value <= MAX_INTEGER  # type: ignore[operator]
    if isinstance(value, Mapping):
        # Below U+D800 the order of code points is the order of UTF-16 units.
        return all(type(key) is str and (key.isascii() or max(key) < "\ud800") for key in value) and all(
            map(_is_simple, value.values())
        )
    if isinstance(value, (list, tuple)):
        return all(map(_is_simple, value))
    return False


def _plain(value: object) -> Any:
    """Dicts and lists only, which is all that rfc8785 takes."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a JSON object's keys are text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
