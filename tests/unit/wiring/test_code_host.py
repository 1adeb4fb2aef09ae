"""The pull request of a CI job, from its variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wfdeploy.errors import UsageError
from wfdeploy.wiring.code_host import in_repository, pull_request_job, reported_commit

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


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_TOKEN": "t"}
GITLAB = {"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "42"}


def pull(number: int, head: object, base: object = 1) -> dict[str, object]:
    return {"number": number, "head": {"repo": head}, "base": {"repo": {"id": base}}}


@pytest.mark.parametrize(
    ("content", "given", "is_from_fork"),
    [
        ({"pull_request": pull(42, {"id": 1})}, None, False),
        ({"pull_request": pull(42, {"id": 2})}, None, True),
        ({"pull_request": pull(42, None)}, None, True),
        ({"pull_request": pull(42, {"id": 2})}, 42, True),
        ({"pull_request": pull(42, {"id": 2})}, 7, False),
        ({"issue": {"number": 42, "pull_request": {}}}, None, False),
    ],
)
def test_a_job_on_github_names_its_pull_request(
    tmp_path: Path, content: object, given: int | None, is_from_fork: bool
) -> None:
    job = pull_request_job({**GITHUB, **event(tmp_path, content)}, given)
    assert (job.host, job.token, job.is_from_fork, job.limit) == ("GitHub", "t", is_from_fork, 65_536)


def test_a_branch_of_a_pull_request_is_enough() -> None:
    assert pull_request_job({**GITHUB, "GITHUB_REF": "refs/pull/42/merge"}).host == "GitHub"


def test_a_job_on_gitlab_names_its_merge_request() -> None:
    job = pull_request_job({**GITLAB, "GITLAB_TOKEN": "t"})
    assert (job.host, job.token, job.is_from_fork, job.limit) == ("GitLab", "t", False, 1_000_000)
    fork = {**GITLAB, "CI_MERGE_REQUEST_PROJECT_ID": "5", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "6"}
    assert pull_request_job(fork).is_from_fork
    assert pull_request_job(fork).token is None


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "nothing says where"),
        (GITHUB, "not about a pull request"),
        ({**GITHUB, "GITHUB_REF": "refs/heads/main"}, "not about a pull request"),
        ({**GITLAB, "CI_MERGE_REQUEST_IID": ""}, "not about a merge request"),
        ({**GITHUB, "GITHUB_REPOSITORY": "acme/../x"}, "GITHUB_REPOSITORY is"),
        ({**GITHUB, "GITHUB_REPOSITORY": "acme/.."}, "GITHUB_REPOSITORY is"),
        ({**GITLAB, "CI_PROJECT_ID": "acme/shop"}, "CI_PROJECT_ID is"),
        ({**GITHUB, "GITHUB_API_URL": "http://api.github.com", "GITHUB_REF": "refs/pull/1/merge"}, "GITHUB_API_URL"),
        ({**GITHUB, "GITHUB_API_URL": "https://u@evil.example"}, "GITHUB_API_URL"),
        ({**GITLAB, "CI_API_V4_URL": "https://gitlab.example/?x="}, "CI_API_V4_URL"),
        ({**GITHUB, "GITHUB_REF": "refs/pull/1/merge", "GITHUB_TOKEN": "a b"}, "GITHUB_TOKEN holds no token"),
    ],
)
def test_what_is_missing_or_wrong_is_an_error(environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pull_request_job(environ)


def test_the_token_is_not_shown() -> None:
    assert "s3cret" not in repr(pull_request_job({**GITLAB, "GITLAB_TOKEN": "s3cret"}))


def test_paths_are_those_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "top" / ".git").mkdir(parents=True)
    (tmp_path / "top" / "deploy").mkdir()
    path_of = in_repository(tmp_path / "top" / "deploy")
    assert path_of("a.yaml") == "deploy/a.yaml"
    assert path_of("../b/./c.yaml") == "b/c.yaml"
    assert path_of(str(tmp_path / "top" / "d.yaml")) == "d.yaml"
    assert path_of("../../elsewhere.yaml") == "../../elsewhere.yaml"
    assert in_repository(tmp_path)("a.yaml") == "a.yaml"
