"""Applying some of a project's files: what the others declare or move is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, planned, run
from wfdeploy.model.run import Move

REMOVALS = [("cancel", False), ("forget", False), ("keep", True)]


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100_000.0) as bench:
        yield bench


def path(bench: VirtualBench, file: str) -> str:
    return str(bench.root / "manifests" / file)


def a(*names: str, policy: str = "cancel", **spec: Any) -> dict[str, Any]:
    return group("a", [run(name, body=name) for name in names], policy={"onRemove": policy}, **spec)


def b(*names: str, **spec: Any) -> dict[str, Any]:
    return group("b", [run(name, body=name) for name in names], **spec)


def moving(bench: VirtualBench, policy: str, where: str) -> None:
    """A run that moves from one file to another; the move stands in one of three places."""
    bench.write(a("x", "y", policy=policy), file="a.yaml")
    bench.write(b("z"), file="b.yaml")
    bench.apply()
    move = [{"from": "a/x", "to": "b/x"}]
    bench.write(a("y", policy=policy, **({"moved": move} if where == "a" else {})), file="a.yaml")
    bench.write(b("x", "z", **({"moved": move} if where == "b" else {})), file="b.yaml")
    if where == "project":
        file = bench.root / "wfdeploy.yaml"
        file.write_text(
            "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: bench}\nspec:\n  moved: [{from: a/x, to: b/x}]\n"
        )
        bench.project = replace(bench.project, file=file, moved=(Move("a/x", "b/x"),))


@pytest.mark.parametrize(("policy", "prune"), REMOVALS)
@pytest.mark.parametrize("where", ["a", "b", "project"])
def test_a_run_that_moved_to_a_file_that_is_not_loaded(
    bench: VirtualBench, policy: str, prune: bool, where: str
) -> None:
    moving(bench, policy, where)
    plan = bench.plan(paths=[path(bench, "a.yaml")], prune=prune)
    assert (planned(plan), plan.orphans, plan.warnings) == ({}, 0, ())
    bench.apply(paths=[path(bench, "a.yaml")], prune=prune)
    assert counts(bench.apply(paths=[path(bench, "b.yaml")]))["kept"] >= 2
    assert counts(bench.apply(prune=prune)) == {"kept": 3}
    assert bench.triggered() == ["a-x", "a-y", "b-z"]
    assert not any(run.cancelled for run in bench.remote.runs)


@pytest.mark.parametrize("where", ["a", "b", "project"])
def test_its_new_file_may_come_first(bench: VirtualBench, where: str) -> None:
    """The move may stand in the file that isn't loaded."""
    moving(bench, "cancel", where)
    assert "triggered" not in counts(bench.apply(paths=[path(bench, "b.yaml")]))
    bench.apply(paths=[path(bench, "a.yaml")])
    assert counts(bench.apply()) == {"kept": 3}
    assert bench.triggered() == ["a-x", "a-y", "b-z"]
    assert not any(run.cancelled for run in bench.remote.runs)


@pytest.mark.parametrize(("policy", "prune"), REMOVALS)
def test_a_group_that_moved_to_another_file(bench: VirtualBench, policy: str, prune: bool) -> None:
    bench.write(a("x", policy=policy), b("z"), file="a.yaml")
    bench.apply()
    bench.write(b("z"), file="a.yaml")
    bench.write(a("x", policy=policy), file="c.yaml")
    assert counts(bench.apply(paths=[path(bench, "a.yaml")], prune=prune))["kept"] >= 1
    assert counts(bench.apply()) == {"kept": 2}
    assert len(bench.triggered()) == 2
    assert not any(run.cancelled for run in bench.remote.runs)


@pytest.mark.parametrize(("policy", "prune"), REMOVALS)
def test_a_group_that_was_renamed_in_another_file(bench: VirtualBench, policy: str, prune: bool) -> None:
    bench.write(a("x", "y", policy=policy), file="a.yaml")
    bench.apply()
    bench.write(a("q", policy=policy), file="a.yaml")
    bench.write(b("x", "y", moved=[{"from": "a/x", "to": "b/x"}, {"from": "a/y", "to": "b/y"}]), file="b.yaml")
    bench.apply(paths=[path(bench, "a.yaml")], prune=prune)
    assert counts(bench.apply()) == {"kept": 3}
    assert bench.triggered() == ["a-q", "a-x", "a-y"]


def test_a_copy_from_elsewhere_removes_nothing_that_the_project_declares(bench: VirtualBench) -> None:
    bench.write(a("x", "y"), file="a.yaml")
    bench.apply()
    (bench.root / "draft").mkdir()
    bench.write(a("y"), file="../draft/a.yaml")
    assert not bench.plan(paths=[str(bench.root / "draft" / "a.yaml")]).has_changes


@pytest.mark.parametrize(("policy", "prune"), REMOVALS)
def test_another_file_that_is_broken(bench: VirtualBench, policy: str, prune: bool) -> None:
    """Nothing is removed, and it is said why; everything else goes on."""
    moving(bench, policy, "b")
    bench.write(a("y", "new", policy=policy), file="a.yaml")
    Path(path(bench, "b.yaml")).write_text("kind: [\n")
    report = bench.apply(paths=[path(bench, "a.yaml")], prune=prune)
    assert counts(report)["triggered"] == 1
    (warning,) = report.warnings
    assert "b.yaml" in warning
    assert "cancelled or forgotten" in warning
    moving_on = b("x", "z", moved=[{"from": "a/x", "to": "b/x"}])
    bench.write(moving_on, file="b.yaml")
    assert counts(bench.apply()) == {"kept": 4}


@pytest.mark.parametrize(("policy", "prune"), REMOVALS)
def test_what_nobody_declares_is_removed(bench: VirtualBench, policy: str, prune: bool) -> None:
    bench.write(a("x", "y", policy=policy), file="a.yaml")
    bench.write(b("z"), file="b.yaml")
    bench.apply()
    bench.write(a("y", policy=policy), file="a.yaml")
    report = bench.apply(paths=[path(bench, "a.yaml")], prune=prune)
    assert counts(report).get("cancelled" if policy == "cancel" else "forgotten") == 1


def test_without_a_project_a_file_stands_for_itself(bench: VirtualBench) -> None:
    bench.project = replace(bench.project, manifests=("nowhere",))
    bench.write(a("x", "y"), file="a.yaml")
    bench.apply(paths=[path(bench, "a.yaml")])
    bench.write(a("y"), file="a.yaml")
    assert counts(bench.apply(paths=[path(bench, "a.yaml")]))["cancelled"] == 1
