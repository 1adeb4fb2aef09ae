"""URLs that runs are sent to."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from wfdeploy.documents.values import Problem
from wfdeploy.model.request import SecretText, Text

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_NOT_IN_A_URL = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
"""RFC 3986: what is neither reserved nor unreserved has to be percent-encoded."""
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")

_EXAMPLE = "for example https://app.example.com/api/workflow"
_STAND_IN = "x"  # for a secret: its value is not known here


def url_problem(what: str, url: Text, *, insecure: bool) -> Problem | None:
    """Why a URL can't be a destination; None when it can. `insecure` allows plain http to other machines.

    Secrets may stand in path and query only: where a run goes to has to be known before it is sent.
    """
    text, secret_at = _plain(url)
    if not text:
        return Problem("bad-url", f"{what} is empty", _EXAMPLE)
    bad = _NOT_IN_A_URL.search(text)
    if bad is not None:
        char = "a space" if bad[0] == " " else f"{bad[0]!r}"
        hint = "write variables as ${{ vars.NAME }}" if bad[0] in "{}" else "percent-encode what is not plain ASCII"
        return Problem("bad-url", f"{what} holds {char}: {text!r}", hint)
    match = _AUTHORITY.match(text)
    if match is None:
        return Problem("bad-url", f"{what} is not an absolute URL: {text!r}", _EXAMPLE)
    if secret_at is not None and secret_at <= match.end():
        hint = "use ${{ vars.NAME }} for the host; secrets may stand in path and query"
        return Problem("secret-in-host", f"{what} holds a secret in its host", hint)
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        return Problem("bad-url", f"{what} begins with {scheme}:, only http and https are possible", _EXAMPLE)
    if "@" in match[1]:
        hint = "send an Authorization header with a secret instead"
        return Problem("credentials-in-url", f"{what} holds a user name or password", hint)
    if "#" in text:
        return Problem("bad-url", f"{what} has a fragment ('#...'), which is never sent", "remove it")
    if _is_usual(match[0], insecure=insecure):
        return None
    return _host_problem(what, text, scheme, insecure=insecure)


@lru_cache(maxsize=1000)
def _is_usual(origin: str, *, insecure: bool) -> bool:
    """Whether nothing is wrong with a URL's beginning, which is all that a host's problems depend on."""
    return _host_problem("", origin, origin.partition(":")[0].lower(), insecure=insecure) is None


def _host_problem(what: str, text: str, scheme: str, *, insecure: bool) -> Problem | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return Problem("bad-url", f"{what} is not a valid URL: {error}", _EXAMPLE)
    if not host:
        return Problem("bad-url", f"{what} names no host: {text!r}", _EXAMPLE)
    if port == 0 or not (_is_address(host) or (_HOST_NAME.fullmatch(host) and len(host) <= 253)):
        return Problem("bad-url", f"{what} names no valid host: {parts.netloc!r}", _EXAMPLE)
    if scheme == "http" and not insecure and not is_loopback(host):
        hint = "use https, or set server.insecureDestinations: true in wfdeploy.yaml"
        return Problem("insecure-destination", f"{what} sends its payload unencrypted to {host}", hint)
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine (RFC 6761 for names)."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1000)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(url: Text) -> tuple[str, int | None]:
    """The URL with something harmless for its secrets, and where the first of them stands."""
    if not isinstance(url, SecretText):
        return url, None
    text, first = "", None
    for part in url.parts:
        if isinstance(part, str):
            text += part
        else:
            first = len(text) if first is None else first
            text += _STAND_IN
    return text, first
