"""Select changes for a plan, count them, and find what the user should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from wfdeploy.model.address import Address, instance_parts
from wfdeploy.model.edits import Edit, PutRecord, Rename
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.spool import Spool
from wfdeploy.planning.blocking.inputs import Inputs


@dataclass(slots=True)
class Gathered:
    """The parts of a `Plan` that come from its changes; see there."""

    changes: Sequence[Change] = ()
    kept: Spool[Change] = field(default_factory=Spool)
    housekeeping: list[Edit] = field(default_factory=list)
    summary: dict[Action, int] = field(default_factory=lambda: dict.fromkeys(Action, 0))
    sends: int = 0
    orphans: int = 0
    drifted: dict[RunState, int] = field(default_factory=dict)
    handled: int = 0
    backing_off: dict[RunState, int] = field(default_factory=dict)
    possibly_renamed: list[tuple[Address, Address]] = field(default_factory=list)
    emptied: dict[str, int] = field(default_factory=dict)
    possibly_triggered: list[tuple[str, Address]] = field(default_factory=list)
    in_doubt: list[tuple[Address, str]] = field(default_factory=list)
    unmet: list[tuple[Address, str]] = field(default_factory=list)
    declared_again: int = 0


def gather(changes: Iterable[Change], inputs: Inputs) -> Gathered:
    """Select and count.

    Changes outside the targets do nothing, yet what they learned about the server is kept. Beyond `--limit`, a change
    is blocked. Raises: `UsageError` when a target matched nothing.
    """
    baseline, targets, limit = inputs.baseline, inputs.targets, inputs.selection.limit
    requested = inputs.selection.requested is not None
    changed = Spool[Change]()
    result = Gathered(changes=changed)
    gone: dict[str, list[Address]] = {}  # by what they did
    for change in changes:
        is_orphan = not requested and _lost_its_declaration(change) and baseline.manifests.is_gone(change.address)
        if is_orphan and instance_parts(change.address) is None:
            gone.setdefault(change.fingerprint, []).append(change.address)
        if not targets.match(change.address):
            result.housekeeping.extend(edit for edit in change.edits if isinstance(edit, (PutRecord, Rename)))
            continue
        is_cancelled = is_orphan and change.action is Action.CANCEL
        generator = baseline.emptied_generator(change.address) if is_cancelled else None
        if generator is not None:
            result.emptied[generator] = result.emptied.get(generator, 0) + 1
        if change.unclaimed:
            result.possibly_triggered.append((change.unclaimed, change.address))
        if change.sends:
            if limit is not None and result.sends >= limit:
                result.housekeeping.extend(change.edits)
                change = change._replace(  # noqa: PLW2901
                    action=Action.BLOCKED, reason=f"beyond --limit {limit}", sends=False, edits=()
                )
            else:
                result.sends += 1
                result.declared_again += change.action is Action.TRIGGER and change.generation > 1
        if change.in_doubt:
            (result.in_doubt if change.sends else result.unmet).append((change.address, change.in_doubt))
        result.summary[change.action] += 1
        if change.run_state is not None and change.action is Action.KEEP:
            result.drifted[change.run_state] = result.drifted.get(change.run_state, 0) + 1
            result.handled += change.handled
        elif change.run_state is not None and change.action is Action.BLOCKED:
            result.backing_off[change.run_state] = result.backing_off.get(change.run_state, 0) + 1
        result.orphans += is_orphan and change.action is Action.KEEP
        if change.action is Action.KEEP and not (change.reason and (requested or change.desired is not None)):
            result.housekeeping.extend(change.edits)
            if inputs.keep_all:
                result.kept.append(change)
        else:
            changed.append(change)
    if baseline.workspace.target.shard is None:  # else it may match runs of another shard
        targets.check()
    if gone:
        result.possibly_renamed = list(_renamed(gone, changed))
    return result


def _lost_its_declaration(change: Change) -> bool:
    """Whether a change is about a recorded run that nothing declares any more, whatever becomes of it."""
    actions = (Action.KEEP, Action.FORGET, Action.CANCEL)
    return change.desired is None and bool(change.fingerprint) and change.action in actions


def _renamed(gone: dict[str, list[Address]], changes: Iterable[Change]) -> Iterator[tuple[Address, Address]]:
    """Pairs of a run that is gone and a new one that does the same: each explains one.

    Instances of recurring runs are left out: they are often alike, and none is another one's new name.
    """
    for names in gone.values():
        names.reverse()
    for change in changes:
        if change.action is not Action.TRIGGER or instance_parts(change.address) is not None:
            continue
        if names := gone.get(change.fingerprint, []):
            yield names.pop(), change.address
