"""Read pages of the logs and of the dead-letter queue, and single runs with their steps.

Sources: Workflow REST reference, "List Workflow Run Logs", "List Failed Workflow Runs"."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wfdeploy.model.observed import ObservedRun, RunLog, RunState, Step, StepError, StepGroup
from wfdeploy.model.remote import DeadLetter
from wfdeploy.model.workflow_id import SAME_MS, RunIndex
from wfdeploy.upstash.refusals import json_of, page_text

_CURSOR_CHARACTERS = 16 * 1024
"""A cursor has to fit into a URL."""


class UnreadableError(Exception):
    """A 2xx answer that can't be parsed."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Runs, and the cursor of the next page (empty: this is the last one)."""

    runs: tuple[ObservedRun, ...]
    cursor: str


def read_log_page(body: bytes) -> LogPage:
    """Parse a page of runs.

    An unreadable run fails the whole page: skipping it would make it look absent, and absent runs are sent again.
    Raises: `UnreadableError`.
    """
    page = parsed(body)
    runs = page.get("runs") if isinstance(page, dict) else None
    # A server written in Go says null for an empty list.
    if not isinstance(page, dict) or not isinstance(runs, list | None) or "runs" not in page:
        raise UnreadableError("the logs contain no list of runs")
    return LogPage(tuple(_run(entry) for entry in runs or ()), cursor_of(page))


def parsed(body: bytes) -> Any:
    """The JSON value of an answer. Raises: `UnreadableError`."""
    try:
        return json_of(body)
    except (ValueError, RecursionError):
        raise UnreadableError("the answer isn't JSON") from None


def cursor_of(page: Mapping[str, object]) -> str:
    """The cursor of the next page, empty on the last one. Raises: `UnreadableError`."""
    cursor = page.get("cursor") or ""
    if not isinstance(cursor, str):
        raise UnreadableError("the page's cursor isn't text")
    if len(cursor) > _CURSOR_CHARACTERS:
        raise UnreadableError(f"the page's cursor has {len(cursor):,} characters")
    return cursor


def _run(entry: object) -> ObservedRun:
    if not isinstance(entry, dict):
        raise UnreadableError("the logs contain an entry that isn't a run")
    workflow_run_id = entry.get("workflowRunId")
    created_at_ms = milliseconds(entry.get("workflowRunCreatedAt"))
    if not isinstance(workflow_run_id, str) or not workflow_run_id:
        raise UnreadableError("the logs contain a run without an id")
    if created_at_ms is None:
        raise UnreadableError("the logs contain a run without the time of its creation")
    url = entry.get("workflowUrl")
    return ObservedRun(
        workflow_run_id=workflow_run_id,
        state=_state(entry.get("workflowState")),
        created_at_ms=created_at_ms,
        completed_at_ms=milliseconds(entry.get("workflowRunCompletedAt")) or None,
        url=sys.intern(url) if isinstance(url, str) else "",
        labels=labels_of(entry),
        dlq_id=dlq_id_of(entry.get("dlqId")),
    )


_STATES = {state.value: state for state in (RunState.STARTED, RunState.SUCCESS, RunState.FAILED, RunState.CANCELED)}


def _state(word: object) -> RunState:
    return _STATES.get(word, RunState.UNKNOWN) if isinstance(word, str) else RunState.UNKNOWN


def dlq_id_of(value: object) -> str | None:
    """The id of a dead letter, if it is usable in a path."""
    return value if isinstance(value, str) and any(char.isalnum() for char in value) else None


def labels_of(entry: dict[str, object]) -> tuple[str, ...]:
    """The labels of an entry."""
    labels = entry.get("labels")
    if isinstance(labels, list):
        return _shared(tuple([label for label in labels if isinstance(label, str)]))
    first = entry.get("label")  # deprecated upstream: the first label only
    return (first,) if isinstance(first, str) and first else ()


@lru_cache(maxsize=256)
def _shared(labels: tuple[str, ...]) -> tuple[str, ...]:
    """One shared tuple for equal labels, since a million runs mostly have the same ones."""
    return labels


def milliseconds(value: object) -> int | None:
    """A time in Unix milliseconds; None for any other value."""
    kind = type(value)
    if kind is not int and kind is not float:
        return None
    return int(value) if 0 <= value < 1e15 else None  # type: ignore[call-overload,operator]


def read_letter_page(body: bytes) -> tuple[tuple[DeadLetter, ...], str]:
    """The dead letters of a page, and the cursor of the next page (empty on the last one).

    An unreadable entry fails the whole page: skipping it would make its run look handled. Raises: `UnreadableError`.
    """
    page = parsed(body)
    messages = page.get("messages") if isinstance(page, dict) else None
    # A server written in Go says null for an empty list.
    if not isinstance(page, dict) or not isinstance(messages, list | None) or "messages" not in page:
        raise UnreadableError("the answer contains no list of dead letters")
    return tuple(_letter(entry) for entry in messages or ()), cursor_of(page)


