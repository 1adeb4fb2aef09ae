"""What the ledger keeps, as values: a run, a message, and when a message is due."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from wfdeploy.localserver.store.settings import Settings


class RunState(StrEnum):
    """As the logs say it. `STARTED` holds from acceptance on, also while a run is delayed, sleeping or waiting."""

    STARTED = "RUN_STARTED"
    SUCCESS = "RUN_SUCCESS"
    FAILED = "RUN_FAILED"
    CANCELED = "RUN_CANCELED"


class Kind(StrEnum):
    """What a message is for."""

    INIT = "init"
    """The first delivery: the payload alone."""
    STEP = "step"
    """A step's record, and the delivery that follows it."""
    CALL = "call"
    """A request to a third party."""
    CALL_RESULT = "callResult"
    """Its answer, on the way back to the workflow."""
    FAILURE = "failure"
    """The failure callback of a failed run."""
    WAIT = "wait"
    """A step that waits for an event; due at its deadline, and sent nowhere."""
    INVOKE = "invoke"
    """A step that waits for the end of another run; sent nowhere."""
    PLAIN = "plain"
    """A message outside any run."""


RECORDED = (Kind.INIT, Kind.STEP, Kind.CALL, Kind.CALL_RESULT)
"""The kinds that make up the step list of a run."""

INHERITING = (Kind.INIT, Kind.STEP, Kind.CALL_RESULT)
"""The kinds that are delivered under the flow-control key of their run, where they have none of their own."""

OUTGOING = (*INHERITING, Kind.CALL, Kind.PLAIN)
"""The kinds that have what their own submission says."""


@dataclass(frozen=True, slots=True)
class Run:
    seq: int
    tenant: str
    run_id: str
    url: str
    state: RunState
    created_at: int
    starts_at: int
    completed_at: int | None
    caller_ip: str
    labels: tuple[str, ...]
    flow_key: str | None
    payload: bytes
    settings: Settings
    response: str | None
    failure: dict[str, Any] | None
    invoker: dict[str, Any] | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(
            seq=row["seq"],
            tenant=row["tenant"],
            run_id=row["run_id"],
            url=row["url"],
            state=RunState(row["state"]),
            created_at=row["created_at"],
            starts_at=row["starts_at"],
            completed_at=row["completed_at"],
            caller_ip=row["caller_ip"],
            labels=tuple(row["labels"].split(",")) if row["labels"] else (),
            flow_key=row["flow_key"],
            payload=row["payload"],
            settings=Settings.from_json(row["settings"]),
            response=row["response"],
            failure=json.loads(row["failure"]) if row["failure"] else None,
            invoker=json.loads(row["invoker"]) if row["invoker"] else None,
        )


@dataclass(frozen=True, slots=True)
class Message:
    seq: int
    tenant: str
    run_seq: int | None
    message_id: str
    kind: Kind
    state: str
    url: str
    body: bytes
    settings: Settings
    step_key: str | None
    event_id: str | None
    flow_key: str | None
    created_at: int
    due_at: int
    retried: int
    errors: list[dict[str, Any]]

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(
            seq=row["seq"],
            tenant=row["tenant"],
            run_seq=row["run_seq"],
            message_id=row["message_id"],
            kind=Kind(row["kind"]),
            state=row["state"],
            url=row["url"],
            body=row["body"],
            settings=Settings.from_json(row["settings"]),
            step_key=row["step_key"],
            event_id=row["event_id"],
            flow_key=row["flow_key"],
            created_at=row["created_at"],
            due_at=row["due_at"],
            retried=row["retried"],
            errors=json.loads(row["errors"]),
        )


class Recorded(NamedTuple):
    """One entry of a run's step list, as far as a delivery tells it."""

    message_id: str
    kind: Kind
    body: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A message to deliver at a time; orders by time, then by acceptance."""

    at_ms: int
    seq: int
    tenant: str
    flow_key: str | None
    """Under which flow-control key it is delivered."""
