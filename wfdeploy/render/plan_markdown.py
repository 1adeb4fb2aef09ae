"""A plan as Markdown for a pull request: the counts, what a reviewer must decide, warnings, the changes.

Text of manifests and servers is in code blocks, where Markdown, HTML and mentions have no effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from wfdeploy.errors import several
from wfdeploy.model.address import moved_entry
from wfdeploy.model.plan import Action, Plan
from wfdeploy.render.plan_text import (
    UNVERIFIED,
    counts,
    drift,
    emptied,
    orphaned,
    possibly_renamed,
    possibly_triggered,
    unmatched,
)
from wfdeploy.render.terminal import plain, printable
from wfdeploy.render.vocabulary import continuation
from wfdeploy.render.width import clip

_WIDTH = 110
_ROWS = 300
_ROOM = 30_000
"""The rows and characters of changes. A comment on GitHub has at most 65,536 characters, and the lists need as much."""

_MOST_LISTED = 20
_LONGEST = 200
"""The columns of one text, and almost its characters: some take no column."""

_TICKS = re.compile("`+")


def text(plan: Plan) -> Iterator[str]:
    """The lines of the plan."""
    for line in _lines(plan):
        yield f"{line}\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"### Plan for {_code(plan.project)}, environment {_code(plan.environment)}"
    yield ""
    yield f"**{counts(plan).removeprefix('Plan: ')}**"
    yield ""
    shard = f"Shard {_code(plan.shard)}, server" if plan.shard else "Server"
    yield f"{shard} {_code(plan.url)}, token from {_code(plan.token_source)}, state {_code(plan.state)}."
    if not plan.verified and plan.sends:
        yield ""
        yield f"**Unverified:** {UNVERIFIED}"
    yield from _section("To decide", list(_decisions(plan)))
    yield from _section("Warnings", list(_warnings(plan)))
    if plan.changes:
        from wfdeploy.render.plan_changes import changes_within

        lines, is_cut = changes_within(plan, plain, _WIDTH, _ROWS, _ROWS)
        shown = [_brief(line.removeprefix("  ")) for line in lines]
        most = sum(end < _ROOM for end in accumulate(len(line) + 1 for line in shown))
        yield from _section("Changes", _fenced(shown[:most], "diff"))
        if is_cut or most < len(shown):
            yield ""
            yield "Not all changes are shown: `wfdeploy plan --all` lists every run."
    yield from _section("Notes", _fenced(_some(plan.notes), "text"))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines under a heading, if there are any."""
    if lines:
        yield from ("", f"#### {title}", "", *lines)


def _decisions(plan: Plan) -> Iterator[str]:
    """What goes beyond triggering what is new, as items of a list."""
    cancels, again = plan.summary.get(Action.CANCEL, 0), plan.summary.get(Action.RETRIGGER, 0) + plan.declared_again
    if cancels:
        yield f"- {several(cancels)} would be cancelled."
    for generator, count in islice(plan.emptied.items(), _MOST_LISTED):
        yield f"- {emptied(_code(generator), count)}"
    if len(plan.emptied) > _MOST_LISTED:
        yield f"- The same applies to {several(len(plan.emptied) - _MOST_LISTED, 'more generator')}."
    if again:
        yield f"- {several(again)} would be triggered again."
    if plan.possibly_triggered:
        yield f"- {possibly_triggered(plan)}"
        yield from _item(
            _fenced(_some([f"{address}: {run_id}" for run_id, address in plan.possibly_triggered]), "text")
        )
    if plan.possibly_renamed:
        yield f"- {possibly_renamed(plan)}"
        entries = [moved_entry(old, new) for old, new in plan.possibly_renamed]
        yield from _item(_fenced(["moved:", *(f"  {entry}" for entry in _some(entries))], "yaml"))


def _warnings(plan: Plan) -> Iterator[str]:
    """The warnings, then other facts that a reviewer should know, as list items."""
    yield from _fenced(_some(plan.warnings), "text")
    if plan.warnings:
        yield ""
    if plan.continuations:
        yield "- Somebody handled failed runs elsewhere:"
        yield from _item(_fenced(_some([continuation(one) for one in plan.continuations]), "text"))
    if plan.unmatched_ids:
        text = unmatched(plan)
        yield f"- {text[:1].upper()}{text[1:]}"
        yield from _item(_fenced(_some(plan.unmatched_ids), "text"))
    if plan.drifted:
        yield f"- {drift(plan.drifted, plan.handled)}"
    if plan.orphans:
        yield f"- {orphaned(plan)}"


def _some(texts: Sequence[str]) -> Sequence[str]:
    """The first texts, and the number of the others."""
    more = len(texts) - _MOST_LISTED
    return [*texts[:_MOST_LISTED], *([f"and {more:,} more"] if more > 0 else [])]


def _brief(text: str) -> str:
    """A text as one visible line, clipped."""
    return clip(printable(text)[: _LONGEST + 50], _LONGEST)


def _code(value: str) -> str:
    """A text as a code span that no backtick in it can end."""
    shown = _brief(value)
    ticks = _ticks([shown], least=1)
    room = " " if not shown or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{room}{shown}{room}{ticks}"


def _fenced(lines: Sequence[str], language: str) -> Sequence[str]:
    """Lines as a code block that none of them can end; nothing for no lines."""
    shown = list(map(_brief, lines))
    while shown and not shown[0]:
        del shown[0]
    if not shown:
        return []
    fence = _ticks(shown, least=3)
    return [f"{fence}{language}", *shown, fence]


def _item(lines: Sequence[str]) -> Iterator[str]:
    """Lines as a part of the list item above them."""
    yield ""
    yield from (f"  {line}" for line in lines)


def _ticks(texts: Sequence[str], *, least: int) -> str:
    """More consecutive backticks than in any of the texts."""
    longest = max((len(ticks) for line in texts for ticks in _TICKS.findall(line)), default=0)
    return "`" * max(least, longest + 1)
