"""The changes of a plan for people: grouped, folded where many are alike, field by field.

Where they are too many for a screen, the first of each action are shown, the most urgent actions first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import accumulate, groupby, islice
from typing import NamedTuple, TypeAlias

from wfdeploy.errors import several
from wfdeploy.model.address import group_of
from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange, FirstChanges, Plan
from wfdeploy.render.folding import FOLD_FROM, SAMPLES, Fold, fold
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import TONES
from wfdeploy.render.width import ELLIPSIS, PIPE, clip, display_width, inside, pad, rows

_CONTEXT = 16  # characters kept in front of the first difference of long values
_LEAST_ROOM = 24
_INDENT = 6  # of what belongs to an entry
_OF_ONE = ("is ", "was ", "has ")  # how a reason begins that is a sentence about one run
_MOST_DIFF_LINES = 20
_MOST_LINES_COMPARED = 2_000  # difflib's time grows with the square


def shown(value: object) -> str:
    """A value as one line of JSON that is safe to show."""
    if value is ABSENT:
        return "(not set)"
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def change_lines(change: FieldChange, style: Style, *, width: int | None) -> Iterator[str]:
    """The lines of a field's change, without indentation, at most `width` wide if possible (None: values are whole)."""
    path = printable(change.path)
    if isinstance(change.old, str) and isinstance(change.new, str) and "\n" in change.old + change.new:
        yield f"{path}:"
        yield from _line_by_line(change.old, change.new, style, width)
        return
    old, new = shown(change.old), shown(change.new)
    arrow = f" {style('->', Tone.FAINT)} "
    if display_width(path) + 2 + display_width(old) + 4 + display_width(new) <= (width or PIPE - _INDENT):
        yield f"{path}: {style(old, _tone_of_old(change))}{arrow}{style(new, _tone_of_new(change))}"
        return
    if width is not None:
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
    # Start a little before the first difference, or earlier if there is room left at the end.
    start = max(0, min(same - _CONTEXT, max(len(old), len(new)) + len(ELLIPSIS) - room))
    if start <= len(ELLIPSIS):
        return clip(old, room), clip(new, room)
    return clip(ELLIPSIS + old[start:], room), clip(ELLIPSIS + new[start:], room)


def _line_by_line(old: str, new: str, style: Style, width: int | None) -> Iterator[str]:
    before, after = old.split("\n"), new.split("\n")
    if max(len(before), len(after)) > _MOST_LINES_COMPARED:
        yield f"  {several(len(before), 'line')} {style('->', Tone.FAINT)} {several(len(after), 'line')}"
        return
    room = inside(width, 2, _LEAST_ROOM)
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
        yield f"  {style(_more_lines(more), Tone.FAINT)}"


def _more_lines(count: int) -> str:
    return f"{ELLIPSIS} {several(count, 'more line')}"


_WIDEST_ADDRESS = 48  # a longer address only shifts its own line
_ALIGNED = 1000  # the lines of a group that determine the width of its column
_MOST_ROWS = 4  # of one entry, when several share the room

_Kind: TypeAlias = tuple[Action, bool]
"""An action, and whether the changes have a warning."""

_URGENCY = (
    Action.CANCEL,
    Action.FORGET,
    Action.BLOCKED,
    Action.RESUME,
    Action.RESTART,
    Action.RETRIGGER,
    Action.RECOVER,
    Action.ADOPT,
    Action.TRIGGER,
    Action.KEEP,
)


def every_change(plan: Plan, style: Style, width: int | None) -> Iterator[str]:
    """The lines of all changes by group, with an empty line before each group."""
    for changes in _groups(plan):
        yield ""
        yield from _block((Fold([change]) for change in changes), style, width)


class Part(NamedTuple):
    """Changes that are shown together: those of a group, or, where there are too many for that, those with one action.

    heading: how many of which action.
    lines: the changes, or as many as there is room for.
    group: empty where the changes are those with one action.
    tone: of the heading.
    """

    heading: str
    lines: Sequence[str]
    group: str = ""
    tone: Tone = Tone.STRONG


