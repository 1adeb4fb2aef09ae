"""A plan for people: the target, the changes field by field, the counts, the next step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from wfdeploy.errors import several
from wfdeploy.model.address import moved_entry
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Plan
from wfdeploy.render.encode import read_at
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import TONES, WORDS, continuation
from wfdeploy.render.width import PIPE, rows

SCREEN = 46
"""The rows of a truncated plan: below five thousand characters in the width of a pipe."""

_FEW = 200
"""The rows of changes up to which all of them are shown: a review wants each one, and scrolls."""

_LEAST_FOR_CHANGES = 12
_MOST_LISTED, _LISTED_IN_ALL = 5, 15
"""The rows of one list of warnings, runs and the like, and of all lists together."""

UNVERIFIED = "the server was not contacted. Runs that it has and the state does not record are shown as to trigger."

IN_FULL = "`wfdeploy plan --all` lists every run, `--target 'GROUP/*'` shows a part, `--output json` has everything"
"""How to see the omitted changes."""


def text(
    plan: Plan,
    style: Style = plain,
    *,
    width: int | None = None,
    everything: bool = False,
    in_full: str = IN_FULL,
    next_step: str | None = None,
) -> Iterator[str]:
    """The lines of the plan.

    `everything`: fold and omit nothing.
    `in_full`: how to see what is omitted.
    `next_step`: the next command to type.
    """
    for line in _lines(plan, style, width=width, everything=everything, in_full=in_full, next_step=next_step):
        yield f"{line}\n"


def _lines(
    plan: Plan, style: Style, *, width: int | None, everything: bool, in_full: str, next_step: str | None
) -> Iterator[str]:
    yield from _head(plan, style)
    remarks, is_cut = _remarks(plan, plain, width, everything)
    if (plan.changes or plan.kept) and everything:
        from wfdeploy.render.plan_changes import every_change

        yield from every_change(plan, style, width)
    elif plan.changes or plan.kept:
        from wfdeploy.render.plan_changes import changes_within

        around = (
            *_head(plan, plain),
            "",
            counts(plan),
            *remarks,
            f"Not everything is shown: {in_full}.",
            "",
            next_step or "",
        )
        room = max(SCREEN - sum(rows(line, width) for line in around), _LEAST_FOR_CHANGES)
        lines, some_are_counted = changes_within(plan, style, width, room, max(room, _FEW))
        yield from lines
        is_cut |= some_are_counted
    yield ""
    yield counts(plan, style)
    yield from _remarks(plan, style, width, everything)[0]
    if is_cut:
        yield style(f"Not everything is shown: {in_full}.", Tone.FAINT)
    if next_step is not None:
        yield f"\nNext: {style(next_step, Tone.STRONG)}"


def _head(plan: Plan, style: Style) -> Iterator[str]:
    yield target_line(plan, style)
    if not plan.verified and plan.sends:
        yield f"{style('Unverified:', Tone.CHANGED)} {UNVERIFIED}"


def target_line(plan: Plan, style: Style = plain) -> str:
    """The plan's target: project, environment, server, the token's variable, the state."""
    return (
        f"{style(f'Project {printable(plan.project)}, environment {printable(plan.environment)}', Tone.STRONG)}, "
        f"{f'shard {plan.shard}, ' if plan.shard else ''}server {printable(plan.url)}, "
        f"token from {printable(plan.token_source)}, state {printable(plan.state)}"
        f"{f' {read_at(plan.versions)}' if plan.versions else ''}"
    )


def counts(plan: Plan, style: Style = plain) -> str:
    """The number of changes by action, in one line."""
    quiet = (Action.BLOCKED, Action.KEEP)
    busy = [
        style(f"{n:,} to {action.value}", TONES[action])
        for action, n in plan.summary.items()
        if n and action not in quiet
    ]
    blocked, kept = plan.summary.get(Action.BLOCKED, 0), plan.summary.get(Action.KEEP, 0)
    rest = ([f"{blocked:,} blocked"] if blocked else []) + ([f"{kept:,} unchanged"] if kept else [])
    if busy:
        return f"{style('Plan:', Tone.STRONG)} {'; '.join(filter(None, (', '.join(busy), ', '.join(rest))))}."
    if not rest and plan.idle:
        return f"{style('No changes:', Tone.STRONG)} {plan.idle}."
    if not rest and plan.notes:
        return f"{style('No changes:', Tone.STRONG)} no runs are due."
    if not rest:
        return f"{style('No changes:', Tone.STRONG)} no runs are declared."
    return f"{style('No changes:', Tone.STRONG)} {', '.join(rest)}."


def _remarks(plan: Plan, style: Style, width: int | None, everything: bool) -> tuple[Sequence[str], bool]:
    """The warnings and notes, and whether some of them are only counted."""
    lines: list[str] = []
    is_cut = False
    warning = style("warning:", Tone.CHANGED)
    lists = (
        plan.warnings,
        plan.emptied,
        plan.possibly_triggered,
        plan.possibly_renamed,
        plan.continuations,
        plan.unmatched_ids,
        plan.notes,
    )
    room = min(_MOST_LISTED, _LISTED_IN_ALL // max(sum(map(bool, lists)), 1))

    def add(texts: Sequence[str], noun: str, dress: Callable[[str], str] = lambda text: f"    {text}") -> None:
        """Add as many texts as fit into the room, but at least one, and the number of the others."""
        nonlocal is_cut
        shown = [printable(text) for text in texts]
        taken = accumulate(rows(text, (width or PIPE) - len("warning: ")) for text in shown)
        most = len(shown) if everything else max(1, sum(sum_ <= room for sum_ in taken))
        lines.extend(map(dress, shown[:most]))
        if most < len(shown):
            is_cut = True
            lines.append(style(f"    and {several(len(shown) - most, f'more {noun}')}", Tone.FAINT))

    add(plan.warnings, "warning", lambda text: f"{warning} {text}")
    if plan.emptied:
        texts = [emptied(generator, count) for generator, count in plan.emptied.items()]
        add(texts, "warning", lambda text: f"{warning} {text}")
    if plan.possibly_triggered:
        lines.append(f"{warning} {possibly_triggered(plan)}")
        add([f"{address}: {run_id}" for run_id, address in plan.possibly_triggered], "run")
    if plan.possibly_renamed:
        lines.append(f"{warning} {possibly_renamed(plan)}")
        lines.append("  moved:")
        add([moved_entry(old, new) for old, new in plan.possibly_renamed], "run")
    add([continuation(one) for one in plan.continuations], "warning", lambda text: f"{warning} {text}")
    if plan.unmatched_ids:
        lines.append(f"{warning} {unmatched(plan)}")
        add(plan.unmatched_ids, "run")
    if plan.drifted:
        lines.append(f"{warning} {drift(plan.drifted, plan.handled)}")
    if plan.orphans:
        lines.append(orphaned(plan))
    notes = [f"{_sentence(note)}." for note in plan.notes]
    add(notes, "note", lambda text: style(text, Tone.FAINT))
    return lines, is_cut


def _sentence(note: str) -> str:
    """The note with a capital, unless it begins with the name of a group, which has no blanks."""
    return note if " " not in note.partition(":")[0] else note[:1].upper() + note[1:]


def emptied(generator: str, count: int) -> str:
    return (
        f"{several(count)} would be cancelled since {generator} no longer makes any runs; this requires --allow-cancel."
    )


def possibly_triggered(plan: Plan) -> str:
    return (
        f"{several(len(plan.possibly_triggered), 'new run')} may be known to the server under another name and would "
        "be triggered again. `moved:` entries keep such runs; triggering them requires --allow-retrigger:"
    )


def possibly_renamed(plan: Plan) -> str:
    return f"{several(len(plan.possibly_renamed))} may have been renamed. To keep, add:"


def unmatched(plan: Plan) -> str:
    match, them = ("matches", "it") if len(plan.unmatched_ids) == 1 else ("match", "them")
    return (
        f"the server lists {several(len(plan.unmatched_ids))} that {match} no address and will be left alone: somebody "
        f"else started {them}, or nothing declares {them} any more:"
    )


def orphaned(plan: Plan) -> str:
    are, them = (
        ("is no longer declared and stays", "it") if plan.orphans == 1 else ("are no longer declared and stay", "them")
    )
    return f"{several(plan.orphans, 'recorded run')} {are} recorded; --prune forgets {them}."


def drift(drifted: Mapping[RunState, int], handled: int = 0, command: Callable[[str], str] | None = None) -> str:
    """Drifted runs that were left as they are, counted by state.

    handled: how many of the failed ones somebody handled elsewhere, so that no resume retries them.
    command: makes a command line that is complete.
    """
    resume = "wfdeploy resume" if command is None else command("resume --failed")
    count = sum(drifted.values())
    failed = drifted.get(RunState.FAILED, 0)
    if failed == count:
        have, them = (
            ("has failed and is left as it is", "it")
            if count == 1
            else ("have failed and are left as they are", "them")
        )
        if handled == count:
            return f"{several(count)} {have}, as somebody handled {them} elsewhere."
        if handled:
            them = f"the {'one' if count - handled == 1 else f'{count - handled:,}'} that nobody handled elsewhere"
        return f"{several(count)} {have}; `{resume}` retries {them}."
    words = ", ".join(f"{number:,} {WORDS[state][0]}" for state, number in drifted.items())
    retry = f"; `{resume}` retries failed runs" if failed > handled else ""
    return f"{several(count)} {'is left as it is' if count == 1 else 'are left as they are'}: {words}{retry}."
