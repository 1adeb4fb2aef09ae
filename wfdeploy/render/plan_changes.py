"""The changes of a plan for people: by group, many alike folded into one, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain, groupby, islice

from wfdeploy.model.address import group_of
from wfdeploy.model.first_changes import FirstChanges
from wfdeploy.model.plan import Action, Plan
from wfdeploy.render.folding import FOLD_FROM, SAMPLES, Fold, fold
from wfdeploy.render.plan_text import TONES
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone
from wfdeploy.render.values import change_lines
from wfdeploy.render.width import clip, display_width, pad

_WIDEST_ADDRESS = 48  # a longer one pushes its own line only
_ALIGNED = 1000  # so many lines of a group are looked at for the width of its column


def change_blocks(plan: Plan, style: Style, width: int, everything: bool) -> Iterator[str]:
    """The lines of all changes, by group, an empty one before each. `everything`: fold nothing."""
    for folds in _folded(plan, everything):
        yield ""
        begin = list(islice(folds, _ALIGNED))
        column = min(
            max((display_width(printable(f.first.address)) for f in begin if f.count == 1), default=0),
            _WIDEST_ADDRESS,
        )
        for entry in chain(begin, folds):
            yield from _entry(entry, style, width, column)


def _folded(plan: Plan, everything: bool) -> Iterator[Iterator[Fold]]:
    """The folds of each group that has changes."""
    if isinstance(plan.changes, FirstChanges) and not plan.kept and not everything:
        for count, alike in plan.changes.alike():
            yield iter([Fold(list(islice(alike, FOLD_FROM)), count)]) if count >= FOLD_FROM else fold(alike)
        return
    changes = merge(plan.changes, plan.kept, key=lambda change: change.address)
    for _, members in groupby(changes, lambda change: group_of(change.address)):
        yield fold(members, everything=everything)


def _entry(entry: Fold, style: Style, width: int, column: int) -> Iterator[str]:
    change, count = entry.first, entry.count
    tone = TONES[change.action]
    sign = style(change.action.sign, tone)
    reason = printable(change.reason) or ("unchanged" if change.action is Action.KEEP else change.action.value)
    if count == 1:
        place = "" if change.source is None else f"  {printable(str(change.source))}"
        yield f"  {sign} {pad(printable(change.address), column)}  {reason}{style(place, Tone.FAINT)}"
    else:
        differ = "; the values differ, as in" if entry.values_differ else ""
        yield f"  {sign} {count:,} runs of {printable(group_of(change.address))}  {reason}{differ}"
        yield f"      {style(_samples(entry, width - 6), Tone.FAINT)}"
    for field in change.diff:
        for line in change_lines(field, style, width=width - 6):
            yield f"      {line}"
    for warning in change.warnings:
        yield f"      {style('warning:', Tone.CHANGED)} {printable(warning)}"


def _samples(entry: Fold, room: int) -> str:
    tail = f" and {entry.count - SAMPLES:,} more"
    names = ", ".join(printable(change.address) for change in entry.samples[:SAMPLES])
    return clip(names, max(room - len(tail), 20)) + tail
