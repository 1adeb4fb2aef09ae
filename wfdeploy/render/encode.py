"""Write JSON: compact, not escaped to ASCII, without raw control characters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wfdeploy.errors import several
from wfdeploy.render.terminal import json_safe

if TYPE_CHECKING:
    from wfdeploy.model.observed import Continuation
    from wfdeploy.model.run import Source


def dump(value: object) -> str:
    """One line of JSON."""
    return json_safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def document(head: Mapping[str, object], name: str, items: Iterable[object]) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,…,"NAME":[…]}`, one item per line; there may be a million."""
    yield f'{dump({"formatVersion": 1, **head})[:-1]},"{name}":['
    separator = "\n"
    for item in items:
        yield separator + dump(item)
        separator = ",\n"
    yield "]}\n" if separator == "\n" else "\n]}\n"


def utc(time_ms: int) -> str:
    """Unix milliseconds as a readable time, in UTC to the second."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # a server may send any number
        return f"{time_ms} ms"


def ago(time_ms: int, now_ms: int) -> str:
    """How long ago that was: `40 s ago`, `5 min ago`, `3 h ago`, `12 days ago`."""
    seconds = max(now_ms - time_ms, 0) // 1000
    if seconds < 120:
        return f"{seconds} s ago"
    if seconds < 7200:
        return f"{seconds // 60} min ago"
    return f"{seconds // 3600} h ago" if seconds < 48 * 3600 else f"{seconds // 86_400} days ago"


def seen(time_ms: int | None, now_ms: int) -> str:
    """When something was last seen, exactly and relative to now."""
    return "never" if time_ms is None else f"{utc(time_ms)}, {ago(time_ms, now_ms)}"


def stale_line(count: int, seen_at_ms: int | None, now_ms: int, refresh: str) -> str:
    """That so many runs are shown as they were last seen (the longest unseen one then; None: never), and the command
    that refreshes what is recorded."""
    if seen_at_ms is None:
        return (
            f"{several(count)} {'was' if count == 1 else 'were'} never seen; `{refresh}` asks the server for the state."
        )
    are = "is shown as it was" if count == 1 else "are shown as they were"
    return f"{several(count)} {are} last seen, {seen(seen_at_ms, now_ms)}; `{refresh}` asks the server for the state."


def source_fields(source: Source) -> dict[str, object]:
    """The manifest's file and line, and the data file and row if a generator read one."""
    fields: dict[str, object] = {"file": source.file, "line": source.line}
    if source.data is not None:
        fields |= {"data": source.data, "row": source.row}
    return fields


def continuation_fields(found: Continuation) -> Mapping[str, object]:
    """A failed run whose dead letter is gone, as JSON fields."""
    return {
        "address": found.address,
        "workflowRunId": found.workflow_run_id,
        "runs": [
            {"workflowRunId": run.workflow_run_id, "state": run.state.value, "createdAt": run.created_at_ms}
            for run in found.runs
        ],
        "certain": found.is_certain,
        "past": found.is_past,
    }
