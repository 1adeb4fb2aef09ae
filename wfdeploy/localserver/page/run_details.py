"""One run with the times of its steps, for the page.

The run store knows when an entry was recorded, when its delivery was due and when that was settled. An endpoint submits
a step's result from inside the delivery of the previous entry. So a step lasts from the due time of that delivery until
its own entry is recorded, including the time in the queue of a flow-control key. A sleep, a call, a wait and an
invocation have an entry of their own for their start.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wfdeploy.localserver.api import run_view
from wfdeploy.localserver.api.run_view import NONE, BodyFilter, Redaction
from wfdeploy.localserver.delivery.outcome import UNPROVEN
from wfdeploy.localserver.store.dead_letters import DlqStore
from wfdeploy.localserver.store.records import Handshake, Message, MessageKind, RunRecord
from wfdeploy.localserver.store.run_store import RunStore

T = TypeVar("T")

TRIM = 4_000
"""The bytes shown of each body, unless the whole run is requested."""

GROUPS = 300
"""The groups of steps shown, the first and the last ones, unless the whole run is requested."""

SIBLINGS = 100
"""The steps shown of a group, unless the whole run is requested."""


def find(store: RunStore, tenant: str, run_id: str, created_at: int | None) -> RunRecord | None:
    """The run; without a time, the newest run of this id."""
    row = store.connection.execute(
        "SELECT * FROM runs WHERE tenant = ? AND run_id = ? AND (? IS NULL OR created_at = ?)"
        " ORDER BY created_at DESC LIMIT 1",
        (tenant, run_id, created_at, created_at),
    ).fetchone()
    return None if row is None else RunRecord.of(row)


def render(run: RunRecord, store: RunStore, *, whole: bool, now_ms: int) -> dict[str, Any]:
    """The run as in the logs (also redacted as there), and the `spans` and `deliveries` by message id."""
    trim = None if whole else TRIM
    view = run_view.render(run, store, trim=trim, now_ms=now_ms)
    groups = view["steps"]
    omitted = 0
    if not whole:
        view["steps"] = [_fewer_siblings(group) for group in _ends(groups, GROUPS)]
        omitted = len(groups) - len(view["steps"])
    steps = [step for group in groups for step in group["steps"]]
    sleeping = {step["messageId"] for step in steps if str(step.get("stepType", "")).startswith("Sleep")}
    shown = {step.get("messageId") for group in view["steps"] for step in group["steps"]}
    timeline = Timeline(run, store.shown_of_run(run.seq), sleeping)
    letter = DlqStore(store).find(run.tenant, view["dlqId"]) if "dlqId" in view else None
    return {
        "run": view,
        "startsAt": run.starts_at,
        "retries": run.settings.retries,
        "headers": Redaction.of(run.settings.redact).header_lists(run.settings.headers),
        "failureUrl": run.settings.failure_url,
        "failure": _failure(run, trim),
        "inDeadLetters": letter is not None,
        "warning": UNPROVEN if run.settings.handshake is Handshake.IGNORED else None,
        "omitted": omitted,
        "omittedAfter": GROUPS // 2,
        "trim": trim,
        "spans": _shown(timeline.steps(), shown, trim),
        "deliveries": _shown(timeline.deliveries(), shown, trim),
    }


def _ends(values: Sequence[T], most: int) -> Sequence[T]:
    """All values, or the first and the last ones if there are too many."""
    return values if len(values) <= most else [*values[: most // 2], *values[-most // 2 :]]


def _fewer_siblings(group: dict[str, Any]) -> dict[str, Any]:
    steps = _ends(group["steps"], SIBLINGS)
    return {**group, "steps": steps, "omitted": len(group["steps"]) - len(steps)}


def _failure(run: RunRecord, trim: int | None) -> dict[str, Any] | None:
    if run.failure is None:
        return None
    view = {name: run.failure[name] for name in ("error", "failStatus", "failHeaders") if name in run.failure}
    return view | BodyFilter(NONE, trim).trimmed("failResponse", run.failure.get("failResponse"))


def _shown(found: Mapping[str, TimeSpan], shown: set[Any], trim: int | None) -> dict[str, Any]:
    bodies = BodyFilter(NONE, trim)
    return {
        message_id: {
            "start": span.start,
            "end": span.end,
            "isEarlier": span.is_earlier,
            **({"plan": span.plan, "plannedAt": span.planned_at} if span.plan else {}),
            "attempts": [
                {name: value for name, value in attempt.items() if name not in ("body", "due")}
                | bodies.trimmed("body", attempt.get("body"))
                for attempt in span.attempts
            ],
        }
        for message_id, span in found.items()
        if message_id in shown
    }


_BEGINNINGS = ("wait", "invoke", "call")


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The time of a step or a delivery, Unix milliseconds; `end` is None while it lasts."""

    start: int
    end: int | None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """The failed deliveries in this time."""
    plan: dict[str, Any] | None = None
    """The parallel step that a delivery is for, if known."""
    planned_at: int | None = None
    """When that step was planned; a sleep begins then."""
    is_earlier: bool = False
    """Whether it took place in the run that this run resumes."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The entries of one run. `sleeping`: the message ids of the steps that are sleeps."""

    run: RunRecord
    entries: Sequence[Message]
    sleeping: Container[str]

    def steps(self) -> dict[str, TimeSpan]:
        """The span of each recorded step, by message id."""
        found: dict[str, TimeSpan] = {}
        by_key = {entry.step_key: entry for entry in self.entries if entry.step_key is not None}
        before: Message | None = None
        for entry in self.entries:
            match entry.kind:
                case MessageKind.INIT:
                    found[entry.message_id] = TimeSpan(self.run.created_at, self.run.starts_at)
                case MessageKind.STEP:
                    found[entry.message_id] = self._result(entry, before, by_key)
                case MessageKind.WAIT | MessageKind.INVOKE | MessageKind.CALL:
                    end = None if entry.state in ("pending", "waiting") else entry.done_at
                    found[entry.message_id] = TimeSpan(entry.created_at, end, entry.errors, is_earlier=entry.is_copy)
            if entry.kind in (MessageKind.INIT, MessageKind.STEP):
                before = entry
        return found

    def deliveries(self) -> dict[str, TimeSpan]:
        """The span of each delivery that is in progress or has failed for good, by message id."""
        return {
            entry.message_id: TimeSpan(
                self._first_due(entry), entry.done_at, entry.errors, plan=_plan(entry), planned_at=entry.created_at
            )
            for entry in self.entries
            if entry.state in ("pending", "failed", "dropped")
        }

    def _result(self, entry: Message, before: Message | None, by_key: Mapping[str, Message]) -> TimeSpan:
        """The span of the step whose result is this entry."""
        number = (entry.step_key or "").partition(":")[2]
        for name in _BEGINNINGS:
            if (beginning := by_key.get(f"{name}:{number}")) is not None:
                return TimeSpan(beginning.created_at, entry.created_at, beginning.errors, is_earlier=entry.is_copy)
        # A parallel step has an entry for its plan.
        plan = by_key.get(f"plan:{number}")
        if entry.message_id in self.sleeping:
            # A sleep is recorded when it begins, and delivered when it ends; of parallel sleeps, the plan is.
            start = entry.created_at if plan is None else plan.created_at
            return TimeSpan(start, max(entry.created_at, self._first_due(entry)), is_earlier=entry.is_copy)
        cause = before if plan is None else plan
        if cause is None or cause is entry:
            return TimeSpan(entry.created_at, entry.created_at)
        start = min(self._first_due(cause), entry.created_at)
        return TimeSpan(start, entry.created_at, cause.errors, is_earlier=entry.is_copy or cause.is_copy)

    def _first_due(self, entry: Message) -> int:
        """When the first attempt of a delivery was due. A retry overwrites the recorded due time."""
        if entry.kind is MessageKind.INIT:
            return self.run.starts_at
        return int(entry.errors[0].get("due", entry.created_at)) if entry.errors else entry.due_at


def _plan(entry: Message) -> dict[str, Any] | None:
    """The parallel step that an entry plans."""
    if not (entry.step_key or "").startswith("plan:"):
        return None
    step = json.loads(entry.body)  # valid JSON, since its key was read from it
    return {name: step[name] for name in ("stepName", "stepType") if name in step}
