"""A status other than 200 and 201, and what it means for the batch that was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from wfdeploy.model.remote import BatchRefused, Lost, Stop, Throttled, TooLarge, TriggerReply
from wfdeploy.upstash.pacing import is_daily_limit, wait_s
from wfdeploy.upstash.words import error_text, named_running


def reason_of(status: int) -> str:
    """`502 Bad Gateway`; the bare number for a status without a name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def read_refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    sent: Sequence[str],
    *,
    now_ms: int,
    token_source: str,
    scrub: Callable[[str], str],
) -> TriggerReply:
    """What the answer means. `sent`: the batch's workflow run ids; `now_ms`: Unix milliseconds.

    Ambiguous is what may have come after the server, or something before it, had acted: 408, every 5xx, and 2xx
    other than those that are documented. A 4xx was decided before anything was started.
    """
    raw = error_text(body)
    named = reason_of(status)
    message = scrub(f"{named}: {raw}" if raw else named)
    if status in (400, 412):
        return BatchRefused(status, message, named_running(raw, sent))
    if status == 413:
        return TooLarge(message)
    if status == 429:
        limit = "daily limit" if is_daily_limit(headers) else "rate limit"
        return Throttled(f"{message} ({limit})", wait_s(headers, now_ms=now_ms))
    if status == 408 or not 300 <= status < 500:
        return Lost(message)
    return Stop(status, message, stop_hint(status, headers, token_source=token_source, scrub=scrub))


def stop_hint(status: int, headers: Mapping[str, str], *, token_source: str, scrub: Callable[[str], str]) -> str | None:
    """The next thing to do about a status that asking again would not help."""
    if status == 401:
        return f"check the token in {token_source}: the server doesn't know it (each region has its own)"
    if status == 403:
        return f"check the token in {token_source}: it may not do this (a read-only token can't trigger runs)"
    if 300 <= status < 400:
        to = scrub(headers.get("location", ""))
        where = f" (it points to {to})" if to else ""
        return f"redirects are never followed with a token{where}; give the server's own with --url or in wfdeploy.yaml"
    if status in (404, 405):
        return "is this the server's base URL? Give it with --url or in wfdeploy.yaml, without a path such as /v2"
    return None
