"""Field by field: what differs between the request that was recorded and the one that is declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wfdeploy.model.plan import ABSENT, FieldChange


def compare_fields(recorded: str, declared: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The differing fields, in path order. `recorded` is a record's request (JSON; empty: not known)."""
    return compare("", json.loads(recorded), declared) if recorded else ()


def compare(path: str, old: object, new: object) -> tuple[FieldChange, ...]:
    """The differing fields of what stands at a path, in path order."""
    found: list[FieldChange] = []
    _compare(path, old, new, found)
    return tuple(found)


def _compare(path: str, old: object, new: object, found: list[FieldChange]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            before, after = old.get(key, ABSENT), new.get(key, ABSENT)
            if before is not after:
                _compare(f"{path}.{key}" if path else key, before, after, found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            _compare(f"{path}[{index}]", before, after, found)
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        found.append(FieldChange(path, old, new))
