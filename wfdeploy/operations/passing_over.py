"""Runs of which it is known, group by group, what there is to do: they needn't be compared one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from wfdeploy.model.address import group_of
from wfdeploy.model.first_changes import FirstChanges
from wfdeploy.model.plan import Action
from wfdeploy.pipeline.diff.differ import unheard_of
from wfdeploy.pipeline.diff.planner import Gathered

if TYPE_CHECKING:
    from wfdeploy.operations.prepared import Prepared
    from wfdeploy.operations.recurring import Recurrence
    from wfdeploy.pipeline.diff.context import DiffContext
    from wfdeploy.pipeline.diff.targets import Targets


def quiet_groups(prepared: Prepared, context: DiffContext, recurrences: Mapping[str, Recurrence]) -> dict[str, int]:
    """The groups in which every run is kept, with how many these are: declared and recorded runs are the very
    same, and nothing else is known or asked of any of them."""
    store, moves = prepared.store, prepared.moves
    busy = {
        group_of(address)
        for addresses in (
            context.attempts,
            context.adopted,
            context.renames,
            context.renames.values(),
            context.replace,
        )
        for address in addresses
    }
    busy |= moves.rollouts.keys()
    recorded = store.tallies()
    quiet = {
        name: group.tally.count
        for name, group in prepared.desired.groups.items()
        if name not in busy and group.tally.count and recorded.get(name) == group.tally
    }
    # Of a recurring group, nothing is kept: its runs are templates.
    return quiet | {name: 0 for name, one in recurrences.items() if one.is_still and name not in busy}


def first(
    prepared: Prepared, context: DiffContext, targets: Targets, recurrences: Mapping[str, Recurrence]
) -> Gathered | None:
    """What is gathered where nothing is known of any run, and all may start: they are new, all of them. None: that
    isn't so, or has to be found out run by run."""
    desired = prepared.desired
    known = context.attempts or context.adopted or context.renames or not prepared.is_blank
    asked = targets or prepared.selection.limit is not None or context.wish is not None
    late = recurrences or any(group.depends_on or group.rollout for group in prepared.manifests.groups.values())
    if known or asked or late or not desired.is_fresh or prepared.store.rollouts():
        return None
    counts = {name: group.tally.count for name, group in desired.groups.items()}
    changes = FirstChanges(counts, desired.runs, partial(unheard_of, context=context))
    gathered = Gathered(changes=changes, sends=len(changes))
    gathered.summary[Action.TRIGGER] = len(changes)
    return gathered
