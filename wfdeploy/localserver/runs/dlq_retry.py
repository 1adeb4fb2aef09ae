"""Retry a failed run as a new run, which continues where the old one failed or begins again.

Source: Upstash Workflow REST reference, "Resume Workflow from DLQ", "Restart Workflow from DLQ".
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wfdeploy.localserver.clock import ServerClock
from wfdeploy.localserver.runs import options
from wfdeploy.localserver.runs.options import Options
from wfdeploy.localserver.runs.waiting import attach, notify_invoker
from wfdeploy.localserver.store.dead_letters import DlqEntry
from wfdeploy.localserver.store.records import (
    NOTHING,
    DeliverySettings,
    DueMessage,
    Message,
    MessageKind,
    RunRecord,
    RunState,
    new_run_id,
)
from wfdeploy.localserver.store.run_store import RunStore

_OVERRIDABLE = ("retries", "retry_delay", "failure_url", "flow_key", "flow_value")


@dataclass(slots=True)
class DlqRetry:
    """Works inside one transaction of the caller, which then schedules `to_schedule` and removes the entries."""

    store: RunStore
    clock: ServerClock
    now_ms: int
    overrides: Options
    to_schedule: list[DueMessage] = field(default_factory=list)

    @classmethod
    def of(cls, store: RunStore, clock: ServerClock, headers: Mapping[str, str]) -> DlqRetry:
        """Raises: Refused for an override that the API does not accept."""
        overrides = options.read(headers)
        now = clock.now_ms()
        overrides.due_ms(now)  # an invalid delay is refused even if there is nothing to retry
        return cls(store, clock, now, overrides)

    def restart(self, entry: DlqEntry) -> dict[str, Any]:
        """Start a new run with the same payload; it repeats every step."""
        run_seq, answer = self._new_run(entry.run)
        _, due = self.store.add_message(
            tenant=entry.run.tenant,
            run_seq=run_seq,
            kind=MessageKind.INIT,
            url=entry.run.url,
            body=b"",  # the payload is kept with the run
            now_ms=self.now_ms,
            due_ms=self._due_ms(),
            settings=self._overridden(NOTHING),
        )
        self.to_schedule.append(due)
        return answer

    def resume(self, entry: DlqEntry) -> dict[str, Any]:
        """Start a new run with the finished steps; the entries that failed or were in progress are delivered again.

        The failed entry comes last, since the endpoint acts on the last entry that it receives.
        """
        run_seq, answer = self._new_run(entry.run)
        entries = self.store.recorded_of_run(entry.run.seq)
        waits = self.store.waits_dropped(entry.run.seq)
        recorded = {each.step_key for each in (*entries, *waits)}
        under_way: list[Message] = []
        failed: list[Message] = []
        for message in entries:
            if message.state == "failed" and message.kind is not MessageKind.CALL:
                failed.append(message)
            elif message.state == "dropped" and _is_unanswered(message, recorded):
                under_way.append(message)
            else:
                state = "failed" if message.state == "failed" else "delivered"
                at, due = message.created_at, message.due_at
                self.store.repeat(message, run_seq, now_ms=at, due_ms=due, state=state)
        self._wait_on(entry.run, run_seq)
        for message in [*under_way, *failed]:
            self._add(run_seq, message)
        return answer

    def _wait_on(self, old: RunRecord, run_seq: int) -> None:
        """Let parallel siblings that waited for events or invoked runs continue to wait."""
        store, new = self.store, self.store.run(run_seq)
        store.connection.execute("UPDATE events SET run_seq = ? WHERE run_seq = ?", (run_seq, old.seq))
        for message in store.waits_dropped(old.seq):
            if message.kind is MessageKind.INVOKE:
                waited_for = json.loads(message.body)
                attach(store, waited_for["invokedSeq"], invoker=new, step=waited_for["step"], now_ms=self.now_ms)
                invoked = store.run(waited_for["invokedSeq"])
                if invoked.state is not RunState.STARTED:
                    self.to_schedule += notify_invoker(store, invoked, now_ms=self.now_ms)
            else:
                due = store.repeat(message, run_seq, now_ms=self.now_ms, due_ms=message.due_at)
                self.to_schedule.append(due)

    def _new_run(self, run: RunRecord) -> tuple[int, dict[str, Any]]:
        run_id = new_run_id()
        run_seq = self.store.add_run(
            tenant=run.tenant,
            run_id=run_id,
            url=run.url,
            state=RunState.STARTED,
            created_at=self.now_ms,
            starts_at=self._due_ms(),
            caller_ip=run.caller_ip,
            labels=self.overrides.labels or run.labels,
            payload=run.payload,
            settings=self._overridden(run.settings),
        )
        return run_seq, {"workflowRunId": run_id, "workflowCreatedAt": self.now_ms}

    def _due_ms(self) -> int:
        return self.overrides.due_ms(self.now_ms, ahead_ms=self.clock.ahead_ms())

    def _overridden(self, settings: DeliverySettings) -> DeliverySettings:
        wanted = self.overrides.settings
        overridden = {name: value for name in _OVERRIDABLE if (value := getattr(wanted, name)) is not None}
        return replace(settings, **overridden)

    def _add(self, run_seq: int, message: Message) -> None:
        """Add a message to deliver; a call to a third party keeps its own settings."""
        settings = message.settings if message.kind is MessageKind.CALL else self._overridden(message.settings)
        # A step that was asleep when the run failed continues to sleep.
        due_ms = max(self._due_ms(), message.due_at)
        self.to_schedule.append(
            self.store.repeat(message, run_seq, now_ms=self.now_ms, due_ms=due_ms, settings=settings)
        )


def _is_unanswered(message: Message, recorded: Container[str | None]) -> bool:
    """Whether the run ended before anything followed from an entry.

    For most entries with an open delivery something did: an endpoint submits the next step from inside the delivery,
    and that step may fail before the delivery is answered. Only parallel siblings and calls remain.
    """
    match message.kind:
        case MessageKind.STEP:
            what, _, number = (message.step_key or "").partition(":")
            return what == "plan" and not any(
                f"{each}:{number}" in recorded for each in ("result", "call", "wait", "invoke")
            )
        case MessageKind.CALL | MessageKind.CALL_RESULT:
            headers = {name.lower(): value for name, value in message.settings.callback_headers.items()}
            return f"result:{headers.get('upstash-workflow-stepid')}" not in recorded
        case _:
            return False
