"""The text of a file as the C parser should see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from wfdeploy.model.document import Fields

# YAML 1.1, and so libyaml, takes these three for line breaks; to YAML 1.2 (section 5.4) they are ordinary characters
# of JSON strings. The parser is shown characters of the private use area instead, one for one, so that positions hold.
_BREAKS = "\x85\u2028\u2029"
_PRIVATE = range(0xF000, 0xF8FF)
_ANY_BREAK = re.compile(f"[{_BREAKS}]")
_LINE_END = re.compile(r"\r\n|\r|\n")

UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in a YAML file (YAML 1.2.2, section 5.1)."""


LineColumn: TypeAlias = tuple[int, int]
"""A place in a text, both from 1."""


def open_parser(text: str) -> Any:
    """libyaml's parser on a text. Any: the binding has no types worth the name."""
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    return CParser(_Stream(text))


class _Stream:
    """A text to be read bit by bit. Given as a whole, the parser would encode all of it at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self, size: int = 1 << 14, /) -> str:
        part = self._text[self._at : self._at + size]
        self._at += len(part)
        return part


def hide_breaks(text: str) -> tuple[str, dict[int, str]]:
    """The text without YAML 1.1's extra line breaks, and the table that brings them back (empty: nothing to do)."""
    if _ANY_BREAK.search(text) is None:
        return text, {}
    free = (code for code in _PRIVATE if chr(code) not in text)
    table = {ord(char): chr(next(free)) for char in _BREAKS}
    return text.translate(table), {ord(stand_in): chr(char) for char, stand_in in table.items()}


def show_breaks(value: object, table: dict[int, str]) -> object:
    """Parsed data with the breaks back in its strings and keys. Data that aliases share is shared again."""
    return _shown(value, table, {}) if table else value


def _shown(value: object, table: dict[int, str], done: dict[int, object]) -> object:
    if isinstance(value, str):
        return value.translate(table)
    if not isinstance(value, dict | list):
        return value
    if id(value) not in done:
        if isinstance(value, Fields):
            fields = Fields((key.translate(table), _shown(item, table, done)) for key, item in value.items())
            fields.line = value.line
            done[id(value)] = fields
        else:
            done[id(value)] = [_shown(item, table, done) for item in value]
    return done[id(value)]


def lines_of(text: str) -> list[str]:
    """All lines, as YAML 1.2 breaks them."""
    return _LINE_END.split(text)


def inside(place: LineColumn, lines: Sequence[str]) -> LineColumn:
    """A place in the text. What libyaml finds (or misses) behind its end is shown behind the last thing written."""
    line, column = place
    # Nothing is copied here: there may be a hundred thousand places to check, and the file may be a single line.
    if line <= len(lines) and column <= len(lines[line - 1]) + 1:
        following = (lines[number] for number in range(line - 1, len(lines)))
        if any(text and not text.isspace() for text in following):
            return place
    last = max((number for number, text in enumerate(lines, start=1) if text.strip()), default=1)
    return last, len(lines[last - 1].rstrip()) + 1
