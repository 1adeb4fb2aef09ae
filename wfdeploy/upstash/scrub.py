"""Secrets out of the server's words, before they are shown or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wfdeploy.upstash.encodings import pattern

MASK = "***"

_LONGEST_TEXT = 16 * 1024
_SHORTEST_LINE = 16

_TERMINAL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_BLANK = re.compile(r"\s+")


class Scrubber:
    """Takes a server's text and gives back one line that is safe to show: each of `values` replaced by `***` in
    whatever encoding it came back, no control characters or terminal escapes, at most `limit` characters.

    Patterns are made at first use, since most commands never have a text to scrub.
    """

    def __init__(self, values: Iterable[str], *, limit: int = 500) -> None:
        self._values = frozenset(values)
        self._limit = limit
        self._patterns: tuple[re.Pattern[str], ...] | None = None

    def __call__(self, text: str) -> str:
        # Both before the clean-up, which changes blanks and line ends that a value may hold, and after it, which
        # joins what an escape sequence kept apart.
        clean = self._masked(visible(self._masked(text[:_LONGEST_TEXT])))
        return clean if len(clean) <= self._limit else clean[: self._limit - 1].rstrip() + "…"

    def _masked(self, text: str) -> str:
        if self._patterns is None:
            self._patterns = tuple(map(pattern, sorted(_worth_hiding(self._values))))
        masked: list[str] = []
        done = 0
        for start, end in _merged(_spans(self._patterns, text)):
            masked += text[done:start], MASK
            done = end
        return "".join((*masked, text[done:]))


def visible(text: str) -> str:
    """The text on one line, without escape sequences and characters that don't show or that reorder what does."""
    return _BLANK.sub(" ", _UNSEEN.sub("", _TERMINAL.sub("", text))).strip()


def _worth_hiding(values: Iterable[str]) -> set[str]:
    """The values themselves, as `visible` leaves them, and the long lines of those that have several (keys)."""
    found = set()
    for value in values:
        found |= {value, value.strip(), visible(value)}
        found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
    return {value for value in found if value.strip("*")}


def _spans(patterns: Iterable[re.Pattern[str]], text: str) -> Iterator[tuple[int, int]]:
    """Every match, overlapping ones too: a second value that begins inside a first must not keep its tail."""
    for regex in patterns:
        at = 0
        while match := regex.search(text, at):
            yield match.span()
            at = match.start() + 1


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begin = end = -1
    for start, stop in sorted(spans):
        if start > end:
            if begin >= 0:
                yield begin, end
            begin, end = start, stop
        else:
            end = max(end, stop)
    if begin >= 0:
        yield begin, end
