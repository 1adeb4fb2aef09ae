"""What git tracks was brought along by somebody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wfdeploy.files.tracking import tracked


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    folder = tmp_path / "infra" / ".wfdeploy" / "state"
    folder.mkdir(parents=True)
    (folder / "default.db").write_bytes(b"x")
    return tmp_path / "infra"


def test_an_untracked_file_is_nobodys(checkout: Path) -> None:
    assert tracked(checkout, [".wfdeploy"]) is None


def test_a_file_is_tracked_once_it_is_added_though_it_is_ignored(checkout: Path) -> None:
    (checkout / ".gitignore").write_text(".wfdeploy/\n")
    git(checkout, "add", "-f", ".wfdeploy")
    assert tracked(checkout, [".wfdeploy"]) == Path("infra/.wfdeploy/state/default.db")
    assert tracked(checkout, ["elsewhere", "missing*"]) is None


def test_a_folder_that_is_a_tracked_link_is_tracked(checkout: Path) -> None:
    (checkout / "link").symlink_to(".wfdeploy")
    git(checkout, "add", "link")
    assert tracked(checkout, ["link"]) == Path("infra/link")


def test_without_a_repository_or_without_git_there_is_nobody_to_ask(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    monkeypatch.setenv("PATH", "")
    assert tracked(checkout, [".wfdeploy"]) is None


def test_names_are_names_and_no_patterns(checkout: Path) -> None:
    (checkout / "a.db").touch()
    git(checkout, "add", "a.db")
    assert tracked(checkout, ["*.db", "[a].db"]) is None
    assert tracked(checkout, ["b.db", "a.db"]) == Path("infra/a.db")


def test_a_folder_that_is_not_there_holds_nothing(checkout: Path) -> None:
    assert tracked(checkout / "missing", ["a"]) is None
