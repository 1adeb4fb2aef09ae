"""A plan as one JSON object."""

from __future__ import annotations

import json

from hypothesis import given

from tests.unit.render import samples
from tests.unit.render.views import CHANGES
from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange
from wfdeploy.render import plan_json


@given(CHANGES)
def test_plan_json_is_one_object_with_every_action(changes: list[Change]) -> None:
    plan = samples.plan_of(changes, keep=3)
    document = json.loads("".join(plan_json.text(plan)))
    assert document["formatVersion"] == 1
    assert (document["project"], document["environment"]) == ("shop", "production")
    assert document["summary"] == {action.value: plan.summary[action] for action in Action}
    assert [change["address"] for change in document["changes"]] == [change.address for change in changes]


def test_a_field_of_one_side_is_a_missing_key_and_null_is_a_value() -> None:
    change = samples.change("g/r", Action.RETRIGGER, "", FieldChange("a", ABSENT, None), FieldChange("b", None, ABSENT))
    assert plan_json.change_fields(change)["diff"] == [{"path": "a", "new": None}, {"path": "b", "old": None}]