def parts_within(plan: Plan, style: Style, width: int | None, room: int, few: int) -> tuple[Sequence[Part], bool]:
    """The parts for all changes, and whether some changes are only counted in them.

    All changes are shown, by group, if they take at most `few` rows; otherwise about `room` rows are used.
    """
    sections = _sections(plan, few)
    if all(section.is_whole for section in sections.values()):
        folds = sorted((f for section in sections.values() for f in section.folds), key=lambda f: f.first.address)
        groups = [list(members) for _, members in groupby(folds, lambda f: group_of(f.first.address))]
        if sum(rows(line, width) for group in groups for line in ("", *_block(group, plain, width))) <= few:
            return [_group_part(group, style, width) for group in groups], False
    kinds = sorted(sections, key=lambda kind: (_URGENCY.index(kind[0]), not kind[1]))
    shares = _shares([_need(sections[kind], width, room) for kind in kinds], room - 1)
    return [_kind_part(kind, sections[kind], style, width, n) for kind, n in zip(kinds, shares, strict=True)], True


def changes_within(plan: Plan, style: Style, width: int | None, room: int, few: int) -> tuple[Sequence[str], bool]:
    """The lines of `parts_within` one below the other, with an empty line before each group."""
    parts, is_cut = parts_within(plan, style, width, room, few)
    if not is_cut:
        return [line for part in parts for line in ("", *part.lines)], False
    headed = ((style(f"{part.heading}{':' if part.lines else '.'}", part.tone), *part.lines) for part in parts)
    return ["", *(line for lines in headed for line in lines)], True


@dataclass(slots=True)
class _Section:
    """The first folds with one action, and the number of all runs and groups with it."""

    folds: list[Fold] = field(default_factory=list)
    runs: int = 0
    groups: int = 0
    last_group: str = ""
    is_whole: bool = True

    def add(self, entry: Fold, most: int) -> None:
        group = group_of(entry.first.address)
        self.runs += entry.count
        self.groups += group != self.last_group
        self.last_group = group
        if len(self.folds) < most:
            self.folds.append(entry)
        else:
            self.is_whole = False


def _sections(plan: Plan, most: int) -> dict[_Kind, _Section]:
    """All changes by kind; of each kind the first folds, at most `most`."""
    sections: dict[_Kind, _Section] = {}
    if isinstance(plan.changes, FirstChanges) and not plan.kept:
        section = sections[Action.TRIGGER, False] = _Section()
        for count, alike in plan.changes.blocks():
            if len(section.folds) >= most:  # count them without reading them
                section.runs, section.groups, section.is_whole = section.runs + count, section.groups + 1, False
                continue
            for entry in [Fold(list(islice(alike, FOLD_FROM)), count)] if count >= FOLD_FROM else fold(alike):
                section.add(entry, most)
        return sections
    for changes in _groups(plan):
        for entry in fold(changes):
            kind = entry.first.action, bool(entry.first.warnings)
            sections.setdefault(kind, _Section()).add(entry, most)
    return sections


def _groups(plan: Plan) -> Iterator[Iterator[Change]]:
    return (members for _, members in groupby(plan.explained(), lambda change: group_of(change.address)))


def _need(section: _Section, width: int | None, room: int) -> int:
    """The rows that the whole section takes, or `room` if it takes more."""
    needed = 1
    for entry in section.folds:
        needed += sum(_rows(entry, width))
        if needed >= room:
            return room
    return needed


