"""The operations of a project, as a program calls them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import wfdeploy
from tests.support.local_server import LocalServer
from tests.support.workbench import run
from tests.unit.api.conftest import Load, declare
from wfdeploy import Severity


@pytest.mark.parametrize("options", [{"targets": "seed/*"}, {"paths": "manifests"}, {"limit": 0}, {"paths": ["-"]}])
def test_what_makes_no_sense_is_refused(load: Load, options: dict[str, Any]) -> None:
    with pytest.raises(wfdeploy.UsageError):
        load().plan(**options)


def test_nothing_is_printed(load: Load, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load().plan()
    (folder / "manifests" / "seed.yaml").write_text("kind: Nonsense\n", encoding="utf-8")
    load().validate()
    assert capfd.readouterr() == ("", "")


def test_it_works_on_the_embedded_server(folder: Path, tmp_path: Path) -> None:
    destination = "${{ vars.app_url }}/demo/seed"
    declare(folder, "seed", [run("first", destination=destination)])
    project = wfdeploy.load(folder, local=True, environ={"XDG_STATE_HOME": str(tmp_path / "user")})
    report = project.apply(targets=["seed/*"])  # no plan before it: another test may have the demo's port by then
    assert report.watched == {wfdeploy.RunState.SUCCESS: 1}
    assert [row.run_state for row in project.status("seed/*")] == [wfdeploy.RunState.SUCCESS]


def test_a_state_that_git_tracks_is_refused(load: Load, folder: Path) -> None:
    load().apply()
    for command in (["init", "-q"], ["add", "-f", ".wfdeploy"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    with pytest.raises(wfdeploy.StateUnusable, match="git tracks"):
        load().status()


def test_problems_have_a_place_and_a_hint(load: Load, folder: Path) -> None:
    (folder / "manifests" / "seed.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: seed}\nspec: {destinatoin: x, runs: []}\n", "utf-8"
    )
    problems = load().validate()
    problem = next(problem for problem in problems if "destinatoin" in problem.message)
    assert (problem.place.file, problem.place.line, problem.severity) == ("manifests/seed.yaml", 4, Severity.ERROR)
    assert str(problem).startswith("manifests/seed.yaml:4:")
    assert problem.hint
    with pytest.raises(wfdeploy.InvalidInput) as raised:
        load().plan()
    assert set(raised.value.diagnostics) <= set(problems)


def test_a_problem_is_printed_in_visible_text(load: Load, folder: Path) -> None:
    (folder / "manifests" / "seed.yaml").write_text('kind: "\\e[2J"\n', encoding="utf-8")
    assert all(str(problem).isprintable() for problem in load().validate())


def test_a_project_file_that_is_wrong_is_among_the_problems(load: Load, folder: Path) -> None:
    (folder / "wfdeploy.yaml").write_text("kind: Project\nmetadata: {}\n", encoding="utf-8")
    assert {problem.place.file for problem in load().validate()} == {"wfdeploy.yaml"}


def test_all_environments_are_validated_where_none_is_chosen(load: Load, folder: Path) -> None:
    content = json.loads((folder / "wfdeploy.yaml").read_text(encoding="utf-8"))
    content["spec"]["environments"] = {"staging": {"vars": {"size": "1"}}, "production": {}}
    (folder / "wfdeploy.yaml").write_text(json.dumps(content), encoding="utf-8")
    declare(folder, "seed", [run("first", headers={"x-size": "${{ vars.size }}"})])
    assert "(in environment 'production')" in load().validate()[0].message
    assert load(environment="staging").validate() == ()
    with pytest.raises(wfdeploy.UsageError, match="none is chosen"):
        load().plan()


def test_a_project_that_shares_its_name_is_warned_of(tmp_path: Path, server: LocalServer) -> None:
    declare_in = tmp_path / "bare"
    (declare_in / "manifests").mkdir(parents=True)
    declare(declare_in, "alone", [run("r")])
    told: list[wfdeploy.Event] = []
    project = wfdeploy.load(declare_in, url=server.url, token=server.token, environ={})
    project.plan(on_event=told.append)
    assert [event.hint for event in told if isinstance(event, wfdeploy.Notice)] == ["write one: wfdeploy init"]


def test_it_works_where_an_event_loop_runs(load: Load) -> None:
    async def program() -> wfdeploy.Plan:
        return load().plan()

    assert len(asyncio.run(program()).changes) == 3


def test_two_threads_work_on_two_projects(tmp_path: Path, server: LocalServer, folder: Path) -> None:
    other = tmp_path / "other"
    (other / "manifests").mkdir(parents=True)
    declare(other, "alone", [run("r")])
    found: dict[str, list[str]] = {}

    def work(root: Path) -> None:
        project = wfdeploy.load(root, url=server.url, token=server.token, environ={})
        for _ in range(3):
            found[root.name] = [change.address for change in project.plan().changes]

    threads = [threading.Thread(target=work, args=(root,)) for root in (folder, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {"infra": ["onboarding/acme", "onboarding/globex", "seed/first"], "other": ["alone/r"]}
