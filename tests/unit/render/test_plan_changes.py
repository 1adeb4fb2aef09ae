"""Values that differ, as far as the width allows."""

from __future__ import annotations

import re

import pytest

from tests.unit.render import samples
from wfdeploy.model.plan import Action, FieldChange
from wfdeploy.render import plan_text


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
