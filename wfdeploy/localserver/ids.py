"""Identifiers as the service makes them."""

from __future__ import annotations

import secrets


def _random(length: int) -> str:
    """Letters, digits, `_` and `-`."""
    return secrets.token_urlsafe(length)[:length]


def new_run_id() -> str:
    """`wfr_` and 21 characters, the form that the SDKs generate."""
    return f"wfr_{_random(21)}"


def new_message_id() -> str:
    return f"msg_{_random(26)}"


def new_server_id() -> str:
    """Names one database for as long as it exists."""
    return f"wfs_{_random(21)}"
