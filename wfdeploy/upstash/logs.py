"""A page of the server's logs ("Workflow REST reference: List Workflow Run Logs")."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from wfdeploy.model.remote import ObservedRun, RunState
from wfdeploy.upstash.words import json_of

_CURSOR_CHARACTERS = 16 * 1024
"""It has to fit into a URL."""


class UnreadableError(Exception):
    """A 2xx answer that isn't what it should be."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Runs, and the cursor of the next page (empty: this is the last one)."""

    runs: tuple[ObservedRun, ...]
    cursor: str


def read_log_page(body: bytes) -> LogPage:
    """Take a page apart.

    A run that can't be read fails the page: passing over it would make it look absent, and an absent run is sent
    again. Raises: `UnreadableError`.
    """
    try:
        page = json_of(body)
    except (ValueError, RecursionError):
        raise UnreadableError("the logs aren't JSON") from None
    runs = page.get("runs") if isinstance(page, dict) else None
    # A server written in Go says null for an empty list.
    if not isinstance(page, dict) or not isinstance(runs, list | None) or "runs" not in page:
        raise UnreadableError("the logs hold no list of runs")
    return LogPage(tuple(_run(entry) for entry in runs or ()), cursor_of(page))


def cursor_of(page: Mapping[str, object]) -> str:
    """Where the next page begins (empty: there is none). Raises: `UnreadableError`."""
    cursor = page.get("cursor") or ""
    if not isinstance(cursor, str):
        raise UnreadableError("the page's cursor isn't text")
    if len(cursor) > _CURSOR_CHARACTERS:
        raise UnreadableError(f"the page's cursor has {len(cursor):,} characters")
    return cursor


def _run(entry: object) -> ObservedRun:
    if not isinstance(entry, dict):
        raise UnreadableError("the logs hold an entry that isn't a run")
    workflow_run_id = entry.get("workflowRunId")
    created_at_ms = milliseconds(entry.get("workflowRunCreatedAt"))
    if not isinstance(workflow_run_id, str) or not workflow_run_id:
        raise UnreadableError("the logs hold a run without an id")
    if created_at_ms is None:
        raise UnreadableError("the logs hold a run without the time of its creation")
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
    """The id of a dead letter. Text that goes into a path: anything else is as good as none."""
    return value if isinstance(value, str) and any(char.isalnum() for char in value) else None


def labels_of(entry: dict[str, object]) -> tuple[str, ...]:
    """The labels that an entry tells."""
    labels = entry.get("labels")
    if isinstance(labels, list):
        return _shared(tuple([label for label in labels if isinstance(label, str)]))
    first = entry.get("label")  # deprecated upstream: the first label only
    return (first,) if isinstance(first, str) and first else ()


@lru_cache(maxsize=256)
def _shared(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Like URLs they are the same for most runs, of which there may be a million: kept once, whatever a page brings."""
    return labels


def milliseconds(value: object) -> int | None:
    """A time in Unix ms; None for anything that can't be one."""
    kind = type(value)
    if kind is not int and kind is not float:
        return None
    return int(value) if 0 <= value < 1e15 else None  # type: ignore[call-overload,operator]
