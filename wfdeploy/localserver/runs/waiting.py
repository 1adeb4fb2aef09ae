"""What runs wait for: events, and the ends of the runs that they invoked.

A wait is a message whose due time is its deadline; it is delivered nowhere. Its end, an event or the deadline, appends
the step's result to the run, as an entry of its own: a delivery carries the entries before its own, and siblings may
have recorded theirs meanwhile.

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
    """What an endpoint asks for by `POST /v2/wait/{eventId}`."""

    step: Mapping[str, Any]
    step_id: int
    timeout: str
    timeout_ms: int
    asked: Mapping[str, Any]

    @classmethod
    def of(cls, body: bytes, *, longest_ms: int) -> Wait:
        """Raises: Refused for a body that asks for no wait, or for one that is too long."""
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused("the body is not valid JSON") from None
        step = asked.get("step") if isinstance(asked, dict) else None
        if not isinstance(step, dict) or not isinstance(step_id := step.get("stepId"), int):
            raise Refused("the body must be an object with a step")
        if not compact.is_sendable(asked):
            raise Refused("the body holds half a surrogate pair, which is no character")
        timeout = asked.get("timeout") or DEFAULT_TIMEOUT
        try:
            timeout_ms = durations.parse_ms(str(timeout))
        except ValueError:
            raise Refused(f"invalid timeout: {timeout!r}") from None
        if timeout_ms > longest_ms:
            raise Refused(f"the timeout is longer than {longest_ms // durations.DAY_MS} days", status=412)
        return cls(step, step_id, str(timeout), timeout_ms, asked)


@dataclass(slots=True)
class Waits:
    """Waits and events, inside one transaction of the caller, who then has `to_schedule` delivered."""

    store: RunStore
    now_ms: int
    to_schedule: list[DueMessage] = field(default_factory=list)

    def wait(self, run: RunRecord, event_id: str, wait: Wait) -> dict[str, Any]:
        """Have a run wait; an event that was kept for it ends the wait at once."""
        known = self.store.message_of_step(run.seq, f"wait:{wait.step_id}")
        if known is not None:
            return {"messageId": known, "deduplicated": True}  # from a delivery that was repeated
        message_id, due = self.store.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=MessageKind.WAIT,
            url=run.url,
            body=compact.dumps(wait.asked).encode(),
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
        """The deadline came first."""
        self._end_wait(run, message, data=None)
        return self.to_schedule

    def waiters(self, tenant: str, event_id: str, run: RunRecord | None = None) -> list[Message]:
        """Waits that have not ended, the oldest first."""
        of_run = "TRUE" if run is None else f"run_seq = {run.seq}"
        where = f"tenant = ? AND event_id = ? AND state = 'pending' AND {of_run}"
        return self.store.messages(where, tenant, event_id)

    def notify_all(self, tenant: str, event_id: str, data: bytes) -> list[dict[str, Any]]:
        """Tell everybody who waits; with nobody there the event is lost."""
        return [self._notify(message, data) for message in self.waiters(tenant, event_id)]

    def notify_run(self, run: RunRecord, event_id: str, data: bytes) -> dict[str, Any]:
        """Tell one run: the wait that began first, or else the next one, for which the event is kept."""
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
        """Record the step's result; `None` says that the time was over. The id of the message that brings it."""
        self.store.settle(message.seq, "delivered", now_ms=self.now_ms)
        message_id, due = _record_result(self.store, run, _result(message, data), now_ms=self.now_ms)
        self.to_schedule.append(due)
        return message_id


def _record_result(store: RunStore, run: RunRecord, step: Mapping[str, Any], *, now_ms: int) -> tuple[str, DueMessage]:
    """An entry with the result of a step: (the id of the message that brings it, when to deliver it)."""
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
    asked = json.loads(message.body)
    result = {
        **asked["step"],
        "waitEventId": message.event_id,
        "timeout": asked.get("timeout") or DEFAULT_TIMEOUT,
        "waitTimeout": data is None,
    }
    if data:
        result["out"] = base64.b64encode(data).decode()
    return result


def waiter_view(run: RunRecord, message: Message) -> dict[str, Any]:
    """A wait as the API shows it: what is sent where when the event comes, or when it does not."""
    asked = json.loads(message.body)
    headers = {**run.settings.headers, "Upstash-Workflow-RunId": run.run_id, "Upstash-Workflow-Url": run.url}
    timeout_headers, timeout_url = asked.get("timeoutHeaders"), asked.get("timeoutUrl")
    return {
        "url": run.url,
        "headers": {name: [value] for name, value in headers.items()},
        "deadline": message.due_at // 1000,
        "timeoutUrl": timeout_url if isinstance(timeout_url, str) and timeout_url else run.url,
        "timeoutHeaders": _header_lists(timeout_headers if isinstance(timeout_headers, dict) else {}),
        "timeoutBody": base64.b64encode(compact.dumps(_result(message, None)).encode()).decode(),
    }


def _header_lists(headers: Mapping[str, Any]) -> dict[str, list[str]]:
    """The SDK repeats a name in other spellings; the last one counts."""
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
    """End a run, unless it has ended already; what is to be delivered as a consequence. Inside a transaction."""
    if not store.end_run(run_seq, state, now_ms=now_ms, response=response, failure=failure):
        return []
    return tell_invoker(store, store.run(run_seq), now_ms=now_ms)


def tell_invoker(store: RunStore, run: RunRecord, *, now_ms: int) -> list[DueMessage]:
    """Append the result of an ended run to the one that waits for it, unless that one has ended meanwhile."""
    if run.invoker is None:
        return []
    invoker_seq = run.invoker["runSeq"]
    told = store.connection.execute(
        "UPDATE messages SET state = 'delivered', done_at = ? WHERE seq = ? AND state = 'waiting'",
        (now_ms, run.invoker["messageSeq"]),
    ).rowcount
    if not told:
        return []
    invoker = store.run(invoker_seq)
    out: dict[str, Any] = {} if run.response is None else {"body": run.response}
    out |= {"isFailed": run.state is RunState.FAILED, "isCanceled": run.state is RunState.CANCELED}
    step = run.invoker["step"]
    _, due = _record_result(store, invoker, {**step, "out": compact.dumps(out)}, now_ms=now_ms)
    return [due]


def attach(store: RunStore, run_seq: int, *, invoker: RunRecord, step: dict[str, Any], now_ms: int) -> None:
    """Have a run wait for the end of another, which may have ended already (see `tell_invoker`)."""
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
    told = {"runSeq": invoker.seq, "messageSeq": due.seq, "step": step}
    told |= {"workflowRunId": invoker.run_id, "workflowUrl": invoker.url, "workflowRunCreatedAt": invoker.created_at}
    store.connection.execute("UPDATE runs SET invoker = ? WHERE seq = ?", (compact.dumps(told), run_seq))


def invoked_run(store: RunStore, invoker: RunRecord, step_id: int) -> RunRecord | None:
    """The run that a step of this one invoked."""
    row = store.connection.execute(
        "SELECT body FROM messages WHERE run_seq = ? AND step_key = ?", (invoker.seq, f"invoke:{step_id}")
    ).fetchone()
    return None if row is None else store.run(json.loads(row["body"])["invokedSeq"])
