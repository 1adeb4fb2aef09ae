"""The server's base URL: which ones are good, and what makes two of them the same server."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from wfdeploy.errors import UsageError

_ODD = re.compile(r"[\s\x00-\x1f\x7f\\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(url: str) -> bool:
    """Whether a URL names this very machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(text: str, *, source: str) -> str:
    """A server URL in its one form: lower-case scheme and host, no default port, no slash at the end.

    `source` names where it was given, for the message. Raises: `UsageError` when it isn't an absolute https URL
    (http only on this machine: a token would travel in the clear), or holds credentials, a query or a fragment.
    """
    parts = _split(text.strip(), source)
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"the server URL of {source} holds credentials",
            hint="take them out; the token comes from its variable or from --token-file",
        )
    shown = f"the server URL {text.strip()!r} of {source}"
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{shown} isn't a plain http(s) URL", hint="give it like https://qstash.upstash.io")
    if parts.scheme == "http" and not is_loopback(text.strip()):
        raise UsageError(
            f"{shown} is not encrypted, and the token would be readable on the way",
            hint="use https; plain http is for servers on this machine",
        )
    return _origin(parts) + parts.path.rstrip("/")


def origin(url: str) -> str:
    """Scheme, host and port of a URL in one form (`https://host`, `http://127.0.0.1:8080`): what a state is bound to.

    Raises: `ValueError` when the text isn't a URL with a host.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"no server in {url!r}")
    return _origin(parts)


def _split(text: str, source: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise UsageError(f"the server URL of {source} can't be read: {error}") from error
    if _ODD.search(text):
        raise UsageError(f"the server URL of {source} holds blanks or control characters")
    return parts


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}"
