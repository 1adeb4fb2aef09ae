"""What differs, found out when it is asked for."""

from __future__ import annotations

from tests.unit.planning.diff.knowing import Known, KnownRecords, declared, recorded
from wfdeploy.model.plan import Action
from wfdeploy.planning.diff.reasons import explained


def test_what_differs_is_found_out_when_it_is_asked_for() -> None:
    context, (change,) = Known([recorded(declared("a", {"x": 1}))]).compared(declared("a", {"x": 2}))
    assert isinstance(context.lookups, KnownRecords)
    asked = context.lookups.asked
    assert (change.action, change.brief, change.reason, change.diff) == (Action.RETRIGGER, True, "", ())
    asked.clear()
    (told,) = explained([change], context)
    assert (told.brief, told.reason, [one.path for one in told.diff]) == (False, "changed", ["body.x"])
    assert asked == ["g/a"]
    assert list(explained([told], context)) == [told]
    assert asked == ["g/a"]
