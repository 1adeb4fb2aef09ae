"""Convert records, attempts and heads to rows and JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.state import Attempt, AttemptStatus, Binding, Head, Origin, Record, Standing

T = TypeVar("T")
D = TypeVar("D")

_ATTEMPT_FIELDS = tuple(sorted({*Attempt._fields} - {"shared"}))
_attempt_values = itemgetter(*map(Attempt._fields.index, _ATTEMPT_FIELDS))
ATTEMPT_COLUMNS = (*(name for name in _ATTEMPT_FIELDS if name not in ("status", "by")), "status", "by")
"""The columns of `attempts`; there, `by_id` stands for `by`."""

_RECORD_FIELDS = tuple(field.name for field in fields(Record))
_record_values = attrgetter(*_RECORD_FIELDS)
_OF_RECORDS = ("address", "fingerprint", "generation", "workflow_run_id", "delivery")


def _columns(names: Iterable[str]) -> str:
    """Columns of `records r`, `details d`, `actors a` and `request_ends e`, joined."""
    others = {"by": "a.value", "request": "d.request || coalesce(e.value, '')"}
    return ", ".join(others.get(name) or f"{'r' if name in _OF_RECORDS else 'd'}.{name}" for name in names)


SELECT_RECORDS = (
    f"SELECT {_columns(_RECORD_FIELDS)} FROM records r JOIN details d ON d.id = r.details_id "  # noqa: S608
    "JOIN actors a ON a.id = d.by_id LEFT JOIN request_ends e ON e.id = d.end_id"
)
"""For `record_from_row`."""

SELECT_UNCLAIMED = "SELECT workflow_run_id, created_at_ms, run_state, label FROM unclaimed"
"""For `unclaimed_from_row`."""

STANDING_COLUMNS = _columns(Standing._fields)
"""For `standing_from_row`."""


def head_from(values: Mapping[str, Any]) -> Head:
    """Make a head of the rows of `head`, whose values may have any type. Raises: `ValueError`."""
    match values:
        case {
            "lineage": str() as lineage,
            "serial": int() as serial,
            "project": str() as project,
            "environment": str() as environment,
            "server": str() as server,
            "redaction_key": bytes() as redaction_key,
        }:
            binding = Binding(project, environment, server, _optional(values, "shard", str, ""))
            return Head(
                lineage=lineage,
                serial=serial,
                binding=binding,
                watermark_ms=_optional(values, "watermark_ms", int, None),
                foreign_ms=_optional(values, "foreign_ms", int, None),
                redaction_key=redaction_key,
                nonce=_optional(values, "nonce", str, ""),
                runs_nonce=_optional(values, "runs_nonce", str, ""),
                held_back=_optional(values, "held_back", str, ""),
                moving=_optional(values, "moving", str, ""),
                written_at_ms=_optional(values, "written_at_ms", int, None),
            )
    raise ValueError("its head lacks a value, or has one of another type")


def _optional(values: Mapping[str, Any], name: str, kind: type[T], default: D) -> T | D:
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ValueError(f"its {name} is {value!r:.100}")
    return value


def attempt_to_plain(attempt: Attempt) -> dict[str, Any]:
    """The fields that `attempt_from` takes."""
    values = dict(zip(_ATTEMPT_FIELDS, _attempt_values(attempt), strict=True))
    values["status"] = attempt.status.value
    return values


def attempt_from(values: Mapping[str, Any]) -> Attempt:
    """Make an attempt of a JSON object. Raises: `TypeError`, `ValueError`, `KeyError`."""
    return Attempt(**(dict(values) | {"status": AttemptStatus(values["status"])}))


def attempt_from_row(row: tuple[Any, ...]) -> Attempt:
    """Make an attempt of a row with `ATTEMPT_COLUMNS`."""
    values = dict(zip(ATTEMPT_COLUMNS, row, strict=True))
    for name in ("explicit_id", "resend", "inconclusive"):
        values[name] = bool(values[name])
    return attempt_from(values)


def record_to_json(record: Record) -> str:
    """One line of JSON, sorted keys."""
    return _line(record_to_plain(record))


def record_to_plain(record: Record) -> dict[str, Any]:
    """The fields that `record_from` takes."""
    values = dict(zip(_RECORD_FIELDS, _record_values(record), strict=True))
    values["origin"] = record.origin.value
    values["run_state"] = record.run_state.value if record.run_state else None
    return values


def record_from(values: Mapping[str, Any]) -> Record:
    """Make a record of a JSON object. Raises: `TypeError`, `ValueError`, `KeyError`."""
    state = values["run_state"]
    return Record(
        **(dict(values) | {"origin": Origin(values["origin"]), "run_state": RunState(state) if state else None})
    )


def record_from_row(row: tuple[Any, ...]) -> Record:
    """Make a record of a row of `SELECT_RECORDS`."""
    values = dict(zip(_RECORD_FIELDS, row, strict=True))
    values["handled"] = bool(values["handled"])
    return record_from(values)


def standing_from_row(row: tuple[Any, ...]) -> Standing:
    """Make a standing of a row with `STANDING_COLUMNS`."""
    address, run_id, state, *others, handled = row
    return Standing._make((address, run_id, _run_state(state) if state else None, *others, bool(handled)))


def unclaimed_from_row(row: tuple[Any, ...]) -> ObservedRun:
    """Make a run of a row of `SELECT_UNCLAIMED`."""
    run_id, created_at_ms, state, labels = row
    return ObservedRun(
        workflow_run_id=run_id,
        created_at_ms=created_at_ms,
        state=RunState(state),
        labels=tuple(labels.split(",")) if labels else (),
    )


_run_state = cache(RunState)
_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
