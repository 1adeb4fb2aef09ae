"""What is shown before an apply."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from tests.unit.render import samples
from wfdeploy.cli.confirm import Asker
from wfdeploy.cli.output import LogFormat, Output
from wfdeploy.cli.signals import Stopper
from wfdeploy.model.plan import Action, Plan

PLAN = replace(
    samples.plan_of([samples.change(f"g{n:03}/r", Action.TRIGGER, "new", sends=True) for n in range(300)]),
    warnings=tuple(f"the group g{n} declares no runs" for n in range(300)),
)


def shown(plan: Plan, *, verbosity: int = 0, log_format: LogFormat = LogFormat.TEXT) -> str:
    stderr = io.StringIO()
    output = Output(stdout=io.StringIO(), stderr=stderr, environ={})
    output.verbosity, output.log_format = verbosity, log_format
    asker = Asker(output, Stopper(), lambda _: None, yes=True, question="Carry this out?")
    assert asker(plan)
    asker.warn(plan.warnings)
    return stderr.getvalue()


def test_it_fits_a_screen_and_says_how_to_see_all() -> None:
    text = shown(PLAN)
    assert text.count("\n") <= 60
    assert "Not all is shown: -v lists every run." in text
    assert text.endswith("warning: 295 more like these\nhint: -v shows them\n")


@pytest.mark.parametrize(("verbosity", "log_format"), [(1, LogFormat.TEXT), (0, LogFormat.JSON)])
def test_details_and_logs_have_every_warning_once(verbosity: int, log_format: LogFormat) -> None:
    text = shown(PLAN, verbosity=verbosity, log_format=log_format)
    assert text.count("declares no runs") == 300
    assert text.count("/r  new") == (300 if log_format is LogFormat.TEXT else 0)
