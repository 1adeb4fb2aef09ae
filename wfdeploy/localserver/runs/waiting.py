"""Waiting for events, and for the ends of invoked runs.

A wait is a message whose due time is its deadline; it is never delivered. Its end, by an event or the deadline, appends
the step's result to the run as a separate entry: a delivery carries the entries before its own, and siblings may have
recorded theirs meanwhile.

Sources: Upstash Workflow REST reference, "Notify", schemas `Waiter` and `NotifyResponse`; what a wait or
`context.invoke` sends, and what its result holds, was observed with the JavaScript SDK.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wfdeploy.localserver import compact
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import durations
from wfdeploy.localserver.store.records import DueMessage, Message, MessageKind, RunRecord, RunState
from wfdeploy.localserver.store.run_store import RunStore

DEFAULT_TIMEOUT = "7d"


@dataclass(frozen=True, slots=True)
class Wait:
    """The body of `POST /v2/wait/{eventId}`."""

    step: Mapping[str, Any]
    step_id: int
    timeout: str
    timeout_ms: int
    fields: Mapping[str, Any]
    """The whole body."""

    @classmethod
    def of(cls, body: bytes, *, longest_ms: int) -> Wait:
        """Raises: Refused for a body that is no wait, or a wait that is too long."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused("the body is not valid JSON") from None
        step = fields.get("step") if isinstance(fields, dict) else None
        if not isinstance(step, dict) or not isinstance(step_id := step.get("stepId"), int):
            raise Refused("the body must be an object with a step")
        if not compact.is_sendable(fields):
            raise Refused("the body contains half a surrogate pair, which is not a character")
        timeout = fields.get("timeout") or DEFAULT_TIMEOUT
        try:
            timeout_ms = durations.parse_ms(str(timeout))
        except ValueError:
            raise Refused(f"invalid timeout: {timeout!r}") from None
        if timeout_ms > longest_ms:
            raise Refused(f"the timeout is longer than {longest_ms // durations.DAY_MS} days", status=412)
        return cls(step, step_id, str(timeout), timeout_ms, fields)


@dataclass(slots=True)
class Waits:
    """Waits and events. Works inside one transaction of the caller, which then schedules `to_schedule`."""

    store: RunStore
    now_ms: int
    to_schedule: list[DueMessage] = field(default_factory=list)

    def wait(self, run: RunRecord, event_id: str, wait: Wait) -> dict[str, Any]:
        """Let a run wait; an event kept for it ends the wait at once."""
        known = self.store.message_of_step(run.seq, f"wait:{wait.step_id}")
        if known is not None:
            return {"messageId": known, "deduplicated": True}  # the delivery was repeated
        message_id, due = self.store.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=MessageKind.WAIT,
            url=run.url,
            body=compact.dumps(wait.fields).encode(),
            now_ms=self.now_ms,
            due_ms=self.now_ms + wait.timeout_ms,
            step_key=f"wait:{wait.step_id}",
            event_id=event_id,
        )
        if (kept := self._take_kept(run, event_id)) is not None:
            message = self.store.pending(due.seq)
            assert message is not None
            self._end_wait(run, message, data=kept)
        else:
            self.to_schedule.append(due)
        return {"messageId": message_id}

    def expire(self, run: RunRecord, message: Message) -> list[DueMessage]:
        """End a wait whose deadline has passed."""
        self._end_wait(run, message, data=None)
        return self.to_schedule

    def waiters(self, tenant: str, event_id: str, run: RunRecord | None = None) -> list[Message]:
        """The waits that have not ended, oldest first."""
        of_run = "TRUE" if run is None else f"run_seq = {run.seq}"
        where = f"tenant = ? AND event_id = ? AND state = 'pending' AND {of_run}"
        return self.store.messages(where, tenant, event_id)

    def notify_all(self, tenant: str, event_id: str, data: bytes) -> list[dict[str, Any]]:
        """Notify every waiting run; if none waits, the event is lost."""
        return [self._notify(message, data) for message in self.waiters(tenant, event_id)]

    def notify_run(self, run: RunRecord, event_id: str, data: bytes) -> dict[str, Any]:
        """Notify one run: its oldest wait, or its next one, for which the event is kept."""
        for message in self.waiters(run.tenant, event_id, run):
            return self._notify(message, data)
        self.store.connection.execute(
            "INSERT INTO events (run_seq, event_id, data) VALUES (?, ?, ?)", (run.seq, event_id, data)
        )
        return {
            "messageId": "",
            "error": "",
            "workflowRunId": run.run_id,
            "workflowCreatedAt": run.created_at,
            "deduplicated": False,
        }

    def _take_kept(self, run: RunRecord, event_id: str) -> bytes | None:
        row = self.store.connection.execute(
            "SELECT seq, data FROM events WHERE run_seq = ? AND event_id = ? ORDER BY seq LIMIT 1", (run.seq, event_id)
        ).fetchone()
        if row is None:
            return None
        self.store.connection.execute("DELETE FROM events WHERE seq = ?", (row["seq"],))
        return bytes(row["data"])

    def _notify(self, message: Message, data: bytes) -> dict[str, Any]:
        assert message.run_seq is not None
        run = self.store.run(message.run_seq)
        return {
            "waiter": waiter_view(run, message),
            "messageId": self._end_wait(run, message, data=data),
            "error": "",
            "workflowRunId": run.run_id,
            "workflowCreatedAt": run.created_at,
            "deduplicated": False,
        }

    def _end_wait(self, run: RunRecord, message: Message, *, data: bytes | None) -> str:
        """Record the step's result and return its message's id. `data` None: the wait timed out."""
        self.store.settle(message.seq, "delivered", now_ms=self.now_ms)
        message_id, due = _record_result(self.store, run, _result(message, data), now_ms=self.now_ms)
        self.to_schedule.append(due)
        return message_id


