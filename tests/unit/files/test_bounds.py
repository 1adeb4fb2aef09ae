"""What a project may name, however it gets there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfdeploy.files.bounds import Bounds, OutOfBoundsError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for folder in (".git", ".github", "infra/manifests", "infra/.wfdeploy", "common", "common/.hidden"):
        (root / folder).mkdir(parents=True)
    return root


def refusal(bounds: Bounds, path: Path) -> str | None:
    try:
        assert str(bounds.resolve(path)) == os.path.realpath(path)
    except OutOfBoundsError as error:
        return error.code
    return None


def test_everything_in_the_work_tree_may_be_named_that_is_not_hidden(checkout: Path) -> None:
    bounds = Bounds.around(checkout / "infra")
    assert bounds.root == checkout
    assert [
        refusal(bounds, checkout / path)
        for path in ("infra/a.csv", "common/a.csv", "infra/../common/a.csv", "missing/a", ".")
    ] == [None] * 5
    for hidden in (
        ".git/config",
        ".github/a",
        "infra/.env",
        "infra/.wfdeploy/cache",
        "common/.hidden/a",
        ".GIT/config",
    ):
        assert refusal(bounds, checkout / hidden) == "hidden"
    for outside in ("..", "../a", "/etc/passwd", "/proc/self/environ", "infra/../../a"):
        assert refusal(bounds, checkout / outside) == "outside"


def test_links_are_followed_before_it_is_decided(checkout: Path, tmp_path: Path) -> None:
    bounds = Bounds.around(checkout / "infra")
    links = {
        "infra/ok": "../common",
        "infra/out": str(tmp_path),
        "infra/git": "../.git",
        "infra/twice": "out",
        "infra/loop": "loop",
    }
    for name, target in links.items():
        (checkout / name).symlink_to(target)
    assert refusal(bounds, checkout / "infra/ok/a") is None
    assert refusal(bounds, checkout / "infra/out/a") == "outside"
    assert refusal(bounds, checkout / "infra/twice/checkout/../a") == "outside"
    assert refusal(bounds, checkout / "infra/git/config") == "hidden"
    assert refusal(bounds, checkout / "infra/loop/a") is None  # and can't be opened


def test_without_a_work_tree_it_is_the_projects_folder(tmp_path: Path) -> None:
    bounds = Bounds.around(tmp_path / "a")
    assert refusal(bounds, tmp_path / "a" / "f") is None
    assert refusal(bounds, tmp_path / "f") == "outside"
    assert refusal(bounds, tmp_path / "ab") == "outside"


def test_what_an_operator_allows_may_lie_anywhere(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / ".data"
    elsewhere.mkdir(parents=True)
    bounds = Bounds.around(checkout / "infra", [elsewhere, Path("../.github"), Path("../.git")])
    assert refusal(bounds, elsewhere / "a") is None
    assert refusal(bounds, elsewhere / ".git" / "config") == "hidden"
    assert refusal(bounds, tmp_path / "elsewhere" / "a") == "outside"
    assert refusal(bounds, checkout / ".github" / "a") is None
    assert refusal(bounds, checkout / ".git" / "config") == "hidden"


def test_a_state_may_be_hidden(checkout: Path) -> None:
    bounds = Bounds.around(checkout / "infra")
    path = checkout / "infra/.wfdeploy/state/a.db"
    assert bounds.resolve(path, may_hide=True) == path
    with pytest.raises(OutOfBoundsError, match="outside of the project"):
        bounds.resolve(Path("/tmp/a.db"), may_hide=True)


def test_a_link_in_the_place_of_what_an_operator_named_leads_nowhere(checkout: Path, tmp_path: Path) -> None:
    (checkout / "infra/manifests").rmdir()
    (checkout / "infra/manifests").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    bounds = Bounds.around(checkout / "infra").named(
        checkout / "infra", ["manifests", "../.github", str(tmp_path / "link")]
    )
    assert (
        refusal(Bounds.around(checkout).named(checkout, ["infra/manifests"]), checkout / "infra/manifests/a")
        == "outside"
    )
    assert refusal(bounds, checkout / ".github/a") is None
    assert refusal(bounds, tmp_path / "a") is None  # the last one is the operator's own
