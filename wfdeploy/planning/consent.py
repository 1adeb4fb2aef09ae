"""What must be confirmed, or allowed by an option, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfdeploy.errors import Withheld, several
from wfdeploy.model.address import Address, group_of, moved_entry, shell_pattern, whole_groups
from wfdeploy.model.options import MANY, ApplyOptions
from wfdeploy.model.plan import Action, Plan, RequestedAction, Selection, without_first_triggers
from wfdeploy.model.project import Target
from wfdeploy.model.run import ReplaceRunning

if TYPE_CHECKING:
    from wfdeploy.planning.baseline import Baseline

Confirm = Callable[[Plan], bool]
"""Shows the plan and asks; False declines."""


@dataclass(frozen=True, slots=True)
class Later:
    """The runs that a plan holds back and `apply --wait` releases later."""

    triggers: int = 0
    retriggers: int = 0  # those of them that were triggered before
    cancels: int = 0  # the runs that may still be running then, and are cancelled for those that replace them


def released_later(plan: Plan, baseline: Baseline) -> Later:
    """What `apply --wait` adds to a plan."""
    waiting: dict[Address, int] = {}
    replacing: set[Address] = set()
    for change in without_first_triggers(plan.changes):
        if not change.is_put_off:
            continue
        address = baseline.renames.recorded_as(change.address)
        waiting[address] = change.generation
        run = change.desired
        if run is not None and run.group.policy.replace_running is ReplaceRunning.CANCEL:
            replacing.add(address)
    recorded = baseline.store.record_keys(whole_groups(map(group_of, waiting)))
    before = {address for address, generation in waiting.items() if generation > 1}
    before.update(key.address for key in recorded if key.address in waiting)
    states = [record.run_state for record in baseline.store.records(replacing)] if replacing else []
    return Later(len(waiting), len(before), sum(state is None or state.may_run for state in states))


def require_no_state_needed(target: Target, options: ApplyOptions) -> None:
    """Raises: `Withheld` when an apply may not begin a state where there is none."""
    if options.create_state:
        return
    require_begun(target)
    if target.shard is not None and not target.local:
        # If the state is missing because N was changed, everything would be triggered again. The embedded server
        # remembers every run, so there runs are adopted.
        raise Withheld(
            f"there is no state {target.state_name} for shard {target.shard}",
            hint="restore it; or begin one with --create-state (what the server's logs still know is adopted). "
            "The number of shards can't be changed while the states of another one are in use",
        )
    if target.project.state_required:
        raise Withheld(
            f"there is no state {target.state_name}, and the project requires one",
            hint="restore it; or, if this target is new or its state is lost for good, begin one with "
            "--create-state (what the server's logs still know is adopted)",
        )


def require_begun(target: Target) -> None:
    """Raises: `Withheld` where the missing state is a shared one: a wrong URL must not begin another."""
    if target.state_url is not None:
        raise Withheld(
            f"there is no state at {target.state_name}",
            hint=f"check the URL; if the state is to begin there: {target.init_command} (what the server's logs "
            "still know is adopted by the next apply)",
        )


def needs_consent(plan: Plan, selection: Selection) -> str | None:
    """What of a plan a person has to agree to, as in `cancel 3 runs`: what it cancels, and what it triggers again only
    because that was requested. None for what manifests and policies ask for, and for resumes: these go on with a run,
    and finished steps are not repeated."""
    parts: list[tuple[str, int]] = []
    if selection.requested in (RequestedAction.RESTART, RequestedAction.RETRIGGER):
        parts.append((selection.requested.value, plan.sends))
    changes = without_first_triggers(plan.changes)
    if selection.replace:
        parts.append(("retrigger", sum(one.sends and one.address in selection.replace for one in changes)))
    cancels = plan.summary[Action.CANCEL] + sum(bool(one.cancels) for one in changes)
    parts.append(("cancel", cancels + plan.cancels_later))
    return " and ".join(f"{verb} {several(count)}" for verb, count in parts if count) or None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """One thing that a plan does, and that its options don't allow."""

    reason: str

    advice: str
    """What to do before it is allowed."""

    option: str
    """Allows it."""

    remark: str = ""