def _record_result(store: RunStore, run: RunRecord, step: Mapping[str, Any], *, now_ms: int) -> tuple[str, DueMessage]:
    """Add an entry with a step's result; its message's id, and the message to schedule."""
    return store.add_message(
        tenant=run.tenant,
        run_seq=run.seq,
        kind=MessageKind.STEP,
        url=run.url,
        body=compact.dumps(step).encode(),
        now_ms=now_ms,
        step_key=f"result:{step['stepId']}",
    )


def _result(message: Message, data: bytes | None) -> dict[str, Any]:
    wait = json.loads(message.body)
    result = {
        **wait["step"],
        "waitEventId": message.event_id,
        "timeout": wait.get("timeout") or DEFAULT_TIMEOUT,
        "waitTimeout": data is None,
    }
    if data:
        result["out"] = base64.b64encode(data).decode()
    return result


def waiter_view(run: RunRecord, message: Message) -> dict[str, Any]:
    """A wait as the API shows it: the requests that follow the event or the timeout."""
    wait = json.loads(message.body)
    headers = {**run.settings.headers, "Upstash-Workflow-RunId": run.run_id, "Upstash-Workflow-Url": run.url}
    timeout_headers, timeout_url = wait.get("timeoutHeaders"), wait.get("timeoutUrl")
    return {
        "url": run.url,
        "headers": {name: [value] for name, value in headers.items()},
        "deadline": message.due_at // 1000,
        "timeoutUrl": timeout_url if isinstance(timeout_url, str) and timeout_url else run.url,
        "timeoutHeaders": _header_lists(timeout_headers if isinstance(timeout_headers, dict) else {}),
        "timeoutBody": base64.b64encode(compact.dumps(_result(message, None)).encode()).decode(),
    }


def _header_lists(headers: Mapping[str, Any]) -> dict[str, list[str]]:
    """One list per name. The SDK repeats names in other spellings; the last one counts."""
    merged: dict[str, tuple[str, list[str]]] = {}
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value]
        merged[name.lower()] = (name, [str(each) for each in values])
    return dict(merged.values())


def end_run(
    store: RunStore,
    run_seq: int,
    state: RunState,
    *,
    now_ms: int,
    response: str | None = None,
    failure: dict[str, Any] | None = None,
) -> list[DueMessage]:
    """End a run, inside a transaction; the messages to deliver as a consequence. Nothing happens if it has ended."""
    if not store.end_run(run_seq, state, now_ms=now_ms, response=response, failure=failure):
        return []
    return notify_invoker(store, store.run(run_seq), now_ms=now_ms)


def notify_invoker(store: RunStore, run: RunRecord, *, now_ms: int) -> list[DueMessage]:
    """Append the result of an ended run to the run that waits for it, unless that one has ended too."""
    if run.invoker is None:
        return []
    invoker_seq = run.invoker["runSeq"]
    is_waiting = store.connection.execute(
        "UPDATE messages SET state = 'delivered', done_at = ? WHERE seq = ? AND state = 'waiting'",
        (now_ms, run.invoker["messageSeq"]),
    ).rowcount
    if not is_waiting:
        return []
    invoker = store.run(invoker_seq)
    out: dict[str, Any] = {} if run.response is None else {"body": run.response}
    out |= {"isFailed": run.state is RunState.FAILED, "isCanceled": run.state is RunState.CANCELED}
    step = run.invoker["step"]
    _, due = _record_result(store, invoker, {**step, "out": compact.dumps(out)}, now_ms=now_ms)
    return [due]


def attach(store: RunStore, run_seq: int, *, invoker: RunRecord, step: dict[str, Any], now_ms: int) -> None:
    """Let `invoker` wait for the end of a run. If that has already ended, call `notify_invoker`."""
    run = store.run(run_seq)
    _, due = store.add_message(
        tenant=invoker.tenant,
        run_seq=invoker.seq,
        kind=MessageKind.INVOKE,
        url=run.url,
        body=compact.dumps({"step": step, "invokedSeq": run_seq}).encode(),
        now_ms=now_ms,
        step_key=f"invoke:{step['stepId']}",
        state="waiting",
    )
    link = {"runSeq": invoker.seq, "messageSeq": due.seq, "step": step}
    link |= {"workflowRunId": invoker.run_id, "workflowUrl": invoker.url, "workflowRunCreatedAt": invoker.created_at}
    store.connection.execute("UPDATE runs SET invoker = ? WHERE seq = ?", (compact.dumps(link), run_seq))


def invoked_run(store: RunStore, invoker: RunRecord, step_id: int) -> RunRecord | None:
    """The run that a step of this one invoked."""
    row = store.connection.execute(
        "SELECT body FROM messages WHERE run_seq = ? AND step_key = ?", (invoker.seq, f"invoke:{step_id}")
    ).fetchone()
    return None if row is None else store.run(json.loads(row["body"])["invokedSeq"])
