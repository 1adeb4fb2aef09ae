"""What git would leave out, as git itself says it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from wfdeploy.files.ignoring import is_ignored

STATE = "infra/.wfdeploy/state/default.db"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / STATE).parent.mkdir(parents=True)
    (root / STATE).touch()
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True, capture_output=True)
    return root


def as_git_has_it(root: Path, environ: dict[str, str]) -> bool:
    ran = subprocess.run(
        ["git", "-C", str(root), "check-ignore", "-q", STATE],
        check=False,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", **environ},
    )
    assert ran.returncode in (0, 1)
    return ran.returncode == 0


@pytest.mark.parametrize(
    "files",
    [
        {},
        {".gitignore": ".wfdeploy/"},
        {".gitignore": ".wfdeploy"},
        {".gitignore": "/.wfdeploy/"},
        {".gitignore": "/infra/.wfdeploy"},
        {".gitignore": "*.db"},
        {".gitignore": "*.db\n!default.db"},
        {".gitignore": "*.db", "infra/.gitignore": "!default.db"},
        {".gitignore": "!default.db", "infra/.gitignore": "*.db"},
        {".gitignore": "# .wfdeploy/"},
        {"infra/.gitignore": ".wfdeploy/\n"},
        {"infra/.gitignore": "state"},
        {"infra/.wfdeploy/.gitignore": "*"},
        {".git/info/exclude": "**/state/"},
    ],
    ids=str,
)
def test_files_of_patterns(root: Path, tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    environ = {"HOME": str(tmp_path / "home")}
    assert is_ignored(root / STATE, environ) is as_git_has_it(root, environ)


def test_the_users_own_patterns(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "home" / ".config" / "git"
    config.mkdir(parents=True)
    (config / "ignore").write_text(".wfdeploy\n", encoding="utf-8")
    for environ in ({"HOME": str(tmp_path / "home")}, {"XDG_CONFIG_HOME": str(config.parent), "HOME": "/nowhere"}):
        assert is_ignored(root / STATE, environ)
        assert as_git_has_it(root, environ)


def test_without_a_work_tree_nothing_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n", encoding="utf-8")
    assert not is_ignored(tmp_path / "state.db", {})
