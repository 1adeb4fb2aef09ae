"""What is told of a first plan without comparing its runs: the same as by comparing them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.support.workbench import Workbench, group, run
from wfdeploy.model.first_changes import FirstChanges
from wfdeploy.model.plan import Plan, Selection
from wfdeploy.operations import plan as planning
from wfdeploy.operations import prepared
from wfdeploy.render import plan_json, plan_text

GROUPS = [
    group("few", [run(f"r{n}") for n in range(7)]),
    group("few-more", [run(f"r{n}", workflowRunId=f"own-{n}") for n in range(8)]),
    group("many", [run(f"r{n:02}", body={"n": n}) for n in range(30)]),
]


def told(bench: Workbench, selection: Selection, *, keep_all: bool) -> tuple[bool, Plan, list[str], list[str]]:
    """Whether nothing was compared, the plan, and what people and programs are told of it."""
    with planning.planned(bench.workspace, paths=None, selection=selection, offline=True, keep_all=keep_all) as made:
        plan = replace(made, lineage="")  # which is another one each time, while there is no state
        lines = list(plan_text.text(plan, everything=keep_all))
        is_first = isinstance(plan.changes, FirstChanges)
        return is_first, replace(plan, changes=list(plan.changes)), lines, list(plan_json.text(plan))


@pytest.mark.parametrize("keep_all", [False, True])
@pytest.mark.parametrize(
    ("groups", "selection", "is_first"),
    [
        (GROUPS, Selection(), True),
        (GROUPS, Selection(replace=("many/r00",)), True),
        (GROUPS, Selection(limit=3), False),
        (GROUPS, Selection(targets=("many/*",)), False),
        ([*GROUPS, group("after", [run("a")], dependsOn=[{"group": "many"}])], Selection(), False),
        (
            [*GROUPS, group("slow", [run("a"), run("b")], rollout={"steps": [{"count": 1}, {"percent": 50}]})],
            Selection(),
            False,
        ),
        ([*GROUPS, group("hourly", [run("a")], schedule={"cron": "0 * * * *"})], Selection(), False),
    ],
)
def test_a_first_plan_says_what_a_comparison_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    groups: list[dict[str, Any]],
    selection: Selection,
    is_first: bool,
    keep_all: bool,
) -> None:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=ManualClock())
    bench.write(*groups)
    found = told(bench, selection, keep_all=keep_all)
    monkeypatch.setattr(prepared, "first", lambda *_: None)
    compared = told(bench, selection, keep_all=keep_all)
    assert (found[0], compared[0]) == (is_first, False)
    assert found[1:] == compared[1:]


def test_no_plan_but_the_first_one_is_one(tmp_path: Path) -> None:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=ManualClock())
    bench.write(*GROUPS)
    bench.adopt(targets=("few/r0",))
    is_first, plan, _, _ = told(bench, Selection(), keep_all=False)
    assert not is_first
    assert len(plan.changes) == plan.sends == 44
