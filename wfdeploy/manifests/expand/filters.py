"""The filters and tests of expressions: few, strict, and bounded in what they give. The guide on large sets lists
them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined

from wfdeploy.manifests.expand.numbers import NumberFormat

MAX_ITEMS = 2**20
"""Items of a list that an expression may make."""

MAX_BITS = 1024
"""Of an integer that an expression computes with: about the range of floating point numbers."""


def kind_of(value: object) -> str:
    """What a value is, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "no data"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        _defined(value)
        raise TypeError(f"text is needed, not {kind_of(value)}")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _defined(value)
        raise TypeError(f"a number is needed, not {kind_of(value)}")
    return value


def _items(value: Any) -> Any:
    if not isinstance(value, str | list | Mapping):
        _defined(value)
        raise TypeError(f"text, a list or a mapping is needed, not {kind_of(value)}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        _defined(value)
        raise TypeError(f"a list is needed, not {kind_of(value)}")
    return value


def _defined(value: Any) -> Any:
    """Raises: `UndefinedError`, by looking at a value that isn't there."""
    return bool(value) if isinstance(value, Undefined) else value


def default(value: Any, other: Any) -> Any:
    """Another value for what is not defined or null."""
    return other if value is None or isinstance(value, Undefined) else value


def integer(value: Any) -> int:
    """A whole number, of a number without fraction or of its text."""
    if isinstance(value, str) and len(value) <= 64 and value.strip().lstrip("+-").isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    _defined(value)
    raise ValueError(f"{_shown(value)} is no whole number")


def real(value: Any) -> float:
    """A number, of a number or of its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        number = float(value) if isinstance(value, str) and len(value) <= 64 else math.nan
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    _defined(value)
    raise ValueError(f"{_shown(value)} is no number")


def boolean(value: Any) -> bool:
    """True or false, of the text `true` or `false` in any case."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("true", "false"):
        return word == "true"
    _defined(value)
    raise ValueError(f"{_shown(value)} is neither true nor false")


def split(value: Any, separator: Any) -> list[str]:
    """The parts of a text between separators."""
    if not _text(separator):
        raise ValueError("the separator is empty")
    if _text(value).count(separator) >= MAX_ITEMS:
        raise ValueError(f"the result has more than {MAX_ITEMS:,} items")
    return _text(value).split(separator)


def fromjson(value: Any) -> Any:
    """The value that a JSON text holds."""
    found = json.loads(_text(value), parse_constant=_no_number)
    json.dumps(found, ensure_ascii=False).encode()  # raises for half of a surrogate pair, which is no text
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _item(value: Any, index: int) -> Any:
    items = _list(value)
    if not items:
        raise ValueError(f"the list is empty; '[{index}] | default(other)' gives something else then")
    return items[index]


def _round(value: Any, digits: Any = 0) -> int | float:
    number = _number(value)
    return round(number, _places(digits)) if digits else round(number)


def _places(digits: Any) -> int:
    if not isinstance(digits, int) or not 0 <= digits <= 15:
        raise ValueError("round takes 0 to 15 digits")
    return digits


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool) else kind_of(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def too_long(most: int) -> ValueError:
    """For a text that would be longer than it may be."""
    return ValueError(f"the result is longer than {most:,} characters")


def writing(numbers: NumberFormat, most: int) -> dict[str, Callable[..., Any]]:
    """The filters that make text of numbers, or a text longer than the ones they are given: `most` characters."""

    def replace(value: Any, old: Any, new: Any) -> str:
        """Each occurrence of one text by another."""
        text, old, new = _text(value), _text(old), _text(new)
        if not old:
            raise ValueError("the text to replace is empty")
        if len(text) + text.count(old) * max(len(new) - len(old), 0) > most:
            raise too_long(most)
        return text.replace(old, new)

    def string(value: Any) -> str:
        """A scalar as text."""
        if isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return numbers.text(value)
        _defined(value)
        raise TypeError(f"{kind_of(value)} can't be put into text; there is the filter tojson")

    def join(value: Any, separator: Any = "") -> str:
        """The items of a list as one text."""
        parts: list[str] = []
        size = 0
        for item in _list(value):
            parts.append(string(item))
            size += len(parts[-1]) + len(_text(separator))
            if size > most + len(separator):
                raise too_long(most)
        return str(separator).join(parts)

    def tojson(value: Any) -> str:
        """A value as JSON text."""
        _defined(value)
        return numbers.json(value, most)

    def urlencode(value: Any) -> str:
        """A text, made part of a URL."""
        text = quote(string(value), safe="")  # nine times as long at most
        if len(text) > most:
            raise too_long(most)
        return text

    return {
        "replace": replace,
        "string": string,
        "join": join,
        "urlencode": urlencode,
        "sha256": lambda value: sha256(string(value).encode()).hexdigest(),
        "tojson": tojson,
    }


_WRITING = writing(NumberFormat(), 0)

FILTERS: dict[str, Callable[..., Any]] = {
    "default": default,
    "string": _WRITING["string"],
    "int": integer,
    "float": real,
    "bool": boolean,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "trim": lambda value: _text(value).strip(),
    "replace": _WRITING["replace"],
    "split": split,
    "join": _WRITING["join"],
    "first": lambda value: _item(value, 0),
    "last": lambda value: _item(value, -1),
    "length": lambda value: len(_items(value)),
    "abs": lambda value: abs(_number(value)),
    "round": _round,
    "urlencode": _WRITING["urlencode"],
    "sha256": _WRITING["sha256"],
    "tojson": _WRITING["tojson"],
    "fromjson": fromjson,
}

TESTS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "none": lambda value: _defined(value) is None,
    "string": lambda value: isinstance(_defined(value), str),
    "number": lambda value: isinstance(_defined(value), int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(_defined(value), bool),
    "mapping": lambda value: isinstance(_defined(value), Mapping),
    "list": lambda value: isinstance(_defined(value), list),
}
