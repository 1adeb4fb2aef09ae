"""What a plan does only when somebody has agreed to it, or an option allows it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.model.test_address import address, moves
from tests.unit.render.samples import change, plan_of
from wfdeploy.errors import Withheld
from wfdeploy.model.address import Address
from wfdeploy.model.observed import Continuation, ObservedRun, RunState
from wfdeploy.model.options import MANY, ApplyOptions
from wfdeploy.model.plan import Action, Plan, RequestedAction, Selection
from wfdeploy.planning.consent import Later, needs_consent, require_consent


def counting(**counts: int) -> Plan:
    """A plan with so many of each action."""
    summary = dict.fromkeys(Action, 0) | {Action(name): count for name, count in counts.items()}
    return replace(plan_of([]), summary=summary, sends=counts.get("trigger", 0) + counts.get("retrigger", 0))


@pytest.mark.parametrize(
    ("plan", "later", "allowed"),
    [
        (counting(retrigger=MANY + 1), Later(), {"allow_retrigger": True}),
        (counting(retrigger=MANY), Later(1, 1), {"allow_retrigger": True}),
        (replace(counting(retrigger=1), declared_again=MANY), Later(), {"allow_retrigger": True}),
        (replace(counting(), possibly_triggered=(("wfr_x", Address("g/a")),)), Later(), {"allow_retrigger": True}),
        (replace(counting(), in_doubt=((Address("g/a"), "why"),)), Later(), {"allow_retrigger": True}),
        (counting(cancel=MANY + 1), Later(), {"allow_cancel": True}),
        (replace(counting(cancel=1), emptied={"g/r": 1}), Later(), {"allow_cancel": True}),
    ],
)
def test_each_limit_has_an_option_that_lifts_it_and_no_other(plan: Plan, later: Later, allowed: dict[str, Any]) -> None:
    (name,) = allowed
    others = {"allow_retrigger", "allow_cancel", "create_state"} - {name}
    for options in (ApplyOptions(), ApplyOptions(**dict.fromkeys(others, True))):
        with pytest.raises(Withheld) as caught:
            require_consent(plan, options, later)
        assert f"--{name.replace('_', '-')}" in (caught.value.hint or "")
    require_consent(plan, ApplyOptions(**allowed), later)


def test_up_to_its_limit_a_plan_needs_none() -> None:
    require_consent(counting(trigger=10_000, retrigger=MANY, cancel=MANY), ApplyOptions())
    require_consent(counting(retrigger=MANY - 1), ApplyOptions(), Later(triggers=1, retriggers=1))


def test_everything_that_is_not_allowed_is_told_at_once() -> None:
    plan = replace(counting(trigger=5, retrigger=MANY + 1, cancel=MANY + 1), emptied={"g/r": 1})
    with pytest.raises(Withheld) as caught:
        require_consent(plan, ApplyOptions(max_triggers=3))
    parts = caught.value.message.split("; and ")
    words = ("trigger 106 runs", "trigger 101 runs again", "cancel 1 run since g/r", "cancel 101 runs")
    assert all(word in part for word, part in zip(words, parts, strict=True))
    assert caught.value.hint == (
        "look at it with `wfdeploy plan`, or look at the data with `wfdeploy validate`; "
        "if all of it is meant, give --max-triggers 106 --allow-retrigger --allow-cancel"
    )


def test_what_is_released_later_counts_as_triggered() -> None:
    options = ApplyOptions(max_triggers=3)
    require_consent(counting(trigger=2), options, Later(triggers=1))
    with pytest.raises(Withheld, match="trigger 4 runs, more than --max-triggers 3"):
        require_consent(counting(trigger=2), options, Later(triggers=2))


def test_a_person_agrees_to_what_is_cancelled_and_to_what_was_asked_for() -> None:
    assert needs_consent(counting(trigger=5, retrigger=5), Selection()) is None
    assert needs_consent(counting(cancel=1), Selection()) == "cancel 1 run"
    retriggering = Selection(requested=RequestedAction.RETRIGGER)
    assert needs_consent(counting(retrigger=2, cancel=3), retriggering) == "retrigger 2 runs and cancel 3 runs"
    assert needs_consent(counting(trigger=2), Selection(requested=RequestedAction.RESUME)) is None


def test_a_person_agrees_to_runs_that_replace_others() -> None:
    asked = change("g/a", Action.RETRIGGER, "requested", sends=True)
    cancelling = change("g/b", Action.RETRIGGER, "changed", sends=True)._replace(cancels="wfr_b")
    selection = Selection(replace=("g/a",))
    assert needs_consent(plan_of([asked, cancelling]), selection) == "retrigger 1 run and cancel 1 run"


def test_the_word_of_consent_suggests_one_too() -> None:
    pairs = ((address("a: b"), address("c, d")),)
    plan = replace(plan_of([]), possibly_renamed=pairs * 101, summary=dict.fromkeys(Action, 0))
    with pytest.raises(Withheld) as caught:
        require_consent(plan, ApplyOptions())
    entry = re.search(r"- \{.*\}", caught.value.hint or "")
    assert entry is not None
    assert moves(f"  moved:\n    {entry[0]}") == list(pairs)


def test_a_start_that_may_be_one_too_many_names_the_run_that_may_go_on_already() -> None:
    doubted = tuple((Address(name), "its dead letter is gone") for name in ("g/a", "g/b"))
    going_on = ObservedRun("wfr_new", RunState.STARTED, 1)
    found = Continuation(address=Address("g/a"), workflow_run_id="wfr_old", runs=(going_on,))
    plan = replace(plan_of([]), in_doubt=doubted, continuations=(found,))
    with pytest.raises(
        Withheld, match=r"restart would start g/a and 1 more again.*: its dead letter is gone"
    ) as caught:
        require_consent(plan, ApplyOptions(), requested=RequestedAction.RESTART)
    assert "wfdeploy adopt --target g/a --run-id wfr_new" in (caught.value.hint or "")


@pytest.mark.parametrize("names", [(), ("wfr_x", "wfr_y")])
def test_which_run_goes_on_is_left_open_where_several_may_or_none_shows(names: tuple[str, ...]) -> None:
    runs = tuple(ObservedRun(name, RunState.STARTED, 1) for name in names)
    found = Continuation(address=Address("g/a"), workflow_run_id="wfr_old", runs=runs)
    plan = replace(plan_of([]), in_doubt=((Address("g/a"), "it may go on"),), continuations=(found,))
    with pytest.raises(Withheld) as caught:
        require_consent(plan, ApplyOptions(), requested=RequestedAction.RESTART)
    assert "wfdeploy adopt --target g/a --run-id ID" in (caught.value.hint or "")
