"""Cursors: opaque to clients, a position and perhaps a floor inside."""

from __future__ import annotations

import re

from wfdeploy.localserver.problems import Refused

CURSOR_PATTERN = r"^r[0-9]{1,18}\.[0-9]{1,18}$"
_CURSOR = re.compile(r"r([0-9]{1,18})\.([0-9]{1,18})")


def write_cursor(seq: int, floor: int = 0) -> str:
    """For the page that begins below `seq` and does not look below `floor`."""
    return f"r{seq}.{floor}"


def read_cursor(text: str) -> tuple[int, int]:
    """(older than this seq, not older than that one).

    Raises: Refused for what is no cursor of ours.
    """
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise Refused("invalid cursor")
    return int(match[1]), int(match[2])
