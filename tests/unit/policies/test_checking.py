"""Which runs, groups and changes are held to policies, and how violations are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, group, run
from wfdeploy.errors import PolicyViolated
from wfdeploy.manifests.loading import load
from wfdeploy.model.diagnostic import Severity
from wfdeploy.model.plan import Selection
from wfdeploy.model.policy import rules_of
from wfdeploy.policies import checking
from wfdeploy.policies.checking import check_declared

PROJECT = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: bench}\nspec:\n  policies: ["


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    return bench


def forbid(bench: Workbench, *policies: dict[str, Any]) -> None:
    """Give the project these policies."""
    file = bench.root / "wfdeploy.yaml"
    named = [{"name": f"p{index}", "message": "no", **policy} for index, policy in enumerate(policies)]
    file.write_text(PROJECT + ", ".join(map(str, named)).replace("True", "true") + "]\n")
    bench.project = replace(bench.project, file=file, policies=rules_of({"policies": named}, file))


def reported(bench: Workbench, **selection: Any) -> list[str]:
    """The violations of a plan: address and message."""
    return [f"{one.address}: {one.message}" for one in bench.plan(**selection).violations]


def test_a_run_has_what_is_sent_and_no_secret(bench: Workbench) -> None:
    bench.project = replace(bench.project, secrets=("TOKEN",))
    bench.write(
        group(
            "g",
            [
                run("a", body={"n": 1}, retries=2, delay="1m", timeout="30s"),
                run("b", bodyText="x", contentType="text/csv", flowControl={"key": "k", "rate": 5, "period": "1m"}),
            ],
            defaults={"headers": {"X-Team": "t", "Authorization": "Bearer ${{ secrets.TOKEN }}"}, "labels": ["l"]},
        )
    )
    forbid(
        bench,
        {
            "expression": "run.address == 'g/b' || run.body.n == 1 && run.retries == 2 && run.delay == 60"
            " && run.timeout == 30 && run.contentType == 'application/json' && !has(run.flowControl)"
        },
        {
            "expression": "run.address == 'g/a' || run.body == 'x' && run.flowControl.rate == 5 && run.delay == 0"
            " && run.flowControl.period == 60 && !has(run.retries)"
        },
        {"expression": "run.labels == ['l'] && run.headers['x-team'] == 't'"},
        {"expression": "run.headers.authorization == 'Bearer ${{ secrets.TOKEN }}'"},
        {"expression": "group.name == 'g' && group.runs == 2 && !group.recurring && group.policy.onRemove == 'keep'"},
        {"expression": "environment.name == 'default' && environment.project == 'bench'"},
        {"expression": "!(group.runs == 2)", "scope": "group"},
    )
    assert reported(bench) == ["g: policy p6: no"]


def test_only_what_is_new_or_changed_is_checked(bench: Workbench) -> None:
    bench.write(group("g", [run("a"), run("b", body=1)]))
    bench.apply()
    forbid(bench, {"expression": "false"}, {"expression": "false", "scope": "group"})
    assert reported(bench) == []
    assert bench.apply().summary
    bench.write(group("g", [run("a"), run("b", body=2)]), group("h", [run("c")], dependsOn=[{"group": "g"}]))
    assert reported(bench) == [
        f"{about}: policy {name}: no" for about, name in (("g/b", "p0"), ("h/c", "p0"), ("g", "p1"), ("h", "p1"))
    ]


def test_changes_and_the_plan_say_what_is_done(bench: Workbench) -> None:
    bench.write(group("g", [run("a")]))
    forbid(
        bench,
        {"expression": "change.action == 'trigger' && change.run.delay == 0 && plan.sends == 1", "scope": "change"},
        {"expression": "plan.trigger == 1 && plan.retrigger == 0 && plan.command == 'apply'", "scope": "plan"},
        {"expression": "actor.name != '' && now > timestamp('2020-01-01T00:00:00Z')", "scope": "plan"},
    )
    assert reported(bench) == []
    bench.apply()
    assert reported(bench, replace=("g/a",)) == ["g/a: policy p0: no", ": policy p1: no"]
    forbid(bench, {"expression": "!has(change.run) && change.action == 'forget'", "scope": "change"})
    bench.write(group("h", [run("a", delay="1h")]))
    (one,) = bench.plan(prune=True).violations
    assert (one.address, one.place.file.endswith("manifests/runs.yaml")) == ("h/a", True)


def test_one_expression_that_cannot_be_evaluated_denies(bench: Workbench) -> None:
    bench.write(group("g", [run("a")]))
    forbid(bench, {"expression": "run.retries < 3"}, {"expression": "run.retries < 3", "severity": "warning"})
    with pytest.raises(PolicyViolated) as raised:
        bench.apply()
    (found,) = raised.value.diagnostics
    assert found.message == 'policy p0 can\'t be evaluated, which denies: Key not found in map : "retries"'
    assert found.excerpt is not None
    assert [one.severity for one in bench.plan().violations] == [Severity.ERROR, Severity.WARNING]


def test_many_violations_are_counted(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST", 3)
    bench.write(group("g", [run(f"r{number}") for number in range(1203)]))
    forbid(bench, {"expression": "false"})
    with load(bench.workspace, None, Selection()) as manifests:
        found = check_declared(bench.project, bench.project.policies, manifests, cwd=bench.root)
    assert [one.message for one in found] == [*["policy p0: no"] * 3, "policy p0: 1,200 more like these"]
    assert found[0].place.file == "manifests/runs.yaml" or found[0].place.file.endswith("manifests/runs.yaml")
