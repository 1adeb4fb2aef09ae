"""The server's own words: what an error body says, which runs it names, and what a status other than 200 and 201 means
for the batch that was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from http import HTTPStatus
from typing import Any

from wfdeploy.model.remote import BatchRefused, Lost, Stop, Throttled, TooLarge, TriggerReply
from wfdeploy.upstash.facts import is_daily_limit, wait_s

# What is never closed ends with the text: else each beginning would look through all the rest in vain.
_TAGS = re.compile(
    r"<(script|style)\b.*?(?:</\1\b[^<>]*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*(?:>|(?=<)|\Z)", re.DOTALL | re.IGNORECASE
)
_TITLE = re.compile(r"<(title|h1)\b[^<>]*>(.*?)(?:</\1\b|\Z)", re.DOTALL | re.IGNORECASE)
_LONGEST_READ = 64 * 1024

_RUNS = re.compile(
    r"\balready\b.{0,30}?\b(?:running|exists?|active|in[ -]progress|started|triggered|in use)\b"
    r"|\b(?:is|are|still|currently) (?:running|active|in[ -]progress|in use)\b"
    r"|\b(?:run|id)\b.{0,300}?\bexists\b"
    r"|\bduplicate (?:workflow )?run\b",
    re.IGNORECASE | re.DOTALL,
)
_DENIES = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|whether|if)\b|n't\b).{0,20}?"
    r"\b(?:running|exists?|active|in[ -]progress|in use|found|known)\b"
    r"|\bwhether\b",
    re.IGNORECASE | re.DOTALL,
)
_SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++(?=\s|$)|[;\r\n]+")
_ID_LIKE = re.compile(r"[\w.-]+")


def json_of(body: bytes | str) -> Any:
    """The JSON value of an answer. Half of a surrogate pair becomes a question mark: it can be neither stored nor sent
    back, as a cursor say. Raises: `ValueError`, `RecursionError`."""
    value = json.loads(body)
    if (b"\\u" in body or b"\xed" in body) if isinstance(body, bytes) else "\\u" in body:
        return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value


def error_text(body: bytes) -> str:
    """What an error answer says: JSON `{"error": ...}`, the title of an HTML page, plain text; empty for nothing.

    Not scrubbed yet.
    """
    text = body[:_LONGEST_READ].decode("utf-8", "replace").strip()
    try:
        value = json_of(text)
    except (ValueError, RecursionError):
        return _page_text(text)
    return error_of(value)


def error_of(value: object) -> str:
    """The error message in a JSON value, empty when it holds none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        for name in ("error", "message", "detail"):
            if found := error_of(value.get(name)):
                return found
    return ""


def _page_text(text: str) -> str:
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return " ".join(unescape(_TAGS.sub(" ", title[2] if title else text)).split())


def by_returned_id(sent: Iterable[str]) -> dict[str, str]:
    """Returned id -> sent id, as it was sent and with `wfr_` put before it.

    The official SDKs put the prefix there themselves; whether the server adds its own to an id that came over REST
    is not documented. An id that was sent as it is wins over another's prefixed form.
    """
    sent = tuple(sent)
    known = {f"wfr_{workflow_run_id}": workflow_run_id for workflow_run_id in sent}
    known.update(zip(sent, sent, strict=True))
    return known


def named_running(message: str, sent: Iterable[str]) -> frozenset[str]:
    """Those of the sent ids that a refusal names in a sentence that says of a run that it is in progress.

    Upstream's "singleton workflows" guide: while a run is in progress, a trigger with its id fails with status 400.
    Its text isn't documented, so this is a reason to ask the logs, and no more: a quota may be worded much the same,
    and list the ids of what it refuses. An id counts as a whole, as it was sent or with one more `wfr_`; a longer one
    that begins or ends like it is another id. Words without an id of ours say nothing about our runs.
    """
    known = by_returned_id(sent)
    named: set[str] = set()
    for sentence in _SENTENCE_END.split(message):
        if _RUNS.search(sentence) and not _DENIES.search(sentence):
            words = (form for word in _ID_LIKE.findall(sentence) for form in (word, word.strip(".-")))
            named.update(known[word] for word in words if word in known)
    return frozenset(named)


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
