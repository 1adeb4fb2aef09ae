"""No view of what somebody else wrote holds a control character."""

from __future__ import annotations

from hypothesis import given

from tests.unit.render import samples
from tests.unit.render.views import TEXT, all_safe, is_safe
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.plan import Action, FieldChange
from wfdeploy.render import diagnostics, plan_json, plan_text, report, status_text

EVIL = "\x1b[2J\r\n\x07\u202e\x9b\ud800"


def test_no_view_of_a_hostile_plan_holds_a_control_character() -> None:
    plan = samples.hostile()
    for width in (20, 60, 200):
        assert all_safe(plan_text.text(plan, width=width))
        assert all_safe(plan_text.text(plan, width=width, everything=True, next_step="x"))
    assert all_safe(plan_json.text(plan))


@given(TEXT, TEXT)
def test_field_changes_are_safe_in_any_width(old: str, new: str) -> None:
    change = samples.change(
        "g/r", Action.RETRIGGER, "", FieldChange("body.x", old, new), FieldChange("y", [old], {new: 1})
    )
    assert all_safe(plan_text.text(samples.plan_of([change]), width=30))


def test_reports_status_and_diagnostics_are_safe() -> None:
    result = Result(address=Address(f"g/{EVIL}"), outcome=Outcome.REJECTED, workflow_run_id=EVIL, error=EVIL)
    summary = dict.fromkeys(Outcome, 0) | {Outcome.REJECTED: 1}
    given_report = ApplyReport(summary=summary, results=(result,), stopped=EVIL, hint=EVIL)
    assert all_safe(report.text(given_report))
    assert all_safe(report.json_text(given_report))
    assert all_safe(status_text.text(samples.STATUS))
    found = [Diagnostic(code="x", message=EVIL, place=Place(EVIL), address=EVIL, hint=EVIL, excerpt=EVIL)]
    assert is_safe(diagnostics.text(found))
    assert is_safe("".join(diagnostics.json_text(found)))
