"""Read error answers: the message of an error body, the runs it names, and the meaning of a refused batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from http import HTTPStatus
from typing import Any

from wfdeploy.model.remote import BatchRefused, Lost, Stop, Throttled, TooLarge, TriggerReply
from wfdeploy.upstash.endpoint import HOSTED_URL, US_URL
from wfdeploy.upstash.facts import daily_limit_end_ms, is_daily_limit, wait_s

# An unclosed tag ends with the text; otherwise every opening would search the whole rest in vain.
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
_OTHER_REGION = re.compile(
    r"\b(?:not found|unknown|doesn't exist|does not exist) in this region\b(?: \((us|eu)-[a-z0-9-]+\))?", re.IGNORECASE
)
"""`user (ID) not found in this region (eu-central-1)`, which the service answers with 404 to a token of another one."""

_ID_LIKE = re.compile(r"[\w.-]+")


def json_of(body: bytes | str) -> Any:
    """The JSON value of an answer. Half of a surrogate pair, which can be neither stored nor sent, becomes a question
    mark. Raises: `ValueError`, `RecursionError`."""
    value = json.loads(body)
    if (b"\\u" in body or b"\xed" in body) if isinstance(body, bytes) else "\\u" in body:
        return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value


def error_text(body: bytes) -> str:
    """The message of an error answer: from JSON `{"error": ...}`, the title of an HTML page, or plain text.

    It may be empty, and is not scrubbed yet.
    """
    text = body[:_LONGEST_READ].decode("utf-8", "replace").strip()
    try:
        value = json_of(text)
    except (ValueError, RecursionError):
        return page_text(text)
    return error_of(value)


def error_of(value: object) -> str:
    """The error message in a JSON value, empty if there is none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        for name in ("error", "message", "detail"):
            if found := error_of(value.get(name)):
                return found
    return ""


def page_text(text: str) -> str:
    """The title of an HTML page, or else its visible text; any other text as it is."""
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return " ".join(unescape(_TAGS.sub(" ", title[2] if title else text)).split())


def by_returned_id(sent: Iterable[str]) -> dict[str, str]:
    """Returned id -> sent id, both as sent and with the prefix `wfr_`.

    The official SDKs add the prefix themselves. Whether the server adds one to an id that came over REST is not
    documented. An id as sent wins over another id's prefixed form.
    """
    sent = tuple(sent)
    known = {f"wfr_{workflow_run_id}": workflow_run_id for workflow_run_id in sent}
    known.update(zip(sent, sent, strict=True))
    return known


def named_running(message: str, sent: Iterable[str]) -> frozenset[str]:
    """The sent ids that a refusal names in a sentence about a run in progress.

    Upstream's "singleton workflows" guide: while a run is in progress, a trigger with its id fails with status 400. The
    text isn't documented, so a match is only a reason to look into the logs: a quota's message may be similar and list
    the refused ids. Only whole ids count, as sent or with one more `wfr_`. Text without one of our ids says nothing
    about our runs.
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
    """The meaning of an answer other than 200 and 201.

    `sent`: the batch's workflow run ids.
    `now_ms`: the current time in Unix milliseconds.

    An answer is ambiguous if the server, or a proxy, may have acted before it: 408, every 5xx, and undocumented 2xx. A
    4xx means that nothing was started.
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
        end_ms = daily_limit_end_ms(headers, now_ms=now_ms)
        return Throttled(f"{message} ({limit})", wait_s(headers, now_ms=now_ms), end_ms)
    if status == 408 or not 300 <= status < 500:
        return Lost(message)
    return Stop(status, message, stop_hint(status, headers, raw, token_source=token_source, scrub=scrub))


def stop_hint(
    status: int, headers: Mapping[str, str], text: str, *, token_source: str, scrub: Callable[[str], str]
) -> str | None:
    """What to do about a status that another try would not change. `text`: the message of the answer."""
    if (elsewhere := _OTHER_REGION.search(text)) is not None:
        asked = (elsewhere[1] or "").lower()
        right = {"eu": f"{US_URL} (the US)", "us": f"{HOSTED_URL} (Europe)"}  # there are two
        return (
            f"the token in {token_source} belongs to another region: set its URL with --url, or as url in "
            f"wfdeploy.yaml: {right.get(asked, f'{US_URL} for the US or {HOSTED_URL} for Europe')}"
        )
    if status == 401:
        return f"check the token in {token_source}: the server doesn't know it (each region has its own tokens)"
    if status == 403:
        return f"check the token in {token_source}: it may not do this (a read-only token can't trigger runs)"
    if 300 <= status < 400:
        to = scrub(headers.get("location", ""))
        where = f" (it points to {to})" if to else ""
        return f"redirects are never followed with a token{where}; set the real URL with --url or in wfdeploy.yaml"
    if status in (404, 405):
        return "check the server's base URL: set it with --url or in wfdeploy.yaml, without a path such as /v2"
    return None
