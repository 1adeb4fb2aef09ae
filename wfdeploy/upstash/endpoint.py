"""Decide which server and which token to use, and check base URLs.

Flags beat variables, and variables beat the project file. But only flags beat an environment chosen with `-e`: its URL
is the project file's or the hosted default, so a stray `QSTASH_URL` never sends production's runs elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from wfdeploy.errors import UsageError
from wfdeploy.model.project import LOCAL, ServerSettings, is_this_machine

HOSTED_URL = "https://qstash.upstash.io"
"""The European region. Source: upstash.com/docs/workflow/howto/multi-region, "Regional URLs"."""

US_URL = "https://qstash-us-east-1.upstash.io"

DEV_TOKEN = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="  # noqa: S105
"""The token of the development server's default user, published in the SDKs: no secret."""

_DEV_PORT = 8080
_ON = frozenset(("true", "1"))
_OFF = frozenset(("", "false", "0"))
_REGIONS = {
    "EU_CENTRAL_1": (HOSTED_URL, "https://qstash-eu-central-1.upstash.io"),
    "US_EAST_1": (US_URL,),
}
"""The values of `QSTASH_REGION`, each with its URLs."""


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token that was given directly. `source`: its origin, for messages."""

    source: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server and its token.

    `token`: None if there is none.
    `token_source`: where the token is looked for.
    `dev`: whether this is the local development server; `url` is then its default one.
    `ignored`: a message and a hint about a variable that names another server and doesn't count.
    """

    url: str
    token: str | None = field(repr=False)
    token_source: str
    dev: bool = False
    ignored: tuple[str, str] | None = None


def resolve_endpoint(
    env: Mapping[str, str],
    *,
    server: ServerSettings,
    url: str | None = None,
    given: GivenToken | None = None,
    local: bool = False,
    chosen: str | None = None,
) -> Endpoint:
    """The endpoint given by flags (`url`, `given`, `local`), variables and project file.

    `chosen`: the environment named with `-e`, or None.
    `server`: the project file's settings for it.

    Raises: `UsageError` for invalid or contradictory values.
    """
    if local and url is not None:
        raise UsageError("--local and --url name two different servers", hint="leave one of them out")
    if local or (url is None and wants_dev_server(env)):
        origin_ = "--local" if local else "QSTASH_DEV"
        if chosen not in (None, LOCAL):
            raise UsageError(
                f"{origin_} selects the local server, and -e selects {chosen!r}",
                hint="leave --local out" if local else "unset QSTASH_DEV to work on a hosted environment",
            )
        where = "the local server"
        return Endpoint(url=f"http://127.0.0.1:{dev_port(env)}", token=DEV_TOKEN, token_source=where, dev=True)
    region = region_prefix(env) if chosen is None else ""
    found_url = _url(env, server, url, region=region, chosen=chosen is not None)
    token, token_source = _token(env, server, given, region)
    ignored = None if url is not None else _ignored(env, found_url, region=region, chosen=chosen)
    return Endpoint(url=found_url, token=token, token_source=token_source, ignored=ignored)


def wants_dev_server(env: Mapping[str, str]) -> bool:
    """Whether `QSTASH_DEV` is on. Raises: `UsageError` for a value that the SDKs refuse too."""
    value = env.get("QSTASH_DEV", "").strip().lower()
    if value in _ON:
        return True
    if value in _OFF:
        return False
    raise UsageError(f"QSTASH_DEV is {value!r}, which is neither on nor off", hint="use true or false")


def dev_port(env: Mapping[str, str]) -> int:
    """The development server's port, `QSTASH_DEV_PORT`. Raises: `UsageError` for an invalid one."""
    value = env.get("QSTASH_DEV_PORT", "").strip()
    if not value:
        return _DEV_PORT
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise UsageError(f"QSTASH_DEV_PORT is {value!r}, which is not a port", hint="use a number from 1 to 65535")
    return int(value)


def region_prefix(env: Mapping[str, str]) -> str:
    """The prefix of the variables' names for `QSTASH_REGION` (`US_EAST_1_`), empty without a region.

    If the region's own URL or token is missing, the plain variables are used, as in the SDKs; never one of each, since
    a token is only valid in its region. Raises: `UsageError` for an unknown region.
    """
    region = _region(env)
    if not region:
        return ""
    if region not in _REGIONS:
        raise UsageError(
            f"QSTASH_REGION is {env['QSTASH_REGION'].strip()!r}, which is not a known region",
            hint=f"use {' or '.join(_REGIONS)}",
        )
    is_complete = all(env.get(f"{region}_{name}", "").strip() for name in ("QSTASH_URL", "QSTASH_TOKEN"))
    return f"{region}_" if is_complete else ""


