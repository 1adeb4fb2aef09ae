"""Changes and results in few bytes: a plan may hold a million, and most say little."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from wfdeploy.model.address import Address
from wfdeploy.model.event import Outcome, Result
from wfdeploy.model.plan import Action, Change, NameRun
from wfdeploy.model.run import DesiredRun, Group, Source
from wfdeploy.model.spool import HELD, Spool


def result_spool(held: int = HELD) -> Spool[Result]:
    """A spool for results."""

    def pack(result: Result) -> object:
        address, outcome, run_id, created_at_ms, error = result
        return address, outcome._value_, run_id, created_at_ms, error  # `value` is looked up by a function of Python's

    def unpack(packed: Any) -> Result:
        address, outcome, *rest = packed
        return Result(Address(address), Outcome(outcome), *rest)

    return Spool(held=held, pack=pack, unpack=unpack)


def change_spool(held: int = HELD) -> Spool[Change]:
    """A spool for changes."""
    pack, unpack = change_packer()
    return Spool(held=held, pack=pack, unpack=unpack)


def change_packer() -> tuple[Callable[[Change], Any], Callable[[Any], Change]]:
    """What packs changes for `marshal`, and unpacks them again: those that carry no more than an identity as plain
    tuples. The two belong together: groups, and what makes run ids, are held once, between them."""
    groups: list[Group] = []
    names: list[NameRun] = []
    positions: dict[int, int] = {}

    def pack(change: Change) -> Any:
        run = change.desired
        if run is None or change.edits or change.diff or change.warnings or change.attempt or change.record:
            return pickle.dumps(change._replace(run_id=change.workflow_run_id))
        if change.tries or change.dlq_id or change.cancels or change.run_state or change.unclaimed:
            return pickle.dumps(change._replace(run_id=change.workflow_run_id))
        position = positions.get(id(run.group))
        if position is None:
            position = positions[id(run.group)] = len(groups)
            groups.append(run.group)
        source = run.source
        _, fingerprint, delivery, _, _, *rest = run
        place = source.file, source.line, source.entry, source.data, source.row
        run_id: str | int
        if isinstance(change.run_id, str):
            run_id = change.run_id
        else:
            if change.run_id not in names:
                names.append(change.run_id)
            run_id = names.index(change.run_id)
        said = change.action.value, change.reason, run_id, change.fingerprint, change.generation
        return change.address, *said, change.sends, change.send_before_ms, fingerprint, delivery, position, place, *rest

    def unpack(packed: Any) -> Change:
        if isinstance(packed, bytes):
            change: Change = pickle.loads(packed)  # noqa: S301 - our own, from a file without a name
            return change
        address, action, reason, run_id, own, generation, *more = packed
        sends, before_ms, text, delivery, position, place, *rest = more
        source = Source(*place)
        return Change(
            address=Address(address),
            action=Action(action),
            reason=reason,
            run_id=names[run_id] if isinstance(run_id, int) else run_id,
            fingerprint=own,
            generation=generation,
            source=source,
            sends=sends,
            send_before_ms=before_ms,
            desired=DesiredRun(Address(address), text, delivery, groups[position], source, *rest),
        )

    return pack, unpack
