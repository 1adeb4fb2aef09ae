"""A plan as Markdown for a pull request: the counts, what a reviewer must decide, warnings, the changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice

from wfdeploy.errors import several
from wfdeploy.model.address import moved_entry
from wfdeploy.model.options import MANY
from wfdeploy.model.plan import Action, Plan
from wfdeploy.model.pull_request import GITHUB_LIMIT
from wfdeploy.render.markdown import (
    MOST_LISTED,
    approvals,
    brief,
    code,
    details,
    fenced,
    html_code,
    item,
    section,
    some,
)
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
from wfdeploy.render.terminal import plain
from wfdeploy.render.vocabulary import continuation

_WIDTH = 110
_PER_ROW = 200
"""The characters of a comment for each row of changes that it may have: some 300 rows at GitHub."""

_OPEN = 40
"""The rows of changes up to which they are unfolded."""

_LEAST_ROOM = 2_000
_CUT = "Not all changes are shown: `wfdeploy plan --all` lists every run."


def text(plan: Plan, *, limit: int = GITHUB_LIMIT) -> Iterator[str]:
    """The lines of the plan, with fewer characters than `limit`, which is at least that of GitHub or a little less."""
    forbidden = [str(one) for one in plan.violations if one.is_error]
    lines = [
        *_head(plan),
        *section("Forbidden by policies", fenced(some(forbidden), "text")),
        *section("To decide", list(_decisions(plan))),
        *section("Warnings", list(_warnings(plan))),
    ]
    notes = list(section("Notes", fenced(some(plan.notes), "text")))
    taken = sum(len(line) + 1 for line in (*lines, *notes))
    for line in (*lines, *changes(plan, limit=limit - taken), *notes):
        yield f"{line}\n"


def changes(plan: Plan, *, limit: int, title: str = "Changes") -> Iterator[str]:
    """The section of the changes, folded by group; or by action, where there are too many for the room."""
    if not plan.changes:
        return
    from wfdeploy.render.plan_changes import parts_within

    most = max(limit // _PER_ROW, _OPEN)
    parts, is_cut = parts_within(plan, plain, _WIDTH, most, most)
    room = max(limit, _LEAST_ROOM) - len(title) - len(_CUT) - 20
    is_open = sum(len(part.lines) for part in parts) <= _OPEN
    shown: list[str] = []
    for part in parts:
        summary = f"{html_code(part.group)}: {part.heading}" if part.group else part.heading
        lines = [brief(line.removeprefix("  ")) for line in part.lines]
        room -= len(summary) + 100  # the tags and the fence
        kept = sum(end < room for end in accumulate(len(line) + 1 for line in lines))
        if lines and not kept:
            is_cut = True
            break
        is_cut |= kept < len(lines)
        block = list(fenced(lines[:kept], "diff"))
        room -= sum(len(line) + 1 for line in block)
        shown += details(summary, block, is_open=is_open)
    yield from section(title, shown)
    if is_cut:
        yield from ("", _CUT)


def _head(plan: Plan) -> Iterator[str]:
    yield f"### Plan for {code(plan.project)}, environment {code(plan.environment)}"
    yield ""
    yield f"**{counts(plan).removeprefix('Plan: ')}**"
    yield ""
    shard = f"Shard {code(plan.shard)}, server" if plan.shard else "Server"
    yield f"{shard} {code(plan.url)}, token from {code(plan.token_source)}, state {code(plan.state)}."
    if not plan.verified and plan.sends:
        yield ""
        yield f"**Unverified:** {UNVERIFIED}"


def _decisions(plan: Plan) -> Iterator[str]:
    """What goes beyond triggering what is new, as items of a list."""
    cancels, again = plan.summary.get(Action.CANCEL, 0), plan.summary.get(Action.RETRIGGER, 0) + plan.declared_again
    if cancels:
        yield f"- {several(cancels)} would be cancelled{_requires('--allow-cancel', cancels)}."
    for generator, count in islice(plan.emptied.items(), MOST_LISTED):
        yield f"- {emptied(code(generator), count)}"
    if len(plan.emptied) > MOST_LISTED:
        yield f"- The same applies to {several(len(plan.emptied) - MOST_LISTED, 'more generator')}."
    if again:
        renamed = len(plan.possibly_renamed)
        yield f"- {several(again)} would be triggered again{_requires('--allow-retrigger', again + renamed)}."
    if plan.in_doubt:
        yield f"- {several(len(plan.in_doubt))} may go on already, and starting them requires --allow-retrigger:"
        yield from item(fenced(some([f"{address}: {why}" for address, why in plan.in_doubt]), "text"))
    if plan.possibly_triggered:
        yield f"- {possibly_triggered(plan)}"
        yield from item(fenced(some([f"{address}: {run_id}" for run_id, address in plan.possibly_triggered]), "text"))
    if plan.possibly_renamed:
        yield f"- {possibly_renamed(plan)}"
        entries = [moved_entry(old, new) for old, new in plan.possibly_renamed]
        yield from item(fenced(["moved:", *(f"  {entry}" for entry in some(entries))], "yaml"))
    yield from approvals(plan.approvals)


def _requires(option: str, count: int) -> str:
    return f", which requires {option}" if count > MANY else ""


def _warnings(plan: Plan) -> Iterator[str]:
    """The warnings, then other facts that a reviewer should know, as list items."""
    yield from fenced(some(plan.warnings), "text")
    if plan.warnings:
        yield ""
    if plan.continuations:
        yield "- Somebody handled failed runs elsewhere:"
        yield from item(fenced(some([continuation(one) for one in plan.continuations]), "text"))
    if plan.unmatched_ids:
        text = unmatched(plan)
        yield f"- {text[:1].upper()}{text[1:]}"
        yield from item(fenced(some(plan.unmatched_ids), "text"))
    if plan.drifted:
        yield f"- {drift(plan.drifted, plan.handled)}"
    if plan.orphans:
        yield f"- {orphaned(plan)}"
