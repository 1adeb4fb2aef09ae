"""One run, whole: as the logs show it, with the times of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from wfdeploy.localserver.page import spans
from wfdeploy.localserver.page.spans import Timeline
from wfdeploy.localserver.store.dead_letters import DeadLetters
from wfdeploy.localserver.store.ledger import Ledger
from wfdeploy.localserver.store.records import Run
from wfdeploy.localserver.views import run_view
from wfdeploy.localserver.views.redaction import NONE, Redaction
from wfdeploy.localserver.views.run_view import Veil

T = TypeVar("T")

TRIM = 4_000
"""Bytes of each body, unless all of it is asked for."""

GROUPS = 300
"""Groups of steps, the same: how the run began, and where it is."""

SIBLINGS = 100
"""Steps of a group, the same."""


def find(ledger: Ledger, tenant: str, run_id: str, created_at: int | None) -> Run | None:
    """The run; the newest of its id when no time is said."""
    row = ledger.connection.execute(
        "SELECT * FROM runs WHERE tenant = ? AND run_id = ? AND (? IS NULL OR created_at = ?)"
        " ORDER BY created_at DESC LIMIT 1",
        (tenant, run_id, created_at, created_at),
    ).fetchone()
    return None if row is None else Run.of(row)


def render(run: Run, ledger: Ledger, *, whole: bool, now_ms: int) -> dict[str, Any]:
    """What the logs say, so what is redacted there is redacted here; `spans` and `deliveries` go by message id."""
    trim = None if whole else TRIM
    view = run_view.render(run, ledger, trim=trim, now_ms=now_ms)
    groups = view["steps"]
    omitted = 0
    if not whole:
        view["steps"] = [_fewer_siblings(group) for group in _ends(groups, GROUPS)]
        omitted = len(groups) - len(view["steps"])
    steps = [step for group in groups for step in group["steps"]]
    sleeping = {step["messageId"] for step in steps if str(step.get("stepType", "")).startswith("Sleep")}
    shown = {step.get("messageId") for group in view["steps"] for step in group["steps"]}
    timeline = Timeline(run, spans.entries_of(ledger, run), sleeping)
    letter = DeadLetters(ledger).find(run.tenant, view["dlqId"]) if "dlqId" in view else None
    return {
        "run": view,
        "startsAt": run.starts_at,
        "retries": run.settings.retries,
        "headers": Redaction.of(run.settings.redact).header_lists(run.settings.headers),
        "failureUrl": run.settings.failure_url,
        "failure": _failure(run, trim),
        "inDeadLetters": letter is not None,
        "omitted": omitted,
        "omittedAfter": GROUPS // 2,
        "trim": trim,
        "spans": _shown(timeline.steps(), shown, trim),
        "deliveries": _shown(timeline.deliveries(), shown, trim),
    }


def _ends(values: Sequence[T], most: int) -> Sequence[T]:
    """All of them, or the first and the last when there are too many."""
    return values if len(values) <= most else [*values[: most // 2], *values[-most // 2 :]]


def _fewer_siblings(group: dict[str, Any]) -> dict[str, Any]:
    steps = _ends(group["steps"], SIBLINGS)
    return {**group, "steps": steps, "omitted": len(group["steps"]) - len(steps)}


def _failure(run: Run, trim: int | None) -> dict[str, Any] | None:
    if run.failure is None:
        return None
    told = {name: run.failure[name] for name in ("error", "failStatus", "failHeaders") if name in run.failure}
    return told | Veil(NONE, trim).trimmed("failResponse", run.failure.get("failResponse"))


def _shown(found: Mapping[str, spans.Span], shown: set[Any], trim: int | None) -> dict[str, Any]:
    veil = Veil(NONE, trim)
    return {
        message_id: {
            "start": span.start,
            "end": span.end,
            "isEarlier": span.is_earlier,
            **({"plan": span.plan, "plannedAt": span.planned_at} if span.plan else {}),
            "attempts": [
                {name: value for name, value in attempt.items() if name != "body"}
                | veil.trimmed("body", attempt.get("body"))
                for attempt in span.attempts
            ],
        }
        for message_id, span in found.items()
        if message_id in shown
    }
