"""Columns that line up, in the width there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wfdeploy.render.style import Style, Tone
from wfdeploy.render.width import clip, display_width, pad

_GAP = 2
_LEAST_LAST = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """Printable text and its tone."""

    text: str
    tone: Tone | None = None


def table(heading: Sequence[str], rows: Sequence[Sequence[Cell]], style: Style, *, width: int) -> Iterator[str]:
    """The lines of a table. The last column takes what is left and is clipped; where its heading has no room it is
    dropped, since a line that wraps is harder to read than one that says less. The first is never clipped."""
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