def _shares(needs: Sequence[int], room: int) -> Sequence[int]:
    """Divide the rows: small needs are met in full, the others share the rest equally; the first get the remainder."""
    shares = [0] * len(needs)
    for number, index in enumerate(sorted(range(len(needs)), key=lambda index: (needs[index], -index))):
        shares[index] = min(needs[index], room // (len(needs) - number))
        room -= shares[index]
    return shares


def _group_part(folds: Sequence[Fold], style: Style, width: int | None) -> Part:
    counts = Counter[Action]()
    for entry in folds:
        counts[entry.first.action] += entry.count
    heading = ", ".join(f"{counts[action]:,} {_what(action)}" for action in Action if counts[action])
    return Part(heading, list(_block(folds, style, width)), group_of(folds[0].first.address))


def _kind_part(kind: _Kind, section: _Section, style: Style, width: int | None, room: int) -> Part:
    """A heading with the number of runs, the first entries, and the number of the others."""
    is_cut = _need(section, width, room + 1) > room
    alone = len(section.folds) == 1
    left = room - (1 if alone or not is_cut else 2)  # the heading, and the number of the others
    most = min(left, _MOST_ROWS) if is_cut and not alone else left
    column = _column(section.folds)
    shown: list[str] = []
    entries: list[Fold] = []
    for entry in section.folds:
        lines, taken = _within(entry, style, width, column, most)
        left -= taken
        if left < 0:
            break
        shown += lines
        entries.append(entry)
    action, is_warned = kind
    warned = " with a warning" if is_warned else ""
    more = section.runs - sum(entry.count for entry in entries)
    if entries and more:
        others = section.groups - len({group_of(entry.first.address) for entry in entries})
        also = f", also in {several(others, 'other group')}" if others else ""
        shown.append(style(f"  and {more:,} more{also}", Tone.FAINT))
    heading = f"{section.runs:,} {_what(action)}{warned}, in {several(section.groups, 'group')}"
    return Part(heading, shown, tone=TONES[action])


def _what(action: Action) -> str:
    """The words for changes with an action, after their number."""
    return {Action.BLOCKED: "blocked", Action.KEEP: "unchanged"}.get(action, f"to {action.value}")


def _within(entry: Fold, style: Style, width: int | None, column: int, most: int) -> tuple[Sequence[str], int]:
    """An entry's lines within `most` rows, but at least the first one; and the rows that they take."""
    measured = _rows(entry, width)
    lines = list(_entry(entry, style, width, column, longest=width))
    if sum(measured) <= most:
        return lines, sum(measured)
    has_note = most > 2  # about the other lines
    kept = max(1, sum(taken <= most - has_note for taken in accumulate(measured)))
    more = [f"      {style(_more_lines(len(lines) - kept), Tone.FAINT)}"] if has_note else []
    return [*lines[:kept], *more], sum(measured[:kept]) + len(more)


def _rows(entry: Fold, width: int | None) -> Sequence[int]:
    """The rows that each line of an entry takes."""
    return [rows(line, width) for line in _entry(entry, plain, width, 0, longest=width)]


def _block(folds: Iterable[Fold], style: Style, width: int | None) -> Iterator[str]:
    """The lines of a group."""
    rest = iter(folds)
    begin = list(islice(rest, _ALIGNED))
    column = _column(begin)
    for part in (begin, rest):
        for entry in part:
            yield from _entry(entry, style, width, column)


def _column(folds: Sequence[Fold]) -> int:
    """The width of the column of addresses."""
    singles = (display_width(printable(entry.first.address)) for entry in folds if entry.count == 1)
    return min(max(singles, default=0), _WIDEST_ADDRESS)


def _entry(entry: Fold, style: Style, width: int | None, column: int, *, longest: int | None = None) -> Iterator[str]:
    """The lines of an entry. `longest`: the columns that a text of the user's may take."""

    def brief(text: str) -> str:
        return clip(printable(text), longest)

    indent = " " * _INDENT
    change, count = entry.first, entry.count
    sign = style(change.action.sign, TONES[change.action])
    reason = brief(change.reason) or ("unchanged" if change.action is Action.KEEP else change.action.value)
    if count == 1:
        place = "" if change.source is None else f"  {brief(str(change.source))}"
        yield f"  {sign} {pad(brief(change.address), column)}  {reason}{style(place, Tone.FAINT)}"
    else:
        differ = f"; {entry.differs}, as in" if entry.differs else ""
        each = "each " if reason.startswith(_OF_ONE) else ""
        yield f"  {sign} {several(count)} of {printable(group_of(change.address))}: {each}{reason}{differ}"
        yield f"{indent}{style(_samples(entry, inside(width, _INDENT, 1)), Tone.FAINT)}"
    for warning in change.warnings:
        yield f"{indent}{style('warning:', Tone.CHANGED)} {brief(warning)}"
    for differing in change.diff:
        for line in change_lines(
            differing._replace(path=brief(differing.path)), style, width=inside(width, _INDENT, 1)
        ):
            yield f"{indent}{line}"


def _samples(entry: Fold, room: int | None) -> str:
    tail = f" and {entry.count - SAMPLES:,} more" if entry.count > SAMPLES else ""
    names = ", ".join(printable(change.address) for change in entry.samples[:SAMPLES])
    return clip(names, inside(room, len(tail), 20)) + tail
