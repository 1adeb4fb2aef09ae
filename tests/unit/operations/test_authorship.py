"""Who triggered a run, and where: as far as it is known, and asked of nobody else's repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from wfdeploy.operations.authorship import authorship


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    (tmp_path / "infra").mkdir()
    return tmp_path / "infra"


def facts(root: Path, **environ: str) -> dict[str, str]:
    text = authorship(environ, root)
    found: dict[str, str] = json.loads(text)
    assert text == json.dumps(found, sort_keys=True, separators=(",", ":"))
    return found


def test_outside_a_pipeline_and_a_repository_it_is_a_user_on_a_host(tmp_path: Path) -> None:
    assert set(facts(tmp_path)) == {"host", "user"}


def test_the_commit_is_that_of_the_repository_around_the_manifests(checkout: Path) -> None:
    assert facts(checkout)["commit"] == git(checkout, "rev-parse", "HEAD")


def test_a_pipeline_says_its_job_and_its_commit_itself(checkout: Path) -> None:
    found = facts(checkout, GITHUB_RUN_ID="17", CI_JOB_URL="", GITHUB_SHA="abc")
    assert (found["job"], found["commit"]) == ("17", "abc")


def test_bytes_of_no_text_are_shown(tmp_path: Path) -> None:
    assert facts(tmp_path, BUILD_URL="caf\udce9")["job"] == r"caf\xe9"


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert "commit" not in facts(tmp_path)


def test_a_committed_folder_that_looks_like_a_repository_runs_nothing(checkout: Path) -> None:
    """As git itself would find it, with a configuration of whoever committed it."""
    said = checkout / "said"
    (checkout / "objects").mkdir()
    (checkout / "refs").mkdir()
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / "config").write_text(f'[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = "touch {said}"\n')
    assert facts(checkout)["commit"] == git(checkout.parent, "rev-parse", "HEAD")
    assert not said.exists()


def test_without_git_the_commit_is_not_known(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert set(facts(checkout)) == {"host", "user"}
