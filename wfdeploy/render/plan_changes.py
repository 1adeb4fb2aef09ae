"""The changes of a plan for people: by group, many alike folded into one, field by field; where these are too many for
a screen, the first of each action, what needs a person ahead of what doesn't."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, islice
from typing import TypeAlias

from wfdeploy.model.address import group_of
from wfdeploy.model.plan import Action, Change, FirstChanges, Plan
from wfdeploy.render.folding import FOLD_FROM, SAMPLES, Fold, fold
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.values import change_lines
from wfdeploy.render.vocabulary import TONES
from wfdeploy.render.width import ELLIPSIS, clip, display_width, pad, rows

_WIDEST_ADDRESS = 48  # a longer one pushes its own line only
_ALIGNED = 1000  # so many lines of a group are looked at for the width of its column
_MOST_ROWS = 4  # of one entry, where several have to share what room there is

_Kind: TypeAlias = tuple[Action, bool]
"""An action, and whether there is something to be warned of."""

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


def every_change(plan: Plan, style: Style, width: int) -> Iterator[str]:
    """The lines of all changes, by group, an empty one before each."""
    for changes in _groups(plan):
        yield from _block((Fold([change]) for change in changes), style, width)


def changes_within(plan: Plan, style: Style, width: int, room: int, few: int) -> tuple[Sequence[str], bool]:
    """Lines that tell of all changes, and whether something is only counted in them: each change, if that takes `few`
    rows at most, else about `room` rows."""
    sections = _sections(plan, few)
    if all(section.is_whole for section in sections.values()):
        folds = sorted((f for section in sections.values() for f in section.folds), key=lambda f: f.first.address)
        groups = [list(members) for _, members in groupby(folds, lambda f: group_of(f.first.address))]
        if sum(rows(line, width) for group in groups for line in _block(group, plain, width)) <= few:
            return [line for group in groups for line in _block(group, style, width)], False
    lines = [""]
    kinds = sorted(sections, key=lambda kind: (_URGENCY.index(kind[0]), not kind[1]))
    shares = _shares([_need(sections[kind], width, room) for kind in kinds], room - 1)
    for kind, share in zip(kinds, shares, strict=True):
        lines += _section_lines(kind, sections[kind], style, width, share)
    return lines, True


@dataclass(slots=True)
class _Section:
    """The first folds with one action, and how many runs and groups there are."""

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
    """All changes; of each kind the first folds, of which no more than `most` could be shown."""
    sections: dict[_Kind, _Section] = {}
    if isinstance(plan.changes, FirstChanges) and not plan.kept:
        section = sections[Action.TRIGGER, False] = _Section()
        for count, alike in plan.changes.alike():
            if len(section.folds) >= most:  # without a look at its runs
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


def _need(section: _Section, width: int, room: int) -> int:
    """How many rows would show all of a section, if that is less than there are."""
    needed = 1
    for entry in section.folds:
        needed += sum(_rows(entry, width))
        if needed >= room:
            return room
    return needed


def _shares(needs: Sequence[int], room: int) -> Sequence[int]:
    """Each as much as it needs, or as much as each other one that gets less than it needs; the first a bit more."""
    shares = [0] * len(needs)
    for number, index in enumerate(sorted(range(len(needs)), key=lambda index: (needs[index], -index))):
        shares[index] = min(needs[index], room // (len(needs) - number))
        room -= shares[index]
    return shares


def _section_lines(kind: _Kind, section: _Section, style: Style, width: int, room: int) -> Iterator[str]:
    """How much of a kind there is, the first entries of it, how many more."""
    is_cut = _need(section, width, room + 1) > room
    alone = len(section.folds) == 1
    left = room - (1 if alone or not is_cut else 2)  # the heading, and how many more
    most = min(left, _MOST_ROWS) if is_cut and not alone else left
    column = _column(section.folds)
    shown: list[str] = []
    told: list[Fold] = []
    for entry in section.folds:
        lines, taken = _within(entry, style, width, column, most)
        left -= taken
        if left < 0:
            break
        shown += lines
        told.append(entry)
    action, is_warned = kind
    what = {Action.BLOCKED: "blocked", Action.KEEP: "unchanged"}.get(action, f"to {action.value}")
    warned = " with a warning" if is_warned else ""
    heading = f"{section.runs:,} {what}{warned}, in {section.groups:,} group{'' if section.groups == 1 else 's'}"
    yield style(f"{heading}{':' if told else '.'}", TONES[action])
    yield from shown
    more = section.runs - sum(entry.count for entry in told)
    if told and more:
        others = section.groups - len({group_of(entry.first.address) for entry in told})
        also = f", also in {others:,} other group{'' if others == 1 else 's'}" if others else ""
        yield style(f"  and {more:,} more{also}", Tone.FAINT)


def _within(entry: Fold, style: Style, width: int, column: int, most: int) -> tuple[Sequence[str], int]:
    """An entry's lines as far as `most` rows go, and how many rows these take: the first line at least."""
    measured = _rows(entry, width)
    lines = list(_entry(entry, style, width, column, longest=width))
    if sum(measured) <= most:
        return lines, sum(measured)
    is_told = most > 2  # that there are more lines
    kept = max(1, sum(taken <= most - is_told for taken in accumulate(measured)))
    more = [f"      {style(f'{ELLIPSIS} {len(lines) - kept:,} more lines', Tone.FAINT)}"] if is_told else []
    return [*lines[:kept], *more], sum(measured[:kept]) + len(more)


