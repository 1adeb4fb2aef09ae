"""What is told without comparing runs one by one: the same as by comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer, dying
from tests.support.workbench import Workbench, group, run
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import FirstChanges, Plan, Selection
from wfdeploy.operations import plan as planning
from wfdeploy.planning import planner, shortcuts
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
    monkeypatch.setattr(planner, "first", lambda *_: None)
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


NUMBERS = range(24)
EDITS = st.lists(
    st.tuples(st.sampled_from(["body", "retries", "gone", "back", "new", "group"]), st.sampled_from(NUMBERS)),
    max_size=4,
)


def edited(edits: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Two groups of which a few runs were edited."""
    runs = {n: run(f"r{n:02}", body={"n": n}, workflowRunId=f"own-{n}" if n % 7 == 0 else None) for n in NUMBERS}
    more: dict[str, Any] = {"policy": {"onRemove": "forget", "onFailure": "restart"}}
    for kind, n in edits:
        match kind:
            case "gone":
                runs.pop(n, None)
            case "new":
                runs[100 + n] = run(f"new-{n}")
            case "group":
                more["defaults"] = {"retries": n}
            case "back":
                runs[n] = run(f"r{n:02}", body={"n": n})
            case _ if n in runs:
                runs[n] = {**runs[n], kind: {"n": -n} if kind == "body" else n}
                if kind == "body" and runs[n].get("workflowRunId"):
                    runs[n]["workflowRunId"] = f"own-{n}-edited"
    kept = [{name: value for name, value in one.items() if value is not None} for one in runs.values()]
    return [group("g", kept, **more), group("other", [run("a"), run("b")])]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=EDITS, after=EDITS, faults=st.lists(st.sampled_from(Fault), max_size=2), states=st.data())
def test_runs_that_differ_are_all_that_a_comparison_finds(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, int]],
    after: list[tuple[str, int]],
    faults: list[Fault],
    states: st.DataObject,
) -> None:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path_factory.mktemp("bench"), "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    bench.write(*edited([]))
    bench.apply()
    bench.write(*edited(before))
    remote.faults = faults
    with dying():
        bench.apply()
    remote.faults = []
    with closing(bench.workspace.open_state()) as store:
        some = states.draw(st.lists(st.sampled_from([key.address for key in store.record_keys()]), max_size=3))
        shown = st.sampled_from([RunState.FAILED, RunState.CANCELED, RunState.SUCCESS, None])
        store.commit([Observe(Address(one), states.draw(shown), 5) for one in some])
    bench.write(*edited(after))
    for keep_all in (False, True):
        found = told(bench, Selection(), keep_all=keep_all)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shortcuts, "mostly_unchanged_groups", lambda *_: {})
            patch.setattr(shortcuts, "unchanged_groups", lambda *_: {})
            assert told(bench, Selection(), keep_all=keep_all) == found
