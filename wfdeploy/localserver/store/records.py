"""The records of the run store: runs, messages, their settings, and the generation of ids."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Self

from wfdeploy.localserver import compact


class RunState(StrEnum):
    """A run's state as in the logs. `STARTED` begins with acceptance and includes delays, sleeps and waits."""

    STARTED = "RUN_STARTED"
    SUCCESS = "RUN_SUCCESS"
    FAILED = "RUN_FAILED"
    CANCELED = "RUN_CANCELED"


class MessageKind(StrEnum):
    """The purpose of a message."""

    INIT = "init"
    """The first delivery: the payload alone."""
    STEP = "step"
    """A step's record, and the delivery that follows it."""
    CALL = "call"
    """A request to a third party."""
    CALL_RESULT = "callResult"
    """A call's answer, on the way back to the workflow."""
    FAILURE = "failure"
    """The failure callback of a failed run."""
    WAIT = "wait"
    """A step that waits for an event; due at its deadline, never sent."""
    INVOKE = "invoke"
    """A step that waits for the end of another run; never sent."""
    PLAIN = "plain"
    """A message outside any run."""


class Handshake(StrEnum):
    """The open handshake of a run that was triggered through the REST API.

    The service can't know such an endpoint's SDK. Its first delivery therefore carries `Upstash-Workflow-Unknown-Sdk`,
    and an SDK from 1.0 on answers it by triggering the run itself (release notes of the JavaScript SDK).
    """

    OPEN = "open"
    """The endpoint hasn't triggered the run yet."""
    STEP_SUBMITTED = "step submitted"
    """It hasn't, but has submitted a step, as SDKs before 1.0 do. The service refuses those."""
    IGNORED = "ignored"
    """It hasn't, but the Python SDK has submitted a step (observed with 2.0.0). The service's answer isn't known."""


RECORDED = (MessageKind.INIT, MessageKind.STEP, MessageKind.CALL, MessageKind.CALL_RESULT)
"""The kinds in the step list of a run."""

INHERITING = (MessageKind.INIT, MessageKind.STEP, MessageKind.CALL_RESULT)
"""The kinds that are delivered under their run's flow-control key, unless they have their own."""

OUTGOING = (*INHERITING, MessageKind.CALL, MessageKind.PLAIN)
"""The kinds that take a flow-control key from their own submission."""


