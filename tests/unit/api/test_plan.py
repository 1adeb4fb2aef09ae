"""Plans as values: looked at, applied once, and stale when something else has changed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import wfdeploy
from tests.support.local_server import LocalServer
from tests.support.workbench import run
from tests.unit.api.conftest import Load, counts, declare
from wfdeploy import Action, Outcome


def test_a_plan_is_applied_and_only_once(load: Load, server: LocalServer) -> None:
    project, told = load(), list[wfdeploy.Event]()
    plan = project.plan(targets=["onboarding/*"])
    report = project.apply(plan, on_event=told.append)
    assert (counts(report), report.is_done) == ({"triggered": 2}, True)
    assert [result.outcome for result in report.results] == [Outcome.TRIGGERED] * 2
    assert Counter(type(event) for event in told)[wfdeploy.Settled] >= 1
    assert len(server.accepted()) == 2
    with pytest.raises(wfdeploy.StalePlan):
        project.apply(plan)
    assert counts(project.apply()) == {"triggered": 1, "kept": 2}
    assert counts(project.apply()) == {"kept": 3}
    assert not project.plan().has_changes
    assert len(server.accepted()) == 3


def test_a_plan_of_other_manifests_is_stale(load: Load, folder: Path, server: LocalServer) -> None:
    project = load()
    plan = project.plan()
    declare(folder, "seed", [run("first"), run("second")])
    with pytest.raises(wfdeploy.StalePlan, match="the manifests have changed"):
        project.apply(plan)
    assert server.accepted() == []


def test_a_plan_of_another_environment_is_stale(load: Load) -> None:
    plan = load().plan()
    with pytest.raises(wfdeploy.StalePlan, match="the plan was made for"):
        load(environment="local").apply(plan)


def test_an_unverified_plan_is_not_applied(load: Load) -> None:
    with pytest.raises(wfdeploy.StalePlan, match="unverified"):
        load().apply(load().plan(offline=True))


def test_a_plan_says_alone_what_it_is_about(load: Load) -> None:
    with pytest.raises(wfdeploy.UsageError):
        load().apply(load().plan(), targets=["seed/*"])


def test_a_plan_is_a_value(load: Load) -> None:
    plan = load().plan()
    assert [(change.address, change.action) for change in plan.changes] == [
        ("onboarding/acme", Action.TRIGGER),
        ("onboarding/globex", Action.TRIGGER),
        ("seed/first", Action.TRIGGER),
    ]
    assert {action: count for action, count in plan.summary.items() if count} == {Action.TRIGGER: 3}
    assert (plan.project, plan.environment, plan.verified, plan.has_changes) == ("shop", "default", True, True)
    assert plan.changes[0].source.startswith("manifests/onboarding.yaml:")
    assert plan.changes[0].workflow_run_id.startswith("wfr_")
    assert json.loads(plan.to_json())["summary"]["trigger"] == 3
    assert "Plan: 3 to trigger." in plan.to_text()
    assert "state `.wfdeploy/state/default.db`" in plan.to_markdown()


def test_a_plan_is_of_its_targets(load: Load) -> None:
    plan = load().plan(targets=["onboarding/*"], limit=1)
    assert [change.address for change in plan.changes if change.action is Action.TRIGGER] == ["onboarding/acme"]
    with pytest.raises(wfdeploy.UsageError):
        load().plan(targets=["nothing/*"])
