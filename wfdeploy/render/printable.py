"""Text from manifests and servers made safe to show.

A terminal obeys control characters: a manifest or a server's answer must not be able to move the cursor, retitle
the window or hide a line of a plan. So nothing that isn't visible text is ever written as it is.
"""

from __future__ import annotations

import re
from functools import cache

# What Unicode calls control, format, surrogate, line and paragraph separator (general categories Cc, Cf, Cs, Zl, Zp),
# and all of the tag characters.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """One line of visible text: what isn't visible is shown as an escape, like `\\x1b`."""
    return text if _is_plain(text) else _unsafe().sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for text whose line breaks are wanted."""
    return text if _is_plain(text.replace("\n", "")) else _unsafe_in_lines().sub(_escape, text)


def json_safe(encoded: str) -> str:
    """JSON text whose strings hold no raw control character; it means the same."""
    return encoded if _is_plain(encoded.replace("\n", "")) else _unsafe_in_lines().sub(_json_escape, encoded)


def without_commands(text: str) -> str:
    """Escape what runners of CI jobs take for a command in a job's output; in JSON text it means the same.

    They look for `::` at the beginning of a line, and for `##[` anywhere in it (actions/runner,
    `src/Runner.Common/ActionCommand.cs`; Gitea's and Forgejo's runners do so too), Azure Pipelines for `##vso[`,
    TeamCity for `##teamcity[`.
    """
    if "::" not in text and "##" not in text:
        return text
    return _command().sub(lambda match: rf"{match['before']}\u{ord(match['sign']):04x}", text)


def _is_plain(text: str) -> bool:
    """Whether there is surely nothing to escape, as in most texts."""
    return text.isascii() and text.isprintable()


# Made when they are needed: most commands never do, and these take a millisecond to compile.
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
    """The byte that half of a surrogate pair stands for, as in a file name that isn't UTF-8 (PEP 383); else the code
    point."""
    code = ord(character)
    return code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:  # many readers of JSON refuse half of a pair
        return "\\" + _escape(match)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
