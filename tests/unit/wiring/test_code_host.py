"""The pull request of a CI job, from its variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wfdeploy.wiring.code_host import reported_commit

SHA = "0123456789abcdef0123456789abcdef01234567"


def event(folder: Path, content: object) -> dict[str, str]:
    path = folder / "event.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return {"GITHUB_EVENT_PATH": str(path), "GITHUB_SHA": "f" * 40}


def test_it_is_the_head_of_the_pull_request_and_not_the_merge(tmp_path: Path) -> None:
    assert reported_commit(event(tmp_path, {"pull_request": {"head": {"sha": SHA}}}), tmp_path) == SHA
    merge_request = {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": SHA, "CI_COMMIT_SHA": "f" * 40}
    assert reported_commit(merge_request, tmp_path) == SHA


@pytest.mark.parametrize("content", [{}, [], {"pull_request": None}, {"pull_request": {"head": [SHA]}}, "x"])
def test_elsewhere_it_is_that_of_the_job(tmp_path: Path, content: object) -> None:
    assert reported_commit(event(tmp_path, content), tmp_path) == "f" * 40


def test_an_event_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert reported_commit({"GITHUB_EVENT_PATH": str(tmp_path / "no"), "GITHUB_SHA": SHA}, tmp_path) == SHA
    (tmp_path / "deep").write_text("[" * 100_000, encoding="utf-8")
    assert reported_commit({"GITHUB_EVENT_PATH": str(tmp_path / "deep"), "CI_COMMIT_SHA": SHA}, tmp_path) == SHA


def test_without_a_job_and_a_work_tree_nobody_knows(tmp_path: Path) -> None:
    assert reported_commit({}, tmp_path) is None
