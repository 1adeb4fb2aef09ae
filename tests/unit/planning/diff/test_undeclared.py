"""Recorded runs that nothing declares any more."""

from __future__ import annotations

from typing import Any

from tests.unit.planning.diff.knowing import Known, declared, recorded
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import OnRemove
from wfdeploy.planning.diff.context import Removal, RunStates


def test_orphans_follow_their_groups_policy_when_in_scope() -> None:
    before = [recorded(declared("a"))]

    def orphan(states: RunStates | None = None, **more: Any) -> Change:
        return Known(before, more={"removal": Removal(**more), "states": states or RunStates()}).change()

    everything: dict[str, Any] = {"is_gone": lambda _: True}
    assert orphan().action is Action.KEEP
    assert orphan(**everything).action is Action.KEEP
    assert orphan(**everything, prune=True).action is Action.FORGET
    assert orphan(prune=True).action is Action.KEEP
    forgotten = orphan(**everything, policies={"g": OnRemove.FORGET})
    assert (forgotten.action, forgotten.edits) == (Action.FORGET, (Forget(Address("g/a")),))
    assert orphan(**everything, policies={"g": OnRemove.CANCEL}).action is Action.CANCEL
    ended = RunStates(live={before[0].address: RunState.SUCCESS})
    assert orphan(ended, **everything, policies={"g": OnRemove.CANCEL}).action is Action.KEEP
