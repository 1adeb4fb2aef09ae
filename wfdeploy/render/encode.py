"""JSON as we write it: compact, readable in its own script, without a raw control character."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from wfdeploy.render.printable import json_safe


def dump(value: object) -> str:
    """One line of JSON."""
    return json_safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def utc(time_ms: int) -> str:
    """Unix milliseconds as people read them, in UTC to the second."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # a server may say anything
        return f"{time_ms} ms"
