"""Field by field: what differs between the request that was recorded and the one that is declared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wfdeploy.model.plan import ABSENT, FieldChange


def compare_fields(recorded: str, declared: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The differing fields, in path order. `recorded` is a record's request (JSON; empty: not known)."""
    if not recorded:
        return ()
    return tuple(_compare("", json.loads(recorded), declared))


def _compare(path: str, old: object, new: object) -> Iterator[FieldChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            below = f"{path}.{key}" if path else key
            yield from _compare(below, old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _compare(f"{path}[{index}]", before, after)
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield FieldChange(path, old, new)
