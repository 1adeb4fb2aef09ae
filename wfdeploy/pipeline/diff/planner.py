"""From changes to a plan: selection, counting, and what a user should be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wfdeploy.model.address import Address, group_of
from wfdeploy.model.edits import Edit, PutRecord, Rename
from wfdeploy.model.packing import change_spool
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.remote import RunState
from wfdeploy.model.spool import Spool
from wfdeploy.pipeline.diff.targets import Targets


@dataclass(slots=True)
class Gathered:
    """The parts of a `Plan` that come from the changes; see there."""

    changes: Sequence[Change] = ()
    kept: Spool[Change] = field(default_factory=change_spool)
    housekeeping: list[Edit] = field(default_factory=list)
    summary: dict[Action, int] = field(default_factory=lambda: dict.fromkeys(Action, 0))
    sends: int = 0
    orphans: int = 0
    drifted: dict[RunState, int] = field(default_factory=dict)
    possibly_renamed: list[tuple[Address, Address]] = field(default_factory=list)


def gather(
    changes: Iterable[Change],
    *,
    targets: Targets,
    limit: int | None,
    keep_all: bool,
    strict: bool = True,
    wished: bool = False,
    in_scope: Callable[[str], bool] = lambda _group: True,
) -> Gathered:
    """Select and count. `strict`: a target that matches nothing is an error. `wished`: something was asked for of each
    of them, so that it is told of each why it isn't done. `in_scope`: whether what isn't declared of a group would have
    been loaded if it were.

    Changes outside the targets do nothing, yet what they learned about the server is kept. Beyond `limit` sends, a
    change is blocked. Raises: `UsageError` when a target matched nothing.
    """
    changed = change_spool()
    result = Gathered(changes=changed)
    orphans: dict[str, Address] = {}
    for change in changes:
        if not targets.match(change.address):
            result.housekeeping.extend(edit for edit in change.edits if isinstance(edit, (PutRecord, Rename)))
            continue
        if change.sends:
            if limit is not None and result.sends >= limit:
                result.housekeeping.extend(change.edits)
                change = change._replace(  # noqa: PLW2901
                    action=Action.BLOCKED, reason=f"beyond --limit {limit}", sends=False, edits=()
                )
            else:
                result.sends += 1
        result.summary[change.action] += 1
        if change.run_state is not None and change.action is Action.KEEP:
            result.drifted[change.run_state] = result.drifted.get(change.run_state, 0) + 1
        if change.desired is None and change.action is Action.KEEP and change.fingerprint and not wished:
            result.orphans += in_scope(group_of(change.address))
            orphans[change.fingerprint] = change.address
        if change.action is Action.KEEP and not (change.reason and (wished or change.desired is not None)):
            result.housekeeping.extend(change.edits)
            if keep_all:
                result.kept.append(change)
        else:
            changed.append(change)
    if strict:
        targets.check()
    if orphans:
        result.possibly_renamed = [
            (orphans[change.fingerprint], change.address)
            for change in changed
            if change.action is Action.TRIGGER and change.fingerprint in orphans and not _is_instance(change)
        ]
    return result


def _is_instance(change: Change) -> bool:
    """Whether it is about an instance of a recurring run: those are often alike, and none is another one's new name."""
    return change.desired is not None and change.desired.at_s is not None
