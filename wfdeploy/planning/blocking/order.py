"""What must wait: runs of a group that other groups come before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wfdeploy.model.address import group_of
from wfdeploy.model.blocking import Condition, Dependency, Headcount
from wfdeploy.model.plan import Action, Change


def starts(change: Change) -> bool:
    """Whether a change would start what is declared. A resume or a restart goes on with what was started before, and a
    recovery sends again what was let go."""
    return change.sends and change.action in (Action.TRIGGER, Action.RETRIGGER)


def is_put_off(change: Change) -> bool:
    """Whether a change would start what is declared, were there nothing that it has to wait for: another group, the run
    that it replaces. (A failed run that is blocked waits for its own restart.)"""
    return change.action is Action.BLOCKED and change.run_state is None


def is_found(recovery: Change) -> bool:
    """Whether the run whose answer was lost turned out to have started."""
    return not recovery.sends and bool(recovery.edits)


def blocked(change: Change, reason: str) -> Change:
    """The change put off. What it learned about its address is kept."""
    return change._replace(action=Action.BLOCKED, reason=reason, sends=False, cancels="")


def in_order(changes: Iterable[Change], waits: Callable[[str], str | None]) -> Iterator[Change]:
    """The changes, those of groups that have to wait blocked. `waits` gives the reason for a group, None where there is
    none; it is asked once, and only about groups in which something would start."""
    reasons: dict[str, str | None] = {}
    for change in changes:
        if not starts(change):
            yield change
            continue
        group = group_of(change.address)
        if group not in reasons:
            reasons[group] = waits(group)
        reason = reasons[group]
        yield change if reason is None else blocked(change, reason)


def missing(dependency: Dependency, headcount: Headcount | None) -> str | None:
    """Why a dependency isn't met yet; None when it is. `headcount`: None where nothing is known of its group."""
    name = dependency.group
    if headcount is None:
        return f"waits for group {name}, which is neither loaded nor recorded"
    if headcount.fulfils(dependency.condition):
        return None
    condition = dependency.condition
    if headcount.triggered < headcount.total:
        condition = Condition.TRIGGERED  # first things first
    reason = f"waits for group {name}: {headcount.count(condition):,} of {headcount.total:,} {condition.value}"
    failed = headcount.finished - headcount.succeeded
    if dependency.condition is Condition.SUCCEEDED and failed:
        reason += f", {failed:,} ended otherwise"
    return reason
