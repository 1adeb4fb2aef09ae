"""Records, attempts and heads as rows and as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from wfdeploy.model.address import Address
from wfdeploy.model.remote import RunState
from wfdeploy.model.state import Attempt, AttemptStatus, Origin, Record

_ATTEMPT_FIELDS = tuple(sorted(field.name for field in fields(Attempt)))
_attempt_values = attrgetter(*_ATTEMPT_FIELDS)
ATTEMPT_COLUMNS = (*(name for name in _ATTEMPT_FIELDS if name not in ("status", "by")), "status", "by")
"""The columns of `attempts`; there, `by_id` stands for `by`."""

_RECORD_FIELDS = tuple(field.name for field in fields(Record))


def attempt_to_json(attempt: Attempt) -> str:
    """One line of JSON, sorted keys."""
    values = dict(zip(_ATTEMPT_FIELDS, _attempt_values(attempt), strict=True))
    values["status"] = attempt.status.value
    return _line(values)


def attempt_from(values: Mapping[str, Any]) -> Attempt:
    """The attempt of a JSON object. Raises: `TypeError`, `ValueError`, `KeyError` when it isn't one."""
    return Attempt(**(dict(values) | {"status": AttemptStatus(values["status"])}))


def attempt_from_row(row: tuple[Any, ...]) -> Attempt:
    """The attempt of a row of `attempts`, in the order of its columns, `by` resolved and at the end."""
    values = dict(zip(ATTEMPT_COLUMNS, row, strict=True))
    for name in ("explicit_id", "resend", "inconclusive"):
        values[name] = bool(values[name])
    return attempt_from(values)


def record_to_json(record: Record) -> str:
    """One line of JSON, sorted keys."""
    return _line(
        {name: getattr(record, name) for name in _RECORD_FIELDS}
        | {"origin": record.origin.value, "run_state": record.run_state.value if record.run_state else None}
    )


def record_from(values: Mapping[str, Any]) -> Record:
    """The record of a JSON object. Raises: `TypeError`, `ValueError`, `KeyError` when it isn't one."""
    state = values["run_state"]
    return Record(
        **(dict(values) | {"origin": Origin(values["origin"]), "run_state": RunState(state) if state else None})
    )


def record_from_row(row: tuple[Any, ...]) -> Record:
    """The record of a joined row: the columns of `records`, then those of `details` with `by` resolved."""
    (
        address,
        fingerprint,
        generation,
        run_id,
        delivery,
        origin,
        created,
        recorded,
        by,
        source,
        request,
        state,
        seen,
    ) = row
    return Record(
        address=Address(address),
        fingerprint=fingerprint,
        generation=generation,
        workflow_run_id=run_id,
        delivery=delivery,
        origin=Origin(origin),
        created_at_ms=created,
        recorded_at_ms=recorded,
        by=by,
        source=source,
        request=request,
        run_state=RunState(state) if state else None,
        observed_at_ms=seen,
    )


_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
