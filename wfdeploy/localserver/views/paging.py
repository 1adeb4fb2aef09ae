"""Cursors: opaque to clients, a position and perhaps a floor inside."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wfdeploy.localserver.problems import Refused

CURSOR_PATTERN = r"^(r[0-9]{1,18}\.[0-9]{1,18})?$"
"""Empty: none, as the last page of some lists has it."""

EVENT_CURSOR_PATTERN = r"^e[0-9]{1,18}(\.[0-9]{1,18}){4}$"


def write_cursor(seq: int, floor: int = 0) -> str:
    """For the page that begins below `seq` and does not look below `floor`."""
    return f"r{seq}.{floor}"


def read_cursor(text: str) -> tuple[int, int]:
    """(older than this seq, not older than that one).

    Raises: Refused for what is no cursor of ours.
    """
    before, floor = _numbers(text, CURSOR_PATTERN)
    return before, floor


def write_event_cursor(position: Sequence[int]) -> str:
    """For the page of events that begins below this one (`event_log.POSITION`)."""
    return "e" + ".".join(str(number) for number in position)


def read_event_cursor(text: str) -> tuple[int, ...]:
    """Raises: Refused for what is no cursor of ours."""
    return _numbers(text, EVENT_CURSOR_PATTERN)


def _numbers(text: str, pattern: str) -> tuple[int, ...]:
    if not text or not re.fullmatch(pattern, text):
        raise Refused("invalid cursor")
    return tuple(int(number) for number in text[1:].split("."))