def _rows(entry: Fold, width: int) -> Sequence[int]:
    """How many rows each line of an entry takes."""
    return [rows(line, width) for line in _entry(entry, plain, width, 0, longest=width)]


def _block(folds: Iterable[Fold], style: Style, width: int) -> Iterator[str]:
    """The lines of a group, an empty one first."""
    yield ""
    rest = iter(folds)
    begin = list(islice(rest, _ALIGNED))
    column = _column(begin)
    for part in (begin, rest):
        for entry in part:
            yield from _entry(entry, style, width, column)


def _column(folds: Sequence[Fold]) -> int:
    """How wide the column of addresses is."""
    singles = (display_width(printable(entry.first.address)) for entry in folds if entry.count == 1)
    return min(max(singles, default=0), _WIDEST_ADDRESS)


def _entry(entry: Fold, style: Style, width: int, column: int, *, longest: int | None = None) -> Iterator[str]:
    """`longest`: the columns that a word of the user's may take."""

    def brief(text: str) -> str:
        return printable(text) if longest is None else clip(printable(text), longest)

    change, count = entry.first, entry.count
    sign = style(change.action.sign, TONES[change.action])
    reason = brief(change.reason) or ("unchanged" if change.action is Action.KEEP else change.action.value)
    if count == 1:
        place = "" if change.source is None else f"  {brief(str(change.source))}"
        yield f"  {sign} {pad(brief(change.address), column)}  {reason}{style(place, Tone.FAINT)}"
    else:
        differ = f"; {entry.differs}, as in" if entry.differs else ""
        yield f"  {sign} {count:,} runs of {printable(group_of(change.address))}  {reason}{differ}"
        yield f"      {style(_samples(entry, width - 6), Tone.FAINT)}"
    for warning in change.warnings:
        yield f"      {style('warning:', Tone.CHANGED)} {brief(warning)}"
    for differing in change.diff:
        for line in change_lines(differing._replace(path=brief(differing.path)), style, width=width - 6):
            yield f"      {line}"


def _samples(entry: Fold, room: int) -> str:
    tail = f" and {entry.count - SAMPLES:,} more" if entry.count > SAMPLES else ""
    names = ", ".join(printable(change.address) for change in entry.samples[:SAMPLES])
    return clip(names, max(room - len(tail), 20)) + tail
