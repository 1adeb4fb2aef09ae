"""The server's own words: what an error body says, and which runs it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

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


def error_text(body: bytes, *, reason: str = "") -> str:
    """What an error answer says: JSON `{"error": ...}`, the title of an HTML page, plain text, else `reason`.

    Not scrubbed yet.
    """
    text = body[:_LONGEST_READ].decode("utf-8", "replace").strip()
    if not text:
        return reason
    try:
        value = json_of(text)
    except (ValueError, RecursionError):
        return _page_text(text) or reason
    return error_of(value) or reason


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
