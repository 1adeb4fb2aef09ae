"""Which rollouts wait for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wfdeploy.model.address import group_of
from wfdeploy.model.blocking import RolloutMode, RolloutProgress, StepGate
from wfdeploy.model.plan import Action, Change
from wfdeploy.ports import RolloutReader


def waiting_for_approval(store: RolloutReader) -> Iterator[RolloutProgress]:
    """Yield the rollouts whose current step waits for `wfdeploy rollout approve`, by group."""
    for progress in store.rollouts().values():
        if (
            progress.mode is RolloutMode.RUNNING
            and progress.gate is StepGate.APPROVED
            and progress.approved <= progress.step
        ):
            yield progress


def awaiting_approval(store: RolloutReader, changes: Iterable[Change]) -> Iterator[str]:
    """Yield the groups of `waiting_for_approval` that some of these changes are about: blocked ones, once what can
    start has started."""
    waiting = {progress.group for progress in waiting_for_approval(store)}
    if not waiting:
        return
    for change in changes:
        group = group_of(change.address)
        if group in waiting and change.action is Action.BLOCKED:
            waiting.discard(group)
            yield group
