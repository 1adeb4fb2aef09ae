"""All addresses together: a plan that was carried out leaves nothing to do."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
from hypothesis import given

from tests.unit.planning.diff.knowing import Known, declared, recorded
from wfdeploy.model.plan import Action, Change

names = st.sampled_from(list("abcdef"))


@given(st.dictionaries(names, st.integers(1, 3)), st.dictionaries(names, st.integers(1, 3)))
def test_a_plan_carried_out_leaves_nothing_to_do(before: dict[str, int], after: dict[str, int]) -> None:
    records = {name: recorded(declared(name, body)) for name, body in before.items()}
    runs = [declared(name, body) for name, body in after.items()]
    wanted = {run.address: run for run in runs}
    changes = Known(list(records.values())).changes(*runs)
    assert [change.address for change in changes] == sorted({f"g/{name}" for name in before | after})
    assert _actions(changes) == _actions(Known(list(records.values())).changes(*runs)), "a plan is a pure function"
    for change in changes:
        if change.sends and change.desired is not None:
            records[change.address[2:]] = recorded(wanted[change.address], change.generation)
    again = Known(list(records.values())).changes(*runs)
    assert {change.action for change in again} <= {Action.KEEP}


def _actions(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(change.address, change.action.value, change.workflow_run_id) for change in changes]
