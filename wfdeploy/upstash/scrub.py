"""Remove secrets from the server's texts before they are shown or stored."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

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
    """Turns a server's text into one line that is safe to show.

    Each of `values` is replaced by `***` in whatever encoding it appears. It has no control characters or terminal
    escapes, and at most `limit` characters. The patterns are compiled on first use, since most commands need none.
    """

    def __init__(self, values: Iterable[str], *, limit: int = 500) -> None:
        self._values = frozenset(values)
        self._limit = limit
        self._patterns: tuple[re.Pattern[str], ...] | None = None

    def __call__(self, text: str) -> str:
        # Mask before and after the clean-up: it changes blanks and line ends that a value may contain, and it joins
        # text that an escape sequence separated.
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
    """The text on one line, without escape sequences, invisible characters and those that reorder text."""
    return _BLANK.sub(" ", _UNSEEN.sub("", _TERMINAL.sub("", text))).strip()


def _worth_hiding(values: Iterable[str]) -> set[str]:
    """The values themselves, their `visible` forms, and the long lines of values with several lines (keys)."""
    found = set()
    for value in values:
        found |= {value, value.strip(), visible(value)}
        found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
    return {value for value in found if value.strip("*")}


def _spans(patterns: Iterable[re.Pattern[str]], text: str) -> Iterator[tuple[int, int]]:
    """All matches, including overlapping ones: a value that begins inside another one must be masked to its end."""
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


_LONGEST_BY_CHARACTER = 512
_CASE_MATTERS_BELOW = 8
_SHORTEST_ENCODED = 4

_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_ESCAPED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", '"': '"', "/": "/", "'": "'"}
_BASE64 = {"+": r"(?:[+\-]|%2[bBdD]|\\{1,8}u002[bBdD])", "/": r"(?:\\{0,8}/|_|%2[fF]|%5[fF]|\\{1,8}u002[fF])"}
_SOFT_BREAK = r"(?:=\r?\n)?"  # quoted-printable may break a line anywhere
_BASE64_NEIGHBOUR = r"[A-Za-z0-9+/_\-]?"


def pattern(value: str) -> re.Pattern[str]:
    """A pattern that finds `value` in any encoding.

    Plain, percent-, JSON-, HTML- or quoted-printable-encoded (per character, also mixed and escaped several times),
    base64 or base64url at any alignment, and hex. Values of less than 4 characters are only found as whole words, since
    they occur in any text by chance.
    """
    if len(value) < _SHORTEST_ENCODED:
        return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
    octets = value.encode("utf-8", "surrogatepass")
    spelled = _by_character(value) if len(value) <= _LONGEST_BY_CHARACTER else _as_a_whole(value)
    forms = (*spelled, *_base64_forms(octets), "".join(map(_hex, octets)))
    # Longer values are found in any case, since some servers fold the case of what they echo.
    return re.compile("|".join(forms), re.IGNORECASE if len(value) >= _CASE_MATTERS_BELOW else 0)


def _by_character(value: str) -> Iterator[str]:
    yield _SOFT_BREAK.join(_run(match[0]) for match in re.finditer(r"\\+|[^\\]", value, re.DOTALL))


def _run(text: str) -> str:
    """A character, or a run of backslashes, with one quantifier for the whole run: otherwise matching could explode."""
    if text[0] != "\\":
        return _character(text)
    each = f"(?:{_character(text[0])}){{{len(text)}}}"
    return rf"(?:\\{{{len(text)},{8 * len(text)}}}|{each})"


def _character(char: str) -> str:
    octets = char.encode("utf-8", "surrogatepass")
    units = char.encode("utf-16-be", "surrogatepass")
    forms = [
        re.escape(char),
        "".join(f"%(?:25){{0,4}}{_hex(octet)}" for octet in octets),
        _SOFT_BREAK.join(f"={_hex(octet)}" for octet in octets),
        "".join(rf"\\{{1,8}}x{_hex(octet)}" for octet in octets),
        "".join(rf"\\{{1,8}}u{_hex(high)}{_hex(low)}" for high, low in zip(units[::2], units[1::2], strict=True)),
        f"&(?:amp;){{0,4}}#0{{0,6}}{ord(char)};",
        f"&(?:amp;){{0,4}}#[xX]0{{0,6}}{_any_case(f'{ord(char):x}')};",
    ]
    if char in _NAMED:
        forms.append(_NAMED[char])
    if char in _ESCAPED:
        forms.append(rf"\\{{1,8}}{re.escape(_ESCAPED[char])}")
    if char == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"


def _as_a_whole(value: str) -> Iterator[str]:
    """The encodings of a value that is too long for a pattern per character."""
    forms = {value, quote(value, safe=""), quote(value), quote_plus(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    yield from map(re.escape, sorted(forms))


def _base64_forms(octets: bytes) -> Iterator[str]:
    """The part of the base64 text that doesn't depend on the value's surroundings, for each of the three alignments.

    The characters next to it contain bits of the value too, mixed with a neighbour's, and are masked as well.
    """
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + octets).decode()
        core = encoded[math.ceil(offset * 8 / 6) : (offset + len(octets)) * 8 // 6]
        inner = "".join(_BASE64.get(char, char) for char in core)
        yield f"{_BASE64_NEIGHBOUR}{inner}{_BASE64_NEIGHBOUR}={{0,2}}"


def _hex(octet: int) -> str:
    return _any_case(f"{octet:02x}")


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
