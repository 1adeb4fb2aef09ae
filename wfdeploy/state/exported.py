"""Check the lines of a state export: a wrong value would otherwise be found only where it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutProgress
from wfdeploy.model.notification import NotificationKind
from wfdeploy.model.observed import RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Attempt, Ended, Record

LONGEST_LINE = 256 * 1024 * 1024

_Test: TypeAlias = Callable[[object], bool]

_MOST = 2**63
"""SQLite's integers have 64 bits."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair, which JSON's escapes can hold, and no UTF-8."""


_HEAD = {
    "kind": str,
    "format_version": int,
    "lineage": str,
    "serial": int,
    "project": str,
    "environment": str,
    "server": str,
    "watermark_ms": int | None,
    "foreign_ms": int | None,
    "redaction_key": str,
    "shard": str,
    "shared": bool,  # of format 1
}

_KINDS: Mapping[str, type | Mapping[str, Any]] = {
    "record": Record,
    "attempt": Attempt,
    "history": {"ended": Ended, "ended_at_ms": int, "record": dict},
    "burned": {"address": str, "fingerprint": str, "generation": int},
    "unclaimed": {
        "workflow_run_id": str,
        "created_at_ms": int,
        "run_state": RunState,
        "labels": list[str],
        "dismissed_for": str,
    },
    "group": {"name": str, "on_remove": OnRemove},
    "schedule": {"name": str, "decided": int},
    "rollout": RolloutProgress,
    "member": {"group": str, "address": str, "fingerprint": str},
    "notification": {
        "id": str,
        "about": NotificationKind,
        "group": str,
        "facts": str,
        "raised_at_ms": int,
        "webhooks": list[str],
    },
    "notified": {"about": NotificationKind, "mark": str},
}
"""By kind of line: the types of its fields, or a class that has them."""


def rows_of(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the JSON objects of an export, with their line numbers. Raises: `StateUnusable`."""
    number = 0
    try:
        for number, line in enumerate(lines, start=1):
            if len(line) > LONGEST_LINE:
                raise StateUnusable(f"line {number}: longer than {LONGEST_LINE // (1024 * 1024)} MiB")
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise StateUnusable(f"line {number}: not a JSON object")
            yield number, row
    except UnicodeDecodeError as error:
        raise StateUnusable(f"line {number + 1} or one after it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise StateUnusable(f"line {number}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, endless nesting
        raise StateUnusable(f"line {number}: JSON that no export holds: {error}") from error


def check_head(values: Mapping[str, Any]) -> None:
    """Require a head's fields, in snake case. Raises: `ValueError`."""
    _check("head", values)


def check_row(kind: object, values: Mapping[str, Any]) -> None:
    """Require the fields, in snake case, of a line of this kind. Raises: `ValueError`."""
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"unknown kind {kind!r:.100}")
    _check(kind, values)


def _check(kind: str, values: Mapping[str, Any]) -> None:
    tests = _tests(kind)
    for name, value in values.items():
        if name not in tests:
            raise ValueError(f"unknown field {name!r:.100}")
        if not tests[name](value):
            raise ValueError(f"{name} can't be {value!r:.100}")
        if name == "address" and "/" not in value:
            raise ValueError(f"{value!r:.100} is not an address")
    for name in ("by", "request", "facts"):
        if name in tests and values.get(name) and not _is_json_object(values[name]):
            raise ValueError(f"{name} is not a JSON object in text")


@cache
def _tests(kind: str) -> Mapping[str, _Test]:
    """By field of a kind of line: the test of its values."""
    fields: Any = _HEAD if kind == "head" else _KINDS[kind]
    if isinstance(fields, type):
        # Some of the models import these for type checkers alone.
        fields = get_type_hints(fields, localns={"Address": Address, "RunState": RunState})
    return {name: _test_of(wanted) for name, wanted in fields.items()}


def _test_of(wanted: Any) -> _Test:
    if get_origin(wanted) in (Union, UnionType):
        tests = [_test_of(one) for one in get_args(wanted)]
        return lambda value: any(test(value) for test in tests)
    if get_origin(wanted) is list:
        test = _test_of(get_args(wanted)[0])
        return lambda value: isinstance(value, list) and all(map(test, value))
    if wanted is dict:
        return lambda value: isinstance(value, dict)
    if wanted is NoneType:
        return lambda value: value is None
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        words = frozenset(member.value for member in wanted)
        return lambda value: isinstance(value, str) and value in words
    if wanted is int:
        return lambda value: type(value) is int and -_MOST <= value < _MOST
    if wanted is bool:
        return lambda value: type(value) is bool
    return _is_text  # an address too


def _is_text(value: object) -> bool:
    return type(value) is str and (value.isascii() or not _LONE_SURROGATE.search(value))


@lru_cache(maxsize=16)  # who triggered them, thousands of runs have in common
def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
