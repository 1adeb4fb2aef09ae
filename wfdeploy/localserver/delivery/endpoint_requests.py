"""Build the HTTP request of each kind of message.

Sources: QStash documentation, "Callbacks" (the body of a callback); the step list and the headers that the endpoint
needs were observed with the SDKs; "Signature verification" (`Upstash-Signature` proves to an endpoint that a delivery
is genuine; the SDK receivers require `iss`, `sub`, `exp`, `nbf`).
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

import jwt

from wfdeploy.localserver import compact
from wfdeploy.localserver.http_client import DEFAULT_TIMEOUT_S, EndpointRequest, Reply
from wfdeploy.localserver.store.records import DeliverySettings, Message, MessageKind, Recorded, RunRecord

_CALL_TYPES = {
    MessageKind.INIT: "step",
    MessageKind.STEP: "step",
    MessageKind.CALL: "toCallback",
    MessageKind.CALL_RESULT: "fromCallback",
}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def step_list(run: RunRecord, entries: Iterable[Recorded]) -> bytes:
    """The JSON array of a run's entries: the payload first, then the others in the order they were accepted."""
    listed = [
        {
            "messageId": entry.message_id,
            "body": _base64(run.payload if entry.kind is MessageKind.INIT else entry.body),
            "callType": _CALL_TYPES[entry.kind],
        }
        for entry in entries
    ]
    return compact.dumps(listed).encode()


def build(
    run: RunRecord | None,
    message: Message,
    settings: DeliverySettings,
    entries: Sequence[Recorded],
    *,
    key: str,
    lazy_above: int,
) -> EndpointRequest:
    """The request of a message, with the headers that every delivery carries.

    `settings`: the message's own, over those of its run.
    `entries`: the run's entries up to this message.
    `lazy_above`: a list of more bytes is left out if the endpoint's SDK then fetches it (the JavaScript SDK does).
    """
    method, body = "POST", message.body
    content_type: str | None = "application/json"
    of_run = {} if run is None else _run_headers(run)
    match message.kind:
        case MessageKind.INIT | MessageKind.STEP:
            assert run is not None
            lazy = (
                settings.fetches_lazily
                and message.kind is MessageKind.STEP
                and _encoded_size(run, entries) > lazy_above
            )
            body = b"" if lazy else step_list(run, entries)
            # The endpoint gets the whole list, with the SDK version that marks it as a step.
            headers = {
                **settings.headers,
                **of_run,
                "Upstash-Workflow-Init": "true" if message.kind is MessageKind.INIT else "false",
                "Upstash-Workflow-CallType": "step",
                "Upstash-Workflow-Sdk-Version": "1",
            }
            if begins_handshake(run, message):
                headers["Upstash-Workflow-Unknown-Sdk"] = "true"
        case MessageKind.CALL_RESULT:
            assert run is not None
            headers = {**run.settings.headers, **settings.callback_headers, **of_run}
        case MessageKind.FAILURE:
            headers = {**settings.failure_headers, **of_run}
            method = settings.failure_method or "POST"
        case MessageKind.CALL | MessageKind.PLAIN:  # to a third party, as submitted, with its own headers only
            headers = dict(message.settings.headers)
            if message.settings.content_type:
                headers["Content-Type"] = message.settings.content_type
            method, content_type = message.settings.method or "POST", None
        case MessageKind.WAIT | MessageKind.INVOKE:
            raise ValueError(f"a message of kind {message.kind} is never sent")
        case _:
            assert_never(message.kind)
    ours = {
        "User-Agent": "Upstash-QStash",
        "Upstash-Message-Id": message.message_id,
        "Upstash-Retried": str(message.retried),
        "Upstash-Caller-Ip": "" if run is None else run.caller_ip,
        "Upstash-Region": "US-EAST-1",
        # Stamped by the machine's clock, not the server's (which may be scaled, or a test's), since the endpoint checks
        # the times against its own. Every target gets a signature: a third party may be another workflow.
        "Upstash-Signature": sign(key=key, url=message.url, body=body, now_s=int(time.time())),
    }
    if content_type is not None:
        ours["Content-Type"] = content_type
    # Our headers win over forwarded ones of the same name in any case.
    taken = {name.lower() for name in ours}
    merged = {name: value for name, value in headers.items() if name.lower() not in taken}
    timeout_ms = settings.timeout_ms
    if message.kind is MessageKind.FAILURE and settings.failure_timeout_ms is not None:
        timeout_ms = settings.failure_timeout_ms
    timeout_s = timeout_ms / 1000 if timeout_ms else DEFAULT_TIMEOUT_S
    return EndpointRequest(method.upper(), message.url, _without_repeats({**merged, **ours}), body, timeout_s)


def begins_handshake(run: RunRecord | None, message: Message) -> bool:
    """Whether a delivery asks an endpoint's unknown SDK to trigger the run itself."""
    return run is not None and message.kind is MessageKind.INIT and run.settings.handshake is not None


def _encoded_size(run: RunRecord, entries: Sequence[Recorded]) -> int:
    """An estimate of the step list's bytes: base64, and some seventy characters around each entry."""
    return len(run.payload) * 4 // 3 + sum(len(entry.body) * 4 // 3 + 100 for entry in entries)


def callback_body(
    message: Message, reply: Reply, sent: EndpointRequest, *, max_retries: int, source_body: bytes, **extra: object
) -> bytes:
    """The body of a callback about `sent`; the SDKs require `header` with canonical names and lists."""
    described: dict[str, Any] = {
        "status": reply.status or 0,
        "header": reply.header_lists(),
        "body": _base64(reply.body if reply.status is not None else reply.error.encode()),
        "retried": message.retried,
        "maxRetries": max_retries,
        "sourceMessageId": message.message_id,
        "url": message.url,
        "method": message.settings.method or "POST",
        # Without the signature, which belongs to the other request.
        "sourceHeader": {name: [value] for name, value in sent.headers.items() if name.lower() != "upstash-signature"},
        "sourceBody": _base64(source_body),
        "notBefore": message.due_at,
        "createdAt": message.created_at,
        "callerIP": "127.0.0.1",
        **extra,
    }
    return compact.dumps(described).encode()


def _run_headers(run: RunRecord) -> dict[str, str]:
    headers = {
        "Upstash-Workflow-RunId": run.run_id,
        "Upstash-Workflow-CreatedAt": str(run.created_at),
        "Upstash-Workflow-Url": run.url,
    }
    if run.labels:
        headers["Upstash-Label"] = ",".join(run.labels)
    return headers


def _without_repeats(headers: Mapping[str, str]) -> dict[str, str]:
    """One header per name, ignoring case; the last one wins."""
    last: dict[str, tuple[str, str]] = {name.lower(): (name, value) for name, value in headers.items()}
    return dict(last.values())


LIFETIME_S = 300


def sign(*, key: str, url: str, body: bytes, now_s: int) -> str:
    """A JWT over `body` for `url`, signed with the characters of the signing key, including the `sig_` prefix."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()
    claims = {
        "iss": "Upstash",
        "sub": url,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + LIFETIME_S,
        "jti": f"jwt_{uuid.uuid4().hex}",
        "body": digest,
    }
    return jwt.encode(claims, key, algorithm="HS256")
