"""Canonical JSON (RFC 8785, "JSON Canonicalization Scheme"): one value, one sequence of bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

MAX_INTEGER = 2**53 - 1
"""Integers beyond this have no exact form in RFC 8785 (section 3.2.2.3, which rests on IEEE 754 doubles)."""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
# `JSONEncoder.encode` makes the encoder of the C module anew for each value, which is more than half of its time.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_in_c = _make and _make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)


def even_json(value: object) -> bytes:
    """`simple_json` of a value of an even document (`Document.is_even`), which needs no look at it. Raises:
    `ValueError` for text with lone surrogates."""
    return "".join(_in_c(value, 0)).encode() if _in_c else _encoder.encode(value).encode()


_BETWEEN = "\0"
_CUT = ',"\\u0000",'


def even_texts(values: Sequence[object]) -> list[str]:
    """`even_json` of each, as text. Lone surrogates are for whoever encodes it to find, or raise `ValueError` here."""
    if _in_c:
        # One call for all: a value of our own between every two shows where one ends. Where such a value stands among
        # theirs there are more pieces; nothing makes them fewer, as no comma of theirs stands at either end.
        spread: list[object] = [_BETWEEN] * (2 * len(values) - 1)
        spread[::2] = values
        pieces = "".join(_in_c(spread, 0))[1:-1].split(_CUT)
        if len(pieces) == len(values):
            return pieces
    return [even_json(value).decode() for value in values]


_TEXT = frozenset((str,))
_ATOMS = frozenset((str, bool, type(None)))


def canonical_json(value: object) -> bytes:
    """The RFC 8785 form of a JSON value (dicts with text keys, lists, tuples, text, numbers, bools, None).

    Raises: `ValueError` for what JSON can't say exactly: NaN, infinities, integers beyond 2^53 - 1, text with lone
    surrogates, keys that aren't text.
    """
    simple = simple_json(value)
    if simple is not None:
        return simple
    import rfc8785

    try:
        return rfc8785.dumps(_plain(value))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def simple_json(value: object) -> bytes | None:
    """The RFC 8785 form of a value that the standard library's encoder writes alike; None for any other.

    It does so wherever no float is involved and keys sort alike by code point and by UTF-16 unit. It is an order of
    magnitude faster, and this runs once per declared run. Raises: `ValueError` for text with lone surrogates.
    """
    if type(value) is str:
        return json.encoder.encode_basestring(value).encode()
    return even_json(value) if is_simple(value) else None


def is_simple(value: object) -> bool:
    """Whether `simple_json` has a form of it."""
    # Whole containers are looked at in C where they can be: most hold nothing but text under plain names.
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is int:
        return -MAX_INTEGER <= cast("int", value) <= MAX_INTEGER
    if isinstance(value, dict):
        if not _TEXT.issuperset(map(type, value)):
            return False
        # Below U+D800 the order of code points is the order of UTF-16 units.
        if not all(map(str.isascii, value)) and max(map(max, filter(None, value))) >= "\ud800":
            return False
        items: Collection[object] = value.values()
    elif kind is list or kind is tuple:
        items = cast("Sequence[object]", value)
    else:
        return False
    for item in items:  # a plain loop: this is most of what the encoding of a small body takes
        kind = type(item)
        if kind in _ATOMS:
            continue
        if kind is int:
            if not -MAX_INTEGER <= cast("int", item) <= MAX_INTEGER:
                return False
        elif not is_simple(item):
            return False
    return True


def _plain(value: object) -> Any:
    """Dicts and lists only, which is all that rfc8785 takes."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a JSON object's keys are text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
