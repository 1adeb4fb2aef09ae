"""Identifiers as the service makes them."""

from __future__ import annotations

import secrets
import string


def _random(length: int) -> str:
    """Letters, digits, `_` and `-`."""
    return secrets.token_urlsafe(length)[:length]


def new_run_id() -> str:
    """`wfr_` and 21 characters, the form that the SDKs generate."""
    return f"wfr_{_random(21)}"


def new_message_id() -> str:
    return f"msg_{_random(26)}"


def new_signing_key() -> str:
    """`sig_` and 28 letters or digits, as the published ones look."""
    letters = string.ascii_letters + string.digits
    return "sig_" + "".join(secrets.choice(letters) for _ in range(28))


def new_server_id() -> str:
    """Names one database for as long as it exists."""
    return f"wfs_{_random(21)}"