DEFAULT_RETRIES = 3
"""The retries of a failed delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Delivery settings. `None` and missing headers mean unset: inherited, or the default."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """User headers for the endpoint (`Upstash-Forward-*`), already filtered."""
    method: str | None = None
    content_type: str | None = None
    retries: int | None = None
    retry_delay: str | None = None
    timeout_ms: int | None = None
    failure_url: str | None = None
    failure_headers: Mapping[str, str] = field(default_factory=dict)
    failure_retries: int | None = None
    failure_retry_delay: str | None = None
    failure_timeout_ms: int | None = None
    failure_method: str | None = None
    failure_flow_key: str | None = None
    failure_flow_value: str | None = None
    callback_url: str | None = None
    callback_headers: Mapping[str, str] = field(default_factory=dict)
    callback_retries: int | None = None
    flow_key: str | None = None
    flow_value: str | None = None
    redact: str | None = None
    must_be_workflow: bool = False
    """The first 2xx answer must come from a workflow SDK, or the run fails (`WF_DetectTrigger`)."""
    fetches_lazily: bool = False
    """The endpoint accepts an empty body and fetches the step list itself."""
    handshake: Handshake | None = None
    """Of a run: None if it needs none, or once the endpoint has triggered it."""

    def to_json(self) -> str:
        """The settings that are set, as compact JSON."""
        values = {
            name: value for name in _NAMES if (value := getattr(self, name)) or (value == 0 and value is not False)
        }
        return compact.dumps(values)

    @staticmethod
    @lru_cache(maxsize=256)
    def from_json(text: str) -> DeliverySettings:
        """Read what `to_json` wrote. Cached, since the same few texts are read again and again."""
        values = json.loads(text)
        if "handshake" in values:
            values["handshake"] = Handshake(values["handshake"])
        return DeliverySettings(**values)

    def over(self, base: DeliverySettings) -> DeliverySettings:
        """These settings, with those of `base` where they are unset.

        A run's settings apply to all its messages: the JavaScript SDK sends them only with the trigger, the Python SDK
        repeats some with each submission (observed with the SDKs).
        """
        inherited = {name: getattr(base, name) for name in _INHERITED if getattr(self, name) is None}
        return replace(
            self,
            headers={**base.headers, **self.headers},
            failure_headers={**base.failure_headers, **self.failure_headers},
            must_be_workflow=base.must_be_workflow,
            fetches_lazily=self.fetches_lazily or base.fetches_lazily,
            **inherited,
        )


NOTHING = DeliverySettings()
"""No settings: a message that takes all of them from its run."""

_NAMES = tuple(DeliverySettings.__slots__)


_INHERITED = (
    *("retries", "retry_delay", "timeout_ms", "flow_key", "flow_value", "redact"),
    *(name for name in _NAMES if name.startswith("failure_") and name != "failure_headers"),
)


def columns(record: type, row: sqlite3.Row, **read: object) -> dict[str, Any]:
    """The fields of a record from the columns of a row, or from `read` where it has them."""
    return {name: read[name] if name in read else row[name] for name in record.__slots__}  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class RunRecord:
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
    settings: DeliverySettings
    response: str | None
    failure: dict[str, Any] | None
    invoker: dict[str, Any] | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(
            **columns(
                cls,
                row,
                state=RunState(row["state"]),
                labels=tuple(row["labels"].split(",")) if row["labels"] else (),
                settings=DeliverySettings.from_json(row["settings"]),
                failure=json.loads(row["failure"]) if row["failure"] else None,
                invoker=json.loads(row["invoker"]) if row["invoker"] else None,
            )
        )


@dataclass(frozen=True, slots=True)
class Message:
    seq: int
    tenant: str
    run_seq: int | None
    message_id: str
    kind: MessageKind
    state: str
    url: str
    body: bytes
    settings: DeliverySettings
    step_key: str | None
    event_id: str | None
    flow_key: str | None
    created_at: int
    due_at: int
    done_at: int | None
    retried: int
    errors: list[dict[str, Any]]

    @property
    def is_copy(self) -> bool:
        """Whether the message was copied from the run that this run resumes."""
        return self.state in ("delivered", "failed") and self.done_at is None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(
            **columns(
                cls,
                row,
                kind=MessageKind(row["kind"]),
                settings=DeliverySettings.from_json(row["settings"]),
                errors=json.loads(row["errors"]),
            )
        )


class Recorded(NamedTuple):
    """One entry of a run's step list, with the fields that a delivery needs."""

    message_id: str
    kind: MessageKind
    body: bytes


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message to deliver at a time."""

    at_ms: int
    seq: int
    tenant: str
    flow_key: str | None
    """Its flow-control key."""
    after: int | None = None
    """The seq of the delivery that submitted it: it waits until the endpoint has answered that one."""


def _random(length: int) -> str:
    """Letters, digits, `_` and `-`."""
    return secrets.token_urlsafe(length)[:length]


def new_run_id() -> str:
    """`wfr_` and 21 characters, as the SDKs generate them."""
    return f"wfr_{_random(21)}"


def new_message_id() -> str:
    return f"msg_{_random(26)}"


def new_signing_key() -> str:
    """`sig_` and 28 letters or digits, like the published keys."""
    letters = string.ascii_letters + string.digits
    return "sig_" + "".join(secrets.choice(letters) for _ in range(28))


def new_server_id() -> str:
    """The id of one database for as long as it exists."""
    return f"wfs_{_random(21)}"