def _letter(entry: object) -> DeadLetter:
    if not isinstance(entry, dict):
        raise UnreadableError("the dead letters contain an entry that is none")
    dlq_id, run_id = dlq_id_of(entry.get("dlqId")), entry.get("workflowRunId")
    if dlq_id is None or not isinstance(run_id, str) or not run_id:
        raise UnreadableError("the dead letters contain one without its id or its run's")
    return DeadLetter(dlq_id, run_id, milliseconds(entry.get("workflowCreatedAt")) or None, labels_of(entry))


_DETAILS = ("callUrl", "waitEventId", "invokedWorkflowRunId", "sleepFor", "sleepUntil")
_LONGEST = 2000


def read_run(
    body: bytes, workflow_run_id: str, created_at_ms: int | None, *, scrub: Callable[[str], str]
) -> RunLog | None:
    """The requested run of a page (`RunIndex.recorded`) with its steps; None if it isn't there.

    Unreadable details are left out, since this is only shown to people. Raises: `UnreadableError` for the page.
    """
    page = read_log_page(body)
    run = RunIndex(page.runs).recorded(workflow_run_id, created_at_ms)
    if run is None:
        return None
    raw = json_of(body)["runs"][page.runs.index(run)]
    failure = raw.get("failureFunction")
    failure = failure if isinstance(failure, Mapping) else {}
    return RunLog(
        workflow_run_id=run.workflow_run_id,
        state=run.state,
        created_at_ms=run.created_at_ms,
        completed_at_ms=run.completed_at_ms,
        url=scrub(run.url),
        groups=tuple(_groups(raw.get("steps"), scrub)),
        failure=_text(failure.get("state"), scrub),
        failure_errors=_errors(failure, scrub),
    )


def read_payload_digest(body: bytes, workflow_run_id: str, created_at_ms: int) -> str | None:
    """Digest the payload of the requested run of a page; None where the page doesn't show it.

    The first step of a run is its initial one, whose result is the payload. Raises: `UnreadableError` for the page.
    """
    page = read_log_page(body)
    run = RunIndex(page.runs).recorded(workflow_run_id, created_at_ms)
    if run is None or abs(run.created_at_ms - created_at_ms) > SAME_MS:
        return None
    groups = json_of(body)["runs"][page.runs.index(run)].get("steps")
    match groups:
        case [{"steps": [{"stepType": "Initial", "out": str() as payload}, *_]}, *_]:
            return hashlib.sha256(payload.encode(errors="surrogatepass")).hexdigest()
    return None


def _groups(value: object, scrub: Callable[[str], str]) -> Iterator[StepGroup]:
    for group in value if isinstance(value, list) else ():
        steps = group.get("steps") if isinstance(group, Mapping) else None
        if isinstance(steps, list):
            kind = _text(group.get("type"), scrub)
            yield StepGroup(kind, tuple(_step(step, scrub) for step in steps if isinstance(step, Mapping)))


def _step(step: Mapping[str, Any], scrub: Callable[[str], str]) -> Step:
    about = next((name for name in _DETAILS if step.get(name) not in (None, "")), "")
    return Step(
        name=_text(step.get("stepName"), scrub),
        kind=_text(step.get("stepType"), scrub),
        state=_text(step.get("state"), scrub),
        created_at_ms=milliseconds(step.get("createdAt")),
        retries=milliseconds(step.get("retries")),
        next_delivery_ms=milliseconds(step.get("nextDeliveryTime")),
        about=about,
        detail=_text(step.get(about), scrub),
        errors=_errors(step, scrub),
    )


def _errors(entry: Mapping[str, Any], scrub: Callable[[str], str]) -> tuple[StepError, ...]:
    errors = entry.get("errors")
    return tuple(
        _error(error, scrub) for error in (errors if isinstance(errors, list) else ()) if isinstance(error, Mapping)
    )


def _error(error: Mapping[str, Any], scrub: Callable[[str], str]) -> StepError:
    body = error.get("body")
    answer = _text(_words(body), scrub) if isinstance(body, str) else ""
    # The server's reason first: beside a 200 with a page, only it says what is wrong.
    return StepError(
        _text(error.get("error"), scrub) or answer,
        milliseconds(error.get("status")) or None,
        milliseconds(error.get("time")),
        body=answer,
    )


_LONGEST_BODY = 64 * 1024
_NAMED = ("error", "message")
_NAMED_TEXT = re.compile(r'"(error|message)"\s*:\s*("(?:[^"\\]|\\.)*+")')


def _words(body: str) -> str:
    """The error in an SDK's answer, the title of an HTML page, or the whole answer."""
    body = body[:_LONGEST_BODY].strip()
    try:
        answer = json_of(body)
    except (ValueError, RecursionError):
        # Only the beginning of a body is requested, and an SDK's answer ends with a long stack trace.
        answer = dict(reversed(_NAMED_TEXT.findall(body))) if body.startswith("{") else None
        answer = answer and {name: _string(text) for name, text in answer.items()}
    if isinstance(answer, dict):
        return ": ".join(text for name in _NAMED if isinstance(text := answer.get(name), str) and text) or body
    return page_text(body) or body


def _string(encoded: str) -> str:
    try:
        return str(json_of(encoded))
    except ValueError:
        return ""


def _text(value: object, scrub: Callable[[str], str]) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return scrub(str(value))[:_LONGEST]
