"""One run of the server's logs with its steps ("Workflow REST reference: List Workflow Run Logs").

It is for people to look at: what can't be read is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wfdeploy.model.observed import RunLog, Step, StepError, StepGroup
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.upstash.logs import read_log_page
from wfdeploy.upstash.words import json_of

_DETAILS = ("callUrl", "waitEventId", "invokedWorkflowRunId", "sleepFor", "sleepUntil")
_LONGEST = 2000


def read_run(
    body: bytes, workflow_run_id: str, created_at_ms: int | None, *, scrub: Callable[[str], str]
) -> RunLog | None:
    """The run of a page that is meant (`RunIndex.recorded`); None when it isn't among them. Raises:
    `UnreadableError`."""
    page = read_log_page(body)
    run = RunIndex(page.runs).recorded(workflow_run_id, created_at_ms)
    if run is None:
        return None
    raw = json_of(body)["runs"][page.runs.index(run)]
    failure = raw.get("failureFunction")
    return RunLog(
        workflow_run_id=run.workflow_run_id,
        state=run.state,
        created_at_ms=run.created_at_ms,
        completed_at_ms=run.completed_at_ms,
        url=scrub(run.url),
        groups=tuple(_groups(raw.get("steps"), scrub)),
        failure=_text(failure.get("state"), scrub) if isinstance(failure, Mapping) else "",
    )


def _groups(value: object, scrub: Callable[[str], str]) -> Iterator[StepGroup]:
    for group in value if isinstance(value, list) else ():
        steps = group.get("steps") if isinstance(group, Mapping) else None
        if isinstance(steps, list):
            kind = _text(group.get("type"), scrub)
            yield StepGroup(kind, tuple(_step(step, scrub) for step in steps if isinstance(step, Mapping)))


def _step(step: Mapping[str, Any], scrub: Callable[[str], str]) -> Step:
    errors = step.get("errors")
    detail = next((_text(step[name], scrub) for name in _DETAILS if step.get(name) not in (None, "")), "")
    return Step(
        name=_text(step.get("stepName"), scrub),
        kind=_text(step.get("stepType"), scrub),
        state=_text(step.get("state"), scrub),
        created_at_ms=_number(step.get("createdAt")),
        retries=_number(step.get("retries")),
        next_delivery_ms=_number(step.get("nextDeliveryTime")),
        detail=detail,
        errors=tuple(
            _error(error, scrub) for error in (errors if isinstance(errors, list) else ()) if isinstance(error, Mapping)
        ),
    )


def _error(error: Mapping[str, Any], scrub: Callable[[str], str]) -> StepError:
    body = error.get("body")
    message = _words(body) if isinstance(body, str) and body else error.get("error")
    return StepError(
        _text(message or error.get("error"), scrub), _number(error.get("status")), _number(error.get("time"))
    )


def _words(body: str) -> str:
    """What an SDK's answer says of an error, or the answer as it is."""
    try:
        told = json_of(body)
    except (ValueError, RecursionError):
        return body
    if isinstance(told, dict):
        named = [told[name] for name in ("error", "message") if isinstance(told.get(name), str)]
        return ": ".join(named) or body
    return body


def _text(value: object, scrub: Callable[[str], str]) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return scrub(str(value))[:_LONGEST]


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 else None
