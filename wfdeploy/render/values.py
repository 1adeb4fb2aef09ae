"""One differing field, old -> new, short enough to read and long enough to tell the two apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from itertools import islice

from wfdeploy.model.plan import ABSENT, FieldChange
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone
from wfdeploy.render.width import ELLIPSIS, clip, display_width

_CONTEXT = 16  # characters kept in front of the first difference of long values
_LEAST_ROOM = 24
_MOST_DIFF_LINES = 20
_MOST_LINES_COMPARED = 2_000  # difflib's time grows with the square


def shown(value: object) -> str:
    """A value as one line of JSON, safe to show."""
    if value is ABSENT:
        return "(not set)"
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def change_lines(change: FieldChange, style: Style, *, width: int) -> Iterator[str]:
    """The lines that show a field's change, without indentation, at most `width` wide where that is possible."""
    path = printable(change.path)
    if isinstance(change.old, str) and isinstance(change.new, str) and "\n" in change.old + change.new:
        yield f"{path}:"
        yield from _line_by_line(change.old, change.new, style, width)
        return
    old, new = shown(change.old), shown(change.new)
    arrow = f" {style('->', Tone.FAINT)} "
    if display_width(path) + 2 + display_width(old) + 4 + display_width(new) <= width:
        yield f"{path}: {style(old, _tone_of_old(change))}{arrow}{style(new, _tone_of_new(change))}"
        return
    old, new = _around_the_difference(old, new, max(width - 4, _LEAST_ROOM))
    yield f"{path}:"
    yield f"  {style('- ' + old, _tone_of_old(change))}"
    yield f"  {style('+ ' + new, _tone_of_new(change))}"


def _tone_of_old(change: FieldChange) -> Tone:
    return Tone.FAINT if change.old is ABSENT else Tone.BAD


def _tone_of_new(change: FieldChange) -> Tone:
    return Tone.FAINT if change.new is ABSENT else Tone.GOOD


def _around_the_difference(old: str, new: str, room: int) -> tuple[str, str]:
    if display_width(old) <= room and display_width(new) <= room:
        return old, new
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    # From a little before the first difference; from further back where that leaves room at the end.
    start = max(0, min(same - _CONTEXT, max(len(old), len(new)) + len(ELLIPSIS) - room))
    if start <= len(ELLIPSIS):
        return clip(old, room), clip(new, room)
    return clip(ELLIPSIS + old[start:], room), clip(ELLIPSIS + new[start:], room)


def _line_by_line(old: str, new: str, style: Style, width: int) -> Iterator[str]:
    before, after = old.split("\n"), new.split("\n")
    if max(len(before), len(after)) > _MOST_LINES_COMPARED:
        yield f"  {len(before):,} lines {style('->', Tone.FAINT)} {len(after):,} lines"
        return
    room = max(width - 2, _LEAST_ROOM)
    lines = islice(unified_diff(before, after, n=1, lineterm=""), 2, None)  # without the two file names
    shown_lines = list(islice(lines, _MOST_DIFF_LINES))
    for line in shown_lines:
        text = clip(printable(line), room)
        match line[0]:
            case "+":
                yield f"  {style(text, Tone.GOOD)}"
            case "-":
                yield f"  {style(text, Tone.BAD)}"
            case "@":
                yield f"  {style(text, Tone.FAINT)}"
            case _:
                yield f"  {text}".rstrip()
    more = sum(1 for _ in lines)
    if more:
        yield f"  {style(f'{ELLIPSIS} {more:,} more lines', Tone.FAINT)}"
