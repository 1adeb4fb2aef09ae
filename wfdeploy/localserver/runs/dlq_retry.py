"""Giving a failed run another chance: as a new run that goes on where it failed, or begins again.

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
from wfdeploy.localserver.runs.waiting import attach, tell_invoker
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
    """Inside one transaction of the caller, who then has `to_schedule` delivered and takes the entry out."""

    store: RunStore
    clock: ServerClock
    now_ms: int
    overrides: Options
    to_schedule: list[DueMessage] = field(default_factory=list)

    @classmethod
    def of(cls, store: RunStore, clock: ServerClock, headers: Mapping[str, str]) -> DlqRetry:
        """Raises: Refused for an override that the API does not take."""
        overrides = options.read(headers)
        now = clock.now_ms()
        overrides.due_ms(now)  # a bad one is refused where there is nothing to revive too
        return cls(store, clock, now, overrides)

    def restart(self, entry: DlqEntry) -> dict[str, Any]:
        """A new run with the same payload; every step is done again."""
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
        """A new run that has the old one's finished steps; what failed, or was under way then, is delivered again.

        The entry that failed goes last: the endpoint decides by the last entry of what it gets.
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
        """Parallel siblings that waited for events, or for runs they invoked, go on waiting."""
        store, new = self.store, self.store.run(run_seq)
        store.connection.execute("UPDATE events SET run_seq = ? WHERE run_seq = ?", (run_seq, old.seq))
        for message in store.waits_dropped(old.seq):
            asked = json.loads(message.body)
            if message.kind is MessageKind.INVOKE:
                attach(store, asked["invokedSeq"], invoker=new, step=asked["step"], now_ms=self.now_ms)
                invoked = store.run(asked["invokedSeq"])
                if invoked.state is not RunState.STARTED:
                    self.to_schedule += tell_invoker(store, invoked, now_ms=self.now_ms)
                continue
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
        said = {name: value for name in _OVERRIDABLE if (value := getattr(wanted, name)) is not None}
        return replace(settings, **said)

    def _add(self, run_seq: int, message: Message) -> None:
        """A message to be delivered; a call to a third party keeps its own settings."""
        settings = message.settings if message.kind is MessageKind.CALL else self._overridden(message.settings)
        # What was still asleep when the run failed sleeps on.
        due_ms = max(self._due_ms(), message.due_at)
        self.to_schedule.append(
            self.store.repeat(message, run_seq, now_ms=self.now_ms, due_ms=due_ms, settings=settings)
        )


def _is_unanswered(message: Message, recorded: Container[str | None]) -> bool:
    """Whether the step behind an entry had led to nothing when its run ended.

    Most entries whose delivery was open then had: an endpoint submits the next step from inside the delivery, and that
    one may fail before the delivery is answered. Only parallel siblings are left, and calls.
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
