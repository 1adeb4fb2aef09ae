"""Write JSON: compact, not escaped to ASCII, without raw control characters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wfdeploy.render.terminal import json_safe

if TYPE_CHECKING:
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


def source_fields(source: Source) -> dict[str, object]:
    """The manifest's file and line, and the data file and row if a generator read one."""
    fields: dict[str, object] = {"file": source.file, "line": source.line}
    if source.data is not None:
        fields |= {"data": source.data, "row": source.row}
    return fields
