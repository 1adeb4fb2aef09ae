"""Group-level shortcuts that avoid comparing runs one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING

from wfdeploy.model.address import Address, group_of, whole_groups
from wfdeploy.model.plan import Action, FirstChanges
from wfdeploy.planning.diff.differ import new_run
from wfdeploy.planning.gathering import Gathered

if TYPE_CHECKING:
    from wfdeploy.catalogue.catalogue import Catalogue
    from wfdeploy.model.run import DesiredRun
    from wfdeploy.model.state import RecordKey
    from wfdeploy.planning.blocking.inputs import Inputs
    from wfdeploy.planning.blocking.recurring import Recurrence
    from wfdeploy.ports import RecordReader


@dataclass(frozen=True, slots=True)
class Compared:
    """What has to be compared one by one, in address order."""

    runs: Iterator[DesiredRun]
    keys: Iterator[RecordKey]
    unchanged: Mapping[str, int]  # groups in which every run is kept: how many runs, without those that are compared
    kept: int  # how many runs are kept without a look at them


def to_compare(inputs: Inputs) -> Compared:
    """Find what has to be compared."""
    baseline, context, targets = inputs.baseline, inputs.context, inputs.targets
    recurrences, desired = inputs.recurrences, baseline.manifests.runs
    is_whole = not (inputs.keep_all or targets)
    unchanged = unchanged_groups(inputs) if is_whole else {}
    # Past instances stay as they are, also those that failed; their group decides what is done about one.
    loud = [
        address
        for address in context.states.troubled
        if (name := group_of(address)) in unchanged and name not in recurrences
    ]
    for address in loud:
        unchanged[group_of(address)] -= 1
    partly = mostly_unchanged_groups(inputs, unchanged) if is_whole else {}
    differing = set(chain.from_iterable(partly.values()))
    alone = desired.find(differing.union(loud))
    declared = [run for address, run in alone.items() if address in differing]
    baseline.manifests.requests.fetch(declared)
    settled = {*unchanged, *partly}
    runs, keys = (
        _runs_but(desired, settled, alone, recurrences),
        _keys_but(baseline.store, settled, {*loud, *differing}),
    )
    if context.requested is not None:
        # Other runs only matter for their attempts, adoptions and renames.
        known = {*context.attempts, *context.adopted, *context.renames, *context.renames.values()}
        runs = (run for run in runs if targets.match(run.address) or run.address in known)
        keys = (key for key in keys if targets.match(key.address) or key.address in known)
    kept = sum(unchanged.values()) + sum(desired.groups[name].tally.count for name in partly) - len(declared)
    return Compared(runs, keys, unchanged, kept)


def unchanged_groups(inputs: Inputs) -> dict[str, int]:
    """The groups in which every run is kept, and how many runs: declared and recorded runs are the same, and nothing
    else is known or requested of any of them."""
    context, store, renames = inputs.context, inputs.baseline.store, inputs.baseline.renames
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
    busy |= renames.rollouts.keys()
    recorded = store.tallies()
    unchanged = {
        name: group.tally.count
        for name, group in inputs.baseline.manifests.runs.groups.items()
        if name not in busy and group.tally.count and recorded.get(name) == group.tally
    }
    # A recurring group keeps no runs: they are templates.
    return unchanged | {name: 0 for name, one in inputs.recurrences.items() if one.is_still and name not in busy}


def mostly_unchanged_groups(inputs: Inputs, unchanged: Collection[str]) -> dict[str, set[Address]]:
    """The groups in which most runs are kept, each with the addresses that may need more: declared and recorded runs
    differ there, or something else is known."""
    baseline, context = inputs.baseline, inputs.context
    special = {*context.attempts, *context.adopted, *context.replace, *context.states.troubled}
    renamed = {group_of(address) for address in (*context.renames, *context.renames.values())}
    recorded = baseline.store.tallies()
    found: dict[str, set[Address]] = {}
    for name, group in baseline.manifests.runs.groups.items():
        if name in unchanged or name in renamed or name in inputs.recurrences or name in baseline.renames.rollouts:
            continue
        if group.group.rollout is not None or name not in recorded or not group.tally.count:
            continue
        differing = {Address(address) for address in special if group_of(address) == name} | baseline.differing(name)
        if 2 * len(differing) < group.tally.count:
            found[name] = differing
    return found


def first(inputs: Inputs) -> Gathered | None:
    """The changes of a first plan, where all runs are new and all may start. None: that isn't so, or has to be found
    out run by run."""
    baseline, context, desired = inputs.baseline, inputs.context, inputs.baseline.manifests.runs
    known = context.attempts or context.adopted or context.renames or not baseline.lookups.is_blank
    narrowed = inputs.targets or inputs.selection.limit is not None or context.requested is not None
    late = inputs.recurrences or any(group.depends_on or group.rollout for group in baseline.manifests.groups.values())
    if known or narrowed or late or not desired.is_fresh or baseline.store.rollouts():
        return None
    counts = {name: group.tally.count for name, group in desired.groups.items()}
    changes = FirstChanges(counts, desired.runs, partial(new_run, context=context))
    gathered = Gathered(changes=changes, sends=len(changes))
    gathered.summary[Action.TRIGGER] = len(changes)
    return gathered


def _runs_but(
    desired: Catalogue,
    settled: Collection[str],
    alone: Mapping[Address, DesiredRun],
    recurrences: Mapping[str, Recurrence],
) -> Iterator[DesiredRun]:
    """The declared runs of the other groups, and those that are compared `alone`, by address."""
    names = [name for name in desired.groups if name not in settled]
    runs = desired.runs([name for name in names if name not in recurrences])
    instances = [recurrences[name].runs for name in sorted(names) if name in recurrences]
    return merge(runs, *instances, map(alone.__getitem__, sorted(alone)), key=_address)


def _keys_but(store: RecordReader, settled: Collection[str], alone: Collection[Address]) -> Iterator[RecordKey]:
    """The keys of the records of the other groups, and of what is compared `alone`, by address."""
    if not settled:
        return store.record_keys()
    keys = store.record_keys(whole_groups(name for name in store.tallies() if name not in settled))
    return merge(keys, store.record_keys_of(alone), key=_address)


def _address(one: DesiredRun | RecordKey) -> str:
    return one.address
