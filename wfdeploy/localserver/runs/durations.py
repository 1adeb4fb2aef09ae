"""Durations in text: `50s`, `1d10h30m`, `6m5.5s`, `250ms`."""

from __future__ import annotations

import re

_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 60e3,
    "h": 3600e3,
    "d": 86400e3,
}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h|d)")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


def parse_ms(text: str) -> int:
    """Milliseconds of a duration; a bare number means seconds, as the SDKs send it for timeouts.

    Raises: ValueError when `text` is not a duration.
    Source: Upstash Workflow REST reference, "Trigger Workflow Run", `Upstash-Delay`; the smaller units are those of the
    `Retry-After` family (QStash: retries).
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return round(float(text) * 1000)
    total, position = 0.0, 0
    for match in _PART.finditer(text):
        if match.start() != position:
            break
        total += float(match[1]) * _UNIT_MS[match[2]]
        position = match.end()
    if position != len(text) or not text:
        raise ValueError(f"invalid duration: {text!r}")
    return round(total)
