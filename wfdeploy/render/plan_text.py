"""A plan for people: where, what, field by field, how many, what next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.model.observed import RunState
from wfdeploy.model.pasting import moved_entry
from wfdeploy.model.plan import Action, Plan
from wfdeploy.render.printable import printable
from wfdeploy.render.run_states import WORDS
from wfdeploy.render.style import Style, Tone, plain

TONES: Mapping[Action, Tone] = {
    Action.TRIGGER: Tone.GOOD,
    Action.RETRIGGER: Tone.CHANGED,
    Action.RESUME: Tone.CHANGED,
    Action.RESTART: Tone.CHANGED,
    Action.CANCEL: Tone.BAD,
    Action.FORGET: Tone.BAD,
    Action.RECOVER: Tone.CALM,
    Action.ADOPT: Tone.CALM,
    Action.BLOCKED: Tone.FAINT,
    Action.KEEP: Tone.FAINT,
}

_MOST_LISTED = 5


def text(
    plan: Plan, style: Style = plain, *, width: int = 100, everything: bool = False, next_step: str | None = None
) -> Iterator[str]:
    """The plan, line by line. `everything`: fold nothing. `next_step`: the command to type next."""
    for line in _lines(plan, style, width, everything, next_step):
        yield f"{line}\n"


def _lines(plan: Plan, style: Style, width: int, everything: bool, next_step: str | None) -> Iterator[str]:
    yield target_line(plan, style)
    if not plan.verified and plan.sends:
        yield style("Unverified:", Tone.CHANGED) + (
            " the server was not asked. What it runs already and the state does not know shows here as to trigger."
        )
    if plan.changes or plan.kept:
        from wfdeploy.render.plan_changes import change_blocks

        yield from change_blocks(plan, style, width, everything)
    yield ""
    yield counts(plan, style)
    yield from _remarks(plan, style)
    if next_step is not None:
        yield f"\nNext: {style(next_step, Tone.STRONG)}"


def target_line(plan: Plan, style: Style = plain) -> str:
    """Where the plan is for: project, environment, server, the token's variable, the state."""
    return (
        f"{style(f'Project {printable(plan.project)}, environment {printable(plan.environment)}', Tone.STRONG)}, "
        f"{f'shard {plan.shard}, ' if plan.shard else ''}server {printable(plan.url)}, "
        f"token from {printable(plan.token_source)}, state {printable(plan.state)}"
    )


def counts(plan: Plan, style: Style = plain) -> str:
    """How many of what, in one line."""
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
    if not rest and plan.notes:
        return f"{style('No changes:', Tone.STRONG)} no runs are due."
    if not rest:
        return f"{style('No changes:', Tone.STRONG)} no runs are declared."
    return f"{style('No changes:', Tone.STRONG)} {', '.join(rest)}."


def _remarks(plan: Plan, style: Style) -> Iterator[str]:
    warning = style("warning:", Tone.CHANGED)
    for note in plan.notes:
        yield style(f"{printable(note[:1].upper() + note[1:])}.", Tone.FAINT)
    for text_ in plan.warnings:
        yield f"{warning} {printable(text_)}"
    if plan.drifted:
        yield f"{warning} {drift(plan.drifted)}"
    if plan.orphans:
        runs, them = ("run is", "it") if plan.orphans == 1 else ("runs are", "them")
        yield (
            f"{plan.orphans:,} recorded {runs} no longer declared and stay{'s' if plan.orphans == 1 else ''} "
            f"recorded; --prune forgets {them}."
        )
    if plan.unmatched_ids:
        yield f"{warning} the server lists {_several(len(plan.unmatched_ids), 'run')} that no address stands for:"
        yield from _listed(plan.unmatched_ids, style)
    for generator, count in plan.emptied.items():
        yield (
            f"{warning} {_several(count, 'run')} would be cancelled since {printable(generator)} makes no runs any "
            "more; that takes --allow-cancel."
        )
    if plan.possibly_triggered:
        count = len(plan.possibly_triggered)
        yield (
            f"{warning} {_several(count, 'new run')} may be known to the server under another name, and be triggered "
            "again. `moved:` entries keep such runs; to trigger them takes --allow-retrigger:"
        )
        yield from _listed([f"{address}: {run_id}" for run_id, address in plan.possibly_triggered], style)
    if plan.possibly_renamed:
        yield f"{warning} {_several(len(plan.possibly_renamed), 'run')} may only have got another name. To keep, add:"
        yield "  moved:"
        yield from _listed([moved_entry(old, new) for old, new in plan.possibly_renamed], style)


def drift(drifted: Mapping[RunState, int]) -> str:
    """How many declared runs are not as they should be, and stay so."""
    words = ", ".join(f"{count:,} {WORDS[state][0]}" for state, count in drifted.items())
    return f"declared runs that are left as the server has them: {words}."


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listed(items: Sequence[str], style: Style) -> Iterator[str]:
    for item in items[:_MOST_LISTED]:
        yield f"    {printable(item)}"
    if len(items) > _MOST_LISTED:
        yield style(f"    and {len(items) - _MOST_LISTED:,} more", Tone.FAINT)
