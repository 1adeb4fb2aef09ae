"""Text for a terminal: made safe to show, and styled.

A terminal obeys control characters. A manifest or a server's answer must not be able to move the cursor, retitle the
window or hide a line of a plan, so everything that isn't visible text is escaped.

Renderers name a tone; the writer decides what it looks like, or whether it is visible at all. So no meaning depends on
a tone alone: there is always a sign or a word too.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import Protocol

# Unicode's control, format, surrogate, line and paragraph separator characters (general categories Cc, Cf, Cs, Zl, Zp)
# and all tag characters.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """One line of visible text; invisible characters become escapes like `\\x1b`."""
    return text if _is_plain(text) else _unsafe().sub(_escape, text)


def printable_lines(text: str) -> str:
    """Visible text that keeps its line breaks."""
    return text if _is_plain(text.replace("\n", "")) else _unsafe_in_lines().sub(_escape, text)


def json_safe(encoded: str) -> str:
    """Equivalent JSON text without raw control characters in its strings."""
    return encoded if _is_plain(encoded.replace("\n", "")) else _unsafe_in_lines().sub(_json_escape, encoded)


def without_commands(text: str) -> str:
    """Escape text that CI runners would execute as a command in a job's output. JSON text keeps its meaning.

    They recognise `::` at the beginning of a line and `##[` anywhere in it (actions/runner,
    `src/Runner.Common/ActionCommand.cs`; also Gitea's and Forgejo's runners), Azure Pipelines `##vso[`, TeamCity
    `##teamcity[`.
    """
    if "::" not in text and "##" not in text:
        return text
    return _command().sub(lambda match: rf"{match['before']}\u{ord(match['sign']):04x}", text)


def _is_plain(text: str) -> bool:
    """Whether there certainly is nothing to escape, as in most texts."""
    return text.isascii() and text.isprintable()


# Compiled when needed, which takes a millisecond; most commands never need them.
@cache
def _unsafe() -> re.Pattern[str]:
    return re.compile(f"[{_UNSAFE}]")


@cache
def _unsafe_in_lines() -> re.Pattern[str]:
    return re.compile(f"(?!\n)[{_UNSAFE}]")


@cache
def _command() -> re.Pattern[str]:
    return re.compile(r"(?P<before>^[^\S\n]*(?=::)|##(?:vso|teamcity)?(?=\[))(?P<sign>.)", re.MULTILINE)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = _byte_or_code(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _byte_or_code(character: str) -> int:
    """The byte of half a surrogate pair, as in a file name that isn't UTF-8 (PEP 383), or the code point."""
    code = ord(character)
    return code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:  # many JSON parsers refuse half of a pair
        return "\\" + _escape(match)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


class Tone(Enum):
    GOOD = "good"  # new, fine
    CHANGED = "changed"  # changes, needs attention
    BAD = "bad"  # removed, failed
    CALM = "calm"  # information
    FAINT = "faint"  # secondary: places, reasons, units
    STRONG = "strong"  # headings and other landmarks


class Style(Protocol):
    """Styles text for its destination."""

    def __call__(self, text: str, tone: Tone, /) -> str: ...


def plain(text: str, _tone: Tone, /) -> str:
    """The style of pipes, files and tests: unstyled."""
    return text


def without_passwords(word: str) -> str:
    """A word of a command line, to be shown to others: a URL in it without its password."""
    word = re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1@", word)
    return re.sub(r"([?&](?:ssl)?password=)[^&\s]*", r"\1...", word)
