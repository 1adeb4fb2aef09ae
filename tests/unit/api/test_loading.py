"""From a folder and options to a project."""

from __future__ import annotations

from pathlib import Path

import pytest

import wfdeploy
from tests.support.local_server import LocalServer
from tests.support.workbench import run
from tests.unit.api.conftest import Load, declare


def test_paths_are_relative_to_the_folder_and_not_to_the_working_directory(load: Load) -> None:
    plan = load().plan(paths=["manifests/seed.yaml"])
    assert [change.address for change in plan.changes] == ["seed/first"]


def test_what_is_allowed_is_the_programs_word(load: Load) -> None:
    with pytest.raises(wfdeploy.UsageError, match="allow"):
        load(allow=["url=elsewhere.example"]).plan()


def test_a_project_file_may_be_named(folder: Path, server: LocalServer) -> None:
    project = wfdeploy.load(folder / "wfdeploy.yaml", url=server.url, token=server.token, environ={})
    assert project.folder == folder
    assert len(project.plan().changes) == 3


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(wfdeploy.UsageError, match="there is no folder"):
        wfdeploy.load(tmp_path / "nowhere")


def test_variables_are_those_of_the_program(load: Load, folder: Path) -> None:
    declare(folder, "seed", [run("first", headers={"x-size": "${{ vars.size }}"})])
    assert load().validate()
    assert load(variables={"size": "1"}).validate() == ()


def test_without_a_token_a_plan_is_unverified(load: Load) -> None:
    told: list[wfdeploy.Event] = []
    plan = load(token=None).plan(on_event=told.append)
    assert not plan.verified
    assert [event.message for event in told if isinstance(event, wfdeploy.Notice)] == [
        "no token (QSTASH_TOKEN): the plan is made without asking the server"
    ]


def test_no_secret_is_shown(load: Load) -> None:
    project = load(token="very-secret-token", environ={"PASSWORD": "very-secret-value"})
    assert "very-secret" not in repr(project)
