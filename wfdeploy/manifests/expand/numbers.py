"""How a number is written where it becomes text: in a key, within a text, by a filter, a decimal of a data file.

One value has one spelling, whatever exported it: `1`, `1.0` and the decimal `1.00` are one key, so they are one run.
Integers are written in full digits, floats as RFC 8785 writes them, decimals in plain digits without trailing zeros.

Before, floats were written as Python writes them (`1.0`, `1e-05`) and decimals with all their digits (`1.00`, `0E-7`).
Records and ids of that time are found by making the text as it was made then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal

_EXACT = 2**53


class NumberFormat:
    """Writes numbers; with `former`, as it was done before.

    `respelled` turns true with the first number that is not written as before. Whoever wants to know resets it.
    """

    def __init__(self, *, former: bool = False) -> None:
        self.respelled = False
        self._former = former

    def text(self, value: float | Decimal) -> str:
        """An integer, a float or a decimal as text; a boolean as JSON writes it. Raises: `ValueError` for NaN and
        infinities."""
        if isinstance(value, int):
            return json.dumps(value)
        former = str(value) if isinstance(value, Decimal) else json.dumps(value)
        if self._former:
            return former
        text = _decimal(value) if isinstance(value, Decimal) else _float(value)
        if text != former:
            self.respelled = True
        return text

    def json(self, value: object, most: int) -> str:
        """A JSON value as text, its mappings in their own order.

        Raises: `ValueError` for NaN and infinities, and as soon as it has more than `most` characters.
        """
        pieces: list[str] = []
        left = most

        def add(text: str) -> None:
            nonlocal left
            left -= len(text)
            if left < 0:
                raise ValueError(f"the result is longer than {most:,} characters")
            pieces.append(text)

        def write(value: object) -> None:
            if isinstance(value, float):
                add(self.text(value))
            elif isinstance(value, Mapping):
                add("{")
                for number, (key, item) in enumerate(value.items()):
                    add(f",{_json(key)}:" if number else f"{_json(key)}:")
                    write(item)
                add("}")
            elif isinstance(value, list | tuple):
                add("[")
                for number, item in enumerate(value):
                    if number:
                        add(",")
                    write(item)
                add("]")
            else:
                add(_json(value))

        write(value)
        return "".join(pieces)


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that text can stand for")
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    text = repr(float(value))
    if "e" not in text and not text.endswith(".0"):
        return text  # as RFC 8785 has it: the shortest digits that give the same float
    import rfc8785

    return rfc8785.dumps(float(value)).decode()


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"{value} is no number that text can stand for")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
