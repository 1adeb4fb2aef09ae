"""How wide text is on a terminal, and how it is made to fit."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"


def display_width(text: str) -> int:
    """How many columns printable text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def clip(text: str, columns: int) -> str:
    """The beginning of `text`, with an ellipsis where something is missing; at most `columns` wide."""
    if display_width(text) <= columns:
        return text
    taken: list[str] = []
    left = columns - 1
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        taken.append(character)
    return "".join(taken) + ELLIPSIS


def pad(text: str, columns: int) -> str:
    """`text` filled up with blanks to `columns`."""
    return text + " " * max(0, columns - display_width(text))


def rows(text: str, columns: int) -> int:
    """How many rows of a screen a line of printable text takes."""
    return max(1, -(-display_width(text) // max(columns, 1)))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
