"""Write JSON: compact, not escaped to ASCII, without raw control characters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wfdeploy.errors import several
from wfdeploy.render.terminal import Style, Tone, json_safe, printable

if TYPE_CHECKING:
    from wfdeploy.model.observed import Continuation
    from wfdeploy.model.run import Source
    from wfdeploy.model.state import StateVersion

_FEW_SHARDS = 8
"""Up to so many are told one by one in text."""


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


def state_line(name: str, versions: Sequence[StateVersion], style: Style) -> Iterator[str]:
    """Which version of a shared state was read, as in `State: s3://acme/prod at serial 512, written 3 min ago`. Nothing
    for a file."""
    if versions:
        yield style(f"State: {printable(name)} {read_at(versions)}", Tone.FAINT) + "\n"


def read_at(versions: Sequence[StateVersion]) -> str:
    """The versions of a state in words; shards one by one, if they are few."""
    words = []
    for version in versions[:_FEW_SHARDS]:
        shard = f"shard {version.shard} " if version.shard else ""
        written = version.written_at_ms
        age = "" if written is None else f", written {ago(written, version.read_at_ms)}"
        words.append(f"{shard}at serial {version.serial}{age}")
    if len(versions) > _FEW_SHARDS:
        words.append(f"and {len(versions) - _FEW_SHARDS} more")
    return "; ".join(words)


def version_fields(versions: Sequence[StateVersion]) -> Mapping[str, object]:
    """`{"stateVersions":[…]}` of a shared state, times in Unix milliseconds; nothing for a file."""
    if not versions:
        return {}
    return {
        "stateVersions": [
            {
                "shard": version.shard or None,
                "serial": version.serial,
                "writtenAt": version.written_at_ms,
                "readAt": version.read_at_ms,
            }
            for version in versions
        ]
    }


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