def _region(env: Mapping[str, str]) -> str:
    return env.get("QSTASH_REGION", "").strip().upper().replace("-", "_")


def _ignored(env: Mapping[str, str], used: str, *, region: str, chosen: str | None) -> tuple[str, str] | None:
    """A message and a hint about a variable that names another server than the one that is used.

    `region`: the prefix that counts, if any.
    `chosen`: the environment named with `-e`, which takes the server from the project file.
    """
    named = _region(env)
    if chosen is None:
        if region or used not in {url for urls in _REGIONS.values() for url in urls} - {*_REGIONS.get(named, (used,))}:
            return None
        return (
            f"QSTASH_REGION is {named} and is ignored: {named}_QSTASH_URL and {named}_QSTASH_TOKEN are not both set; "
            f"the server is {used}",
            f"set both, or QSTASH_URL={_REGIONS[named][0]}",
        )
    try:
        prefix = region_prefix(env)
        variable = f"{prefix}QSTASH_URL"
        value = env.get(variable, "").strip()
        urls = (base_url(value, source=variable),) if value else _REGIONS.get(named, (used,))
    except UsageError:  # invalid, and nobody uses it
        return None
    if used in urls:
        return None
    which = variable if value else "QSTASH_REGION"
    return (
        f"{which} is {urls[0] if value else named} and is ignored: with -e {chosen}, the server comes from the project "
        f"file; it is {used}",
        f"to use it, set it as url in wfdeploy.yaml, or name it with --url {urls[0]}",
    )


def checked_token(text: str, *, source: str) -> str:
    """A token without the line end of its file. Raises: `UsageError` for text that can't go into a header."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{source} contains no valid token: it is empty, or has blanks or special characters")
    return token


def _url(env: Mapping[str, str], server: ServerSettings, flag: str | None, *, region: str, chosen: bool) -> str:
    if flag is not None:
        return base_url(flag, source="--url")
    variable = f"{region}QSTASH_URL"
    if not chosen and (value := env.get(variable, "").strip()):
        return base_url(value, source=variable)
    return base_url(server.url, source="the project file") if server.url else HOSTED_URL


def _token(
    env: Mapping[str, str], server: ServerSettings, given: GivenToken | None, region: str
) -> tuple[str | None, str]:
    """The token and its source. A `tokenEnv` of the project file replaces the usual variable."""
    if given is not None:
        return checked_token(given.text, source=given.source), given.source
    variable = server.token_env or f"{region}QSTASH_TOKEN"
    value = env.get(variable, "").strip()
    return (checked_token(value, source=variable) if value else None), variable


_ODD = re.compile(r"[\s\x00-\x1f\x7f\\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    return is_this_machine(urlsplit(url).hostname or "")


def base_url(text: str, *, source: str) -> str:
    """A server URL in its normal form: lower-case scheme and host, no default port, no slash at the end.

    `source`: where it was given, for the message. Raises: `UsageError` unless it is an absolute https URL (or http on
    this machine; elsewhere the token would be readable) without credentials, query and fragment.
    """
    parts = _split(text.strip(), source)
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"the server URL of {source} contains credentials",
            hint="remove them; the token comes from its variable or from --token-file",
        )
    shown = f"the server URL {text.strip()!r} of {source}"
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{shown} is not a plain http(s) URL", hint="write it like https://qstash.upstash.io")
    if parts.scheme == "http" and not is_loopback(text.strip()):
        raise UsageError(
            f"{shown} is not encrypted, so the token would be readable in transit",
            hint="use https; plain http is only allowed for servers on this machine",
        )
    return _origin(parts) + parts.path.rstrip("/")


def origin(url: str) -> str:
    """Scheme, host and port of a URL (`https://host`, `http://127.0.0.1:8080`), which a state is bound to.

    Raises: `ValueError` for a text that is not a URL with a host.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"no server in {url!r}")
    return _origin(parts)


def _split(text: str, source: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise UsageError(f"the server URL of {source} is invalid: {error}") from error
    if _ODD.search(text):
        raise UsageError(f"the server URL of {source} contains blanks or control characters")
    return parts


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}"
