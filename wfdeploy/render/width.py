"""The width of text on a terminal, and tables that fit into it.

A width of None is that of files and pipes: nothing is cut and no column dropped, since what is missing from the log of
a CI job can't be had by a wider window.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wfdeploy.render.terminal import Style, Tone

_GAP = 2
_LEAST_LAST = 8

PIPE = 100
"""The columns by which lines are laid out, but not cut, where there is no terminal: the same everywhere, so that
outputs can be compared."""

ELLIPSIS = "…"


def display_width(text: str) -> int:
    """The columns that printable text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def clip(text: str, columns: int | None) -> str:
    """`text`, cut to at most `columns` (None: not at all), with an ellipsis if something is missing."""
    if columns is None or display_width(text) <= columns:
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


def inside(width: int | None, taken: int, least: int) -> int | None:
    """What `taken` columns leave of a width, but at least `least`."""
    return None if width is None else max(width - taken, least)


def wrap(text: str, columns: int | None) -> Iterator[str]:
    """The lines of a text of at most `columns` each (None: one line), broken between words where possible."""
    while columns is not None and display_width(text) > columns:
        line = clip(text, columns + 1)[:-1]  # as much as fits, without the ellipsis
        if " " in line and not text[len(line) :].startswith(" "):
            line = line[: line.rindex(" ")]
        yield line.rstrip()
        text = text[len(line) :].lstrip()
    yield text


def rows(text: str, columns: int | None) -> int:
    """The rows that a line of printable text takes on a screen."""
    return max(1, -(-display_width(text) // max(PIPE if columns is None else columns, 1)))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Cell:
    """Printable text and its tone."""

    text: str
    tone: Tone | None = None


def table(heading: Sequence[str], rows: Sequence[Sequence[Cell]], style: Style, *, width: int | None) -> Iterator[str]:
    """The lines of a table.

    On a terminal, the last column gets the remaining width and is clipped. If its heading doesn't fit, the column is
    dropped, since a wrapped line is harder to read than a shorter one. The first column is never clipped.
    """
    widths = [
        max(len(title), *(display_width(row[column].text) for row in rows)) for column, title in enumerate(heading)
    ]
    shown = len(heading)
    if width is not None:
        least = [max(len(title), _LEAST_LAST) for title in heading]
        while shown > 2 and sum(widths[: shown - 1]) + _GAP * (shown - 1) + least[shown - 1] > width:
            shown -= 1
        left = width - sum(widths[: shown - 1]) - _GAP * (shown - 1)
        widths[shown - 1] = max(min(widths[shown - 1], left), _LEAST_LAST)
    titles = [Cell(title, Tone.FAINT) for title in heading]
    for row in (titles, *rows):
        parts = []
        for column, cell in enumerate(row[:shown]):
            text = cell.text if column == 0 or width is None else clip(cell.text, widths[column])
            padding = "" if column == shown - 1 else " " * (len(pad(text, widths[column])) - len(text) + _GAP)
            parts.append((text if cell.tone is None else style(text, cell.tone)) + padding)
        yield "".join(parts).rstrip() + "\n"