def require_consent(
    plan: Plan, options: ApplyOptions, later: Later = Later(), requested: RequestedAction | None = None
) -> None:
    """Raises: `Withheld` when the plan, with what is added `later`, goes beyond what the options allow: with everything
    that does, and the options that allow it."""
    refusals = list(_refusals(plan, options, later, requested))
    if not refusals:
        return
    advice = ", or ".join(dict.fromkeys(one.advice for one in refusals))
    allowing = " ".join(dict.fromkeys(one.option for one in refusals))
    remarks = "".join(f". {one.remark}" for one in refusals if one.remark)
    raise Withheld(
        "; and ".join(one.reason for one in refusals),
        hint=f"{advice}; if {'it is' if len(refusals) == 1 else 'all of it is'} meant, give {allowing}{remarks}",
    )


def _refusals(plan: Plan, options: ApplyOptions, later: Later, requested: RequestedAction | None) -> Iterator[_Refusal]:
    look = "look at it with `wfdeploy plan`" if requested is None else "look at it with --dry-run"
    would = "the plan would" if requested is None else f"{requested.value} would"
    sends = plan.sends + later.triggers
    if options.max_triggers is not None and sends > options.max_triggers:
        reason = f"{would} trigger {several(sends)}, more than --max-triggers {options.max_triggers}"
        yield _Refusal(reason, look, f"--max-triggers {sends}")
    if not options.allow_retrigger:
        yield from _starts_again(plan, later, look, would)
    if options.allow_cancel:
        return
    if plan.emptied:
        yield _Refusal(
            f"the plan would cancel {several(sum(plan.emptied.values()))} since {', '.join(plan.emptied)} makes no "
            "runs any more: data may have been lost",
            "look at the data with `wfdeploy validate`",
            "--allow-cancel",
        )
    cancels = plan.summary[Action.CANCEL]
    if cancels > MANY:
        reason = f"{would} cancel {several(cancels)}, more than the limit of {MANY}"
        yield _Refusal(reason, look, "--allow-cancel")


def _starts_again(plan: Plan, later: Later, look: str, would: str) -> Iterator[_Refusal]:
    if plan.possibly_triggered:
        count, (run_id, address) = len(plan.possibly_triggered), plan.possibly_triggered[0]
        which = address if count == 1 else f"{address} and {count - 1:,} more"
        yield _Refusal(
            f"the plan may trigger {which} again: the server knows runs that did the same, under names that nothing "
            f"declares any more ({run_id})",
            "keep a run with a `moved:` entry from its former name, or record it as triggered with `wfdeploy adopt "
            "--target ADDRESS`",
            "--allow-retrigger",
        )
    if plan.in_doubt:
        yield _doubtful(plan, would)
    again = plan.summary[Action.RETRIGGER] + plan.declared_again + later.retriggers
    renamed = len(plan.possibly_renamed)
    if again + renamed <= MANY:
        return
    remarks = []
    if plan.declared_again:
        remarks.append(
            f"{plan.declared_again:,} of them were triggered before, and forgotten when nothing declared them"
        )
    if renamed:
        entry = moved_entry(*plan.possibly_renamed[0])
        remarks.append(f"{renamed} of them look renamed: an entry of `moved:` keeps each ({entry})")
    reason = f"{would} trigger {several(again + renamed)} again, more than the limit of {MANY}"
    yield _Refusal(reason, look, "--allow-retrigger", ". ".join(remarks))


def _doubtful(plan: Plan, would: str) -> _Refusal:
    """What stops the start of runs that may go on already."""
    count, (address, why) = len(plan.in_doubt), plan.in_doubt[0]
    which = address if count == 1 else f"{address} and {count - 1:,} more"
    known = {
        one.address: one.runs[-1].workflow_run_id
        for one in plan.continuations
        if not one.is_past and (one.is_certain or len(one.runs) == 1)
    }
    adopt = f"wfdeploy adopt --target {shell_pattern(address)} --run-id {known.get(address, 'ID')}"
    return _Refusal(
        f"{would} start {which} again, which may be once too often: {why}",
        f"look in the console whether it goes on, and record that with `{adopt}`",
        "--allow-retrigger",
    )
