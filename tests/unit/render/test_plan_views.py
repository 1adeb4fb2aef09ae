"""What views promise beyond their words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render import samples
from wfdeploy.model.event import Outcome
from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange
from wfdeploy.render import plan_json, plan_text, report
from wfdeploy.render.folding import fold

CHANGES = st.lists(
    st.builds(
        lambda number, action, reason, new: samples.change(
            f"g/r{number:03}", action, reason, *([] if new is None else [FieldChange("body.n", 0, new)])
        ),
        st.integers(0, 200),
        st.sampled_from([Action.TRIGGER, Action.RETRIGGER]),
        st.sampled_from(["a", "b"]),
        st.none() | st.integers(1, 3),
    ),
    max_size=60,
    unique_by=lambda change: change.address,
).map(lambda changes: sorted(changes, key=lambda change: change.address))


@given(CHANGES)
def test_folding_loses_nothing_and_keeps_the_order(changes: list[Change]) -> None:
    folds = list(fold(changes))
    assert sum(entry.count for entry in folds) == len(changes)
    assert [entry.first.address for entry in folds] == sorted(entry.first.address for entry in folds)
    for entry in folds:
        assert entry.samples == sorted(entry.samples, key=lambda change: change.address)
        assert len({(c.action, c.reason, tuple(f.path for f in c.diff)) for c in entry.samples}) == 1
        if not entry.differs:
            assert len({c.diff for c in entry.samples}) == 1
            first = entry.first
            alike = [c for c in changes if (c.action, c.reason, c.diff) == (first.action, first.reason, first.diff)]
            assert entry.samples == alike[: len(entry.samples)] or entry.count == 1
    lines = "".join(plan_text.text(samples.plan_of(changes), everything=True)).splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("  + ", "  ~ "))] == [c.address for c in changes]


def test_folding_holds_little_however_many_values_differ() -> None:
    def many() -> Iterator[Change]:
        for number in range(20_000):
            field = FieldChange("body.seats", number, number + 1)
            yield samples.change(f"g/r{number:05}", Action.RETRIGGER, "changed", field)

    (entry,) = fold(many())
    assert (entry.count, entry.differs, entry.first.address) == (20_000, "the values differ", "g/r00000")


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


def test_report_json_has_the_promised_keys() -> None:
    document = json.loads("".join(report.json_text(samples.report(triggered=1, rejected=1))))
    assert set(document["summary"]) == {outcome.value for outcome in Outcome}
    assert set(document["results"][0]) == {"address", "workflowRunId", "outcome", "createdAt", "error"}


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_values_fit_the_width(width: int) -> None:
    long_ = "x" * 500
    changes = [
        samples.change("g/a", Action.RETRIGGER, "", FieldChange("body.a", f"{long_}1{long_}", f"{long_}2{long_}")),
        samples.change("g/b", Action.RETRIGGER, "", FieldChange("body.b", f"{long_}\n1", f"{long_}\n2")),
    ]
    lines = "".join(plan_text.text(samples.plan_of(changes), width=width)).splitlines()
    assert all(len(line) <= width for line in lines if line.startswith("      "))
    shown = [line for line in lines if re.match(r' +[-+] "?…', line)]
    assert len(shown) == 2
    assert "1" in shown[0]
    assert "2" in shown[1]  # what differs is what is shown


def test_a_big_text_is_not_compared_line_by_line() -> None:
    old, new = "a\n" * 5000, "b\n" * 5000
    change = samples.change("g/a", Action.RETRIGGER, "", FieldChange("body", old, new))
    assert "5,001 lines -> 5,001 lines" in "".join(plan_text.text(samples.plan_of([change])))


def test_a_reason_about_one_run_is_said_of_each() -> None:
    missing = "is missing from the server's logs; attempt 1 of 3"
    changes = [samples.change(f"wave-0/r{n:03}", Action.RESTART, missing) for n in range(90)]
    text = "".join(plan_text.text(samples.plan_of(changes)))
    assert f"  ! 90 runs of wave-0: each {missing}\n" in text
