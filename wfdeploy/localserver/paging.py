"""Cursors: opaque to clients, a position and perhaps a floor inside."""

from __future__ import annotations

import base64
import binascii
import re

from wfdeploy.localserver.problems import Refused


def write_cursor(seq: int, floor: int = 0) -> str:
    """For the page that begins below `seq` and does not look below `floor`."""
    return base64.urlsafe_b64encode(f"r{seq}.{floor}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[int, int]:
    """(older than this seq, not older than that one).

    Raises: Refused for what is no cursor of ours.
    """
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        plain = ""
    match = re.fullmatch(r"r(\d{1,18})\.(\d{1,18})", plain)
    if match is None:
        raise Refused("invalid cursor")
    return int(match[1]), int(match[2])
