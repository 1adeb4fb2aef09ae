"""`wfdeploy comment` in jobs of GitHub and GitLab, of forks, and elsewhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.code_hosts import HEAD, TOKEN, GitHubServer, GitLabServer, refuse
from tests.golden_files import Ran, command_line
from wfdeploy.errors import ExitCode
from wfdeploy.model.pull_request import ReportStamp

REPORT = f"{ReportStamp(project='shop', environment='production', commit=HEAD)}\n### Plan\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.md").write_text(REPORT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        yield server


def comment(environ: dict[str, str], *arguments: str) -> Ran:
    return command_line("comment", *(arguments or ("plan.md",)), environ=environ)


def of_fork(folder: Path) -> dict[str, str]:
    sides = {"head": {"repo": {"id": 2}, "sha": HEAD}, "base": {"repo": {"id": 1}}}
    (folder / "event.json").write_text(json.dumps({"pull_request": {"number": 42, **sides}}), encoding="utf-8")
    return {"GITHUB_EVENT_PATH": str(folder / "event.json")}


def test_a_plan_is_posted_and_updated(github: GitHubServer, folder: Path) -> None:
    job = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_RUN_ID": "7"}
    ran = comment({**github.environ(), **job})
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == "Created a comment: https://github.example/acme/shop/pull/42#issuecomment-101\n"
    assert github.notes[0].body.endswith(
        "Commit `aaaaaaaaaa`, [job](https://github.example/acme/shop/actions/runs/7)\n"
    )
    (folder / "plan.md").write_text(f"{REPORT}\n- changed\n", encoding="utf-8")
    ran = comment(github.environ(), "plan.md", "--output", "json")
    assert json.loads(ran.stdout)["outcome"] == "updated"
    assert "- changed" in github.notes[0].body


def test_a_plan_is_posted_on_gitlab() -> None:
    with GitLabServer() as server:
        ran = comment(server.environ())
        assert ran.stdout == "Created a comment: https://gitlab.example/acme/shop/-/merge_requests/42#note_101\n"
        assert "### Plan" in server.notes[0].body


def test_a_real_plan_is_found_again(github: GitHubServer, folder: Path) -> None:
    (folder / "manifests").mkdir()
    (folder / "manifests" / "g.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\n"
        "spec: {destination: https://a.example.com, runs: [{name: r}]}\n",
        encoding="utf-8",
    )
    (folder / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: shop}\nspec: {environments: {production: {}}}\n",
        encoding="utf-8",
    )
    for outcome in ("created", "unchanged"):
        planned = command_line("plan", "-e", "production", "--offline", "--report", "markdown=plan.md")
        assert planned.code == 0, planned.stderr
        assert json.loads(comment(github.environ(), "plan.md", "-o", "json").stdout)["outcome"] == outcome


def test_a_fork_is_told_what_it_cannot(github: GitHubServer, folder: Path) -> None:
    github.is_readonly = True
    ran = comment({**github.environ(), **of_fork(folder)})
    assert ran.code == 0
    assert "nothing was posted: GitHub doesn't permit this (403): Resource not accessible by integration" in ran.stderr
    without = {name: value for name, value in github.environ().items() if name != "GITHUB_TOKEN"}
    ran = comment({**without, **of_fork(folder)}, "plan.md", "-o", "json")
    assert (ran.code, json.loads(ran.stdout)["outcome"]) == (0, "refused")
    assert "there is no GITHUB_TOKEN" in ran.stderr


def test_elsewhere_a_refusal_is_an_error(github: GitHubServer) -> None:
    github.is_readonly = True
    ran = comment(github.environ())
    assert ran.code == ExitCode.REMOTE
    assert "pull-requests: write" in ran.stderr
    ran = comment({**github.environ(), "GITHUB_TOKEN": "wr0ng"})
    assert ran.code == ExitCode.REMOTE
    assert "wr0ng" not in ran.stderr
    ran = comment({**github.environ(), "GITHUB_TOKEN": ""})
    assert (ran.code, "GITHUB_TOKEN is not set" in ran.stderr) == (ExitCode.USAGE, True)


def test_no_longer_is_waited_than_allowed(github: GitHubServer) -> None:
    github.instead("POST", refuse(429, headers={"Retry-After": "60"}))
    ran = comment(github.environ(), "plan.md", "--timeout", "5")
    assert (ran.code, "it would take 61 s" in ran.stderr) == (ExitCode.REMOTE, True)


def test_another_pull_request_can_be_named(github: GitHubServer) -> None:
    environ = {name: value for name, value in github.environ().items() if name != "GITHUB_REF"}
    assert comment(environ).code == ExitCode.USAGE
    assert comment(environ, "plan.md", "--pull-request", "42").code == 0


@pytest.mark.parametrize("content", [b"", b"### Plan\n", b"\xff\xfe", b"TOKEN=s3cret\n"])
def test_what_is_no_report_is_not_posted(github: GitHubServer, folder: Path, content: bytes) -> None:
    (folder / "plan.md").write_bytes(content)
    ran = comment(github.environ())
    assert (ran.code, github.requests) == (ExitCode.USAGE, [])
    assert "s3cret" not in ran.stderr


def test_a_report_of_the_checkout_is_not_posted(
    github: GitHubServer, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git = ("git", "-C", str(folder))
    subprocess.run([*git, "init", "-q"], check=True)
    assert comment(github.environ()).code == 0
    subprocess.run([*git, "add", "plan.md"], check=True)
    ran = comment(github.environ())
    assert (ran.code, "git tracks" in ran.stderr) == (ExitCode.STATE, True)
    (outside := tmp_path_factory.mktemp("outside") / "plan.md").write_text(REPORT, encoding="utf-8")
    (folder / "link.md").symlink_to(outside)
    assert comment(github.environ(), "link.md").code == ExitCode.USAGE
    assert comment(github.environ(), str(outside)).code == 0
    assert comment(github.environ(), "missing.md").code == ExitCode.USAGE


def test_the_token_of_a_file_is_none(github: GitHubServer, folder: Path) -> None:
    (folder / ".env").write_text(f"GITHUB_TOKEN={TOKEN}\n", encoding="utf-8")
    assert comment({**github.environ(), "GITHUB_TOKEN": ""}).code == ExitCode.USAGE
