"""The width of text on a terminal, and tables that fit into it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wfdeploy.render.terminal import Style, Tone

_GAP = 2
_LEAST_LAST = 8

ELLIPSIS = "…"


def display_width(text: str) -> int:
    """The columns that printable text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def clip(text: str, columns: int) -> str:
    """`text`, cut to at most `columns`, with an ellipsis if something is missing."""
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
    """`text`, padded with blanks to `columns`."""
    return text + " " * max(0, columns - display_width(text))


def rows(text: str, columns: int) -> int:
    """The rows that a line of printable text takes on a screen."""
    return max(1, -(-display_width(text) // max(columns, 1)))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Cell:
    """Printable text and its tone."""

    text: str
    tone: Tone | None = None


def table(heading: Sequence[str], rows: Sequence[Sequence[Cell]], style: Style, *, width: int) -> Iterator[str]:
    """The lines of a table.

    The last column gets the remaining width and is clipped. If its heading doesn't fit, the column is dropped, since a
    wrapped line is harder to read than a shorter one. The first column is never clipped.
    """
    widths = [
        max(len(title), *(display_width(row[column].text) for row in rows)) for column, title in enumerate(heading)
    ]
    shown = len(heading)
    least = [max(len(title), _LEAST_LAST) for title in heading]
    while shown > 2 and sum(widths[: shown - 1]) + _GAP * (shown - 1) + least[shown - 1] > width:
        shown -= 1
    left = width - sum(widths[: shown - 1]) - _GAP * (shown - 1)
    widths[shown - 1] = max(min(widths[shown - 1], left), _LEAST_LAST)
    titles = [Cell(title, Tone.FAINT) for title in heading]
    for row in (titles, *rows):
        parts = []
        for column, cell in enumerate(row[:shown]):
            text = cell.text if column == 0 else clip(cell.text, widths[column])
            padding = "" if column == shown - 1 else " " * (len(pad(text, widths[column])) - len(text) + _GAP)
            parts.append((text if cell.tone is None else style(text, cell.tone)) + padding)
        yield "".join(parts).rstrip() + "\n"
