"""Structured bodies as bytes, in RFC 8785 form (JSON Canonicalization Scheme)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wfdeploy.model.request import Template

if TYPE_CHECKING:
    from wfdeploy.model.request import BodyValue

_LARGEST = 2**53 - 1

_sorted_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: BodyValue, secrets: Mapping[str, str]) -> str:
    """The RFC 8785 text of a structured body, its templates resolved first.

    Raises: `ValueError` for what RFC 8785 can't say (NaN, infinities, integers beyond 2^53 - 1, lone surrogates,
    keys that aren't text), `KeyError` with the name of a missing secret.
    """
    if _is_plain(value):
        return _sorted_json(value)
    import rfc8785

    return rfc8785.dumps(_resolved(value, secrets)).decode()


def _is_plain(value: object) -> bool:
    """Whether the standard library's sorted JSON of `value` is its RFC 8785 form.

    The two differ in the text of floats, and in the order of keys outside the Basic Multilingual Plane (RFC 8785
    sorts by UTF-16 code unit, Python by code point); they escape strings alike. Everything unusual says no.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_LARGEST <= value <= _LARGEST  # type: ignore[operator]
    if kind is dict:
        for key, inner in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not (key.isascii() or max(key) <= "\uffff") or not _is_plain(inner):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    return False


def _resolved(value: BodyValue, secrets: Mapping[str, str]) -> Any:
    """The value with secrets put in and only the containers that rfc8785 knows (`dict`, `list`)."""
    if isinstance(value, Template):
        return value.resolve(secrets)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, secrets) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_resolved(inner, secrets) for inner in value]
    return value
