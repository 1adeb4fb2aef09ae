"""The events of runs and steps in the logs.

Events are not stored: they are derived from the times of runs and messages. Source: Upstash Workflow REST reference,
schema `WorkflowEvent`. It documents no response with events, so the page around them is inferred from the page of runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wfdeploy.localserver.api import run_view
from wfdeploy.localserver.api.run_view import BodyFilter, Redaction
from wfdeploy.localserver.store.filters import STEP_CONDITIONS, Where
from wfdeploy.localserver.store.records import Message, RunRecord, RunState
from wfdeploy.localserver.store.run_store import RunStore

POSITION = ("at", "rank", "run_seq", "message_seq", "attempt")
"""The order of events: by time, then by the sort of event, then by acceptance. Newest first."""

_STARTED, _RECORDED, _FAILED, _CANCELED, _ENDED = range(5)

_EVENTS = f"""
    SELECT created_at AS at, {_STARTED} AS rank, seq AS run_seq, 0 AS message_seq, 0 AS attempt,
           '{RunState.STARTED}' AS state FROM runs
    UNION ALL
    SELECT completed_at, {_ENDED}, seq, 0, 0, state FROM runs WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT m.created_at, {_RECORDED}, m.run_seq, m.seq, 0,
           CASE WHEN {STEP_CONDITIONS["STEP_SUCCESS"]} THEN 'STEP_SUCCESS' ELSE 'STEP_PROGRESS' END
    FROM messages m WHERE m.kind IN ('call', 'wait', 'invoke') OR (m.kind = 'step' AND m.step_key LIKE 'result:%')
    UNION ALL
    SELECT json_extract(e.value, '$.time'), {_FAILED}, m.run_seq, m.seq, e.key,
           CASE WHEN m.state = 'failed' AND e.key = json_array_length(m.errors) - 1
                THEN 'STEP_FAILED' ELSE 'STEP_RETRY' END
    FROM messages m, json_each(m.errors) e
    WHERE m.errors <> '[]' AND m.run_seq IS NOT NULL AND m.kind <> 'failure'
    UNION ALL
    SELECT m.done_at, {_CANCELED}, m.run_seq, m.seq, 0, 'STEP_CANCELED'
    FROM messages m JOIN runs r ON r.seq = m.run_seq WHERE {STEP_CONDITIONS["STEP_CANCELED"]}
"""  # noqa: S608 - our own text

SOURCE = f"({_EVENTS}) e JOIN runs r ON r.seq = e.run_seq"
"""Events `e` with their runs `r`."""


@dataclass(frozen=True, slots=True)
class EventLog:
    store: RunStore
    trim: int | None
    now_ms: int

    def select(self, where: Where, limit: int) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
        """(position, event), newest first."""
        rows = self.store.connection.execute(
            f"SELECT e.* FROM {where.source} WHERE {where.text()}"  # noqa: S608
            f" ORDER BY {', '.join(f'e.{name} DESC' for name in POSITION)} LIMIT ?",
            (*where.values, limit),
        ).fetchall()
        runs = {seq: self.store.run(seq) for seq in {row["run_seq"] for row in rows}}
        with_steps = {row["run_seq"] for row in rows if row["message_seq"]}
        messages = {seq: {each.seq: each for each in self.store.shown_of_run(seq)} for seq in with_steps}
        found = []
        for row in rows:
            run = runs[row["run_seq"]]
            event = _base(run, row["at"], row["state"])
            if not row["message_seq"]:
                event |= self._of_run(run, ended=row["rank"] == _ENDED)
            else:
                event |= self._of_step(run, messages[run.seq], row["message_seq"], row["rank"], row["attempt"])
            found.append((tuple(row[name] for name in POSITION), event))
        return found

    def _of_run(self, run: RunRecord, *, ended: bool) -> dict[str, Any]:
        if not ended:
            if run.invoker is None:
                return {}
            return {
                "invokerWorkflowRunId": run.invoker["workflowRunId"],
                "invokerWorkflowUrl": run.invoker["workflowUrl"],
                "invokerWorkflowCreatedAt": run.invoker["workflowRunCreatedAt"],
            }
        if run.failure is not None:
            failure = run.failure
            return {
                "dlqId": failure["dlqId"],
                "error": failure["error"],
                "responseStatus": failure["failStatus"],
                "responseHeaders": failure["failHeaders"],
                **self._bodies(run).trimmed("responseBody", failure["failResponse"]),
            }
        return self._bodies(run).body("workflowRunResponse", run.response)

    def _of_step(
        self, run: RunRecord, messages: dict[int, Message], seq: int, rank: int, attempt: int
    ) -> dict[str, Any]:
        message, bodies = messages[seq], self._bodies(run)
        if rank == _RECORDED:
            by_key = {each.step_key: each for each in messages.values() if each.step_key is not None}
            step = run_view.recorded(
                run, message, by_key, store=self.store, bodies=bodies, now_ms=self.now_ms, alone=True
            )
            return {} if step is None else {"stepInfo": step}
        step = run_view.under_way(run, message, bodies)
        step.pop("errors", None)
        event: dict[str, Any] = {"stepInfo": step}
        if rank == _CANCELED:
            return event
        failed = message.errors[attempt]
        event |= {
            "error": failed["error"],
            "responseStatus": failed["status"],
            "responseHeaders": failed["headers"],
            **bodies.trimmed("responseBody", failed.get("body")),
        }
        if message.state == "pending" and attempt == len(message.errors) - 1:
            event["nextDeliveryTime"] = message.due_at
        return event

    def _bodies(self, run: RunRecord) -> BodyFilter:
        return BodyFilter(Redaction.of(run.settings.redact), self.trim)


def _base(run: RunRecord, at: int, state: str) -> dict[str, Any]:
    return {
        "time": at,
        "state": state,
        "workflowRunId": run.run_id,
        "workflowUrl": run.url,
        "workflowCreatedAt": run.created_at,
        "callerIp": run.caller_ip,
        **run_view.labels(run),
    }
