"""Numbers that JSON can't carry from one program to another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from wfdeploy.model.canonical import MAX_INTEGER
from wfdeploy.model.document import FieldPath
from wfdeploy.pipeline.validate.problem import Problem

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
