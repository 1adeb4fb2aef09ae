"""`matrix`: every combination of the values of its axes, as GitHub Actions makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

MAX_COMBINATIONS = 100_000
"""They are held at once."""

MAX_COMPARISONS = 20_000_000
"""Of combinations with entries of `include` and `exclude`: some ten seconds."""


def combinations(
    axes: Mapping[str, Sequence[Any]], include: Sequence[Mapping[str, Any]], exclude: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The combinations of a matrix, in order: the last axis turns fastest.

    One that agrees with all fields of an entry of `exclude` is left out. An entry of `include` is added to each
    combination in which it changes no axis, over what earlier entries added; one that fits none is a combination of
    its own.

    Raises: `ValueError` when there are too many.
    Source: GitHub Actions, "Workflow syntax", `strategy.matrix.include` and `.exclude`.
    """
    count = prod(len(values) for values in axes.values()) if axes else 0
    if count > MAX_COMBINATIONS:
        raise ValueError(f"the matrix has {count:,} combinations; at most {MAX_COMBINATIONS:,} are possible")
    if count * (len(include) + len(exclude)) > MAX_COMPARISONS:
        raise ValueError(f"{count:,} combinations are too many for this many entries of include and exclude")
    excluded = [{name: _key(value) for name, value in entry.items()} for entry in exclude]
    included = [({name: _key(entry[name]) for name in entry if name in axes}, entry) for entry in include]
    fitting = [False] * len(included)
    made = []
    for values in product(*axes.values()) if axes else ():
        combination = dict(zip(axes, values, strict=True))
        keys = {name: _key(value) for name, value in combination.items()}
        if any(entry.items() <= keys.items() for entry in excluded):
            continue
        for number, (own, entry) in enumerate(included):
            if own.items() <= keys.items():
                fitting[number] = True
                combination.update(entry)
        made.append(combination)
    return made + [dict(entry) for (_, entry), fits in zip(included, fitting, strict=True) if not fits]


def _key(value: Any) -> str:
    """Equal JSON values, equal texts: to Python, 1 and true are equal too. Secrets are compared by reference."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # the same value in an address, too
    return json.dumps(value, sort_keys=True, default=repr)
