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
    with pytest.raises(OutOfBoundsError, match="hidden"):  # its lock would be `.git/index.lock`
        bounds.resolve(checkout / ".git/index", may_hide=True)


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


def test_of_a_folder_that_was_named_what_is_hidden_in_it_is_not_meant(checkout: Path, tmp_path: Path) -> None:
    bounds = Bounds.around(checkout).named(checkout, [".", ".github", str(tmp_path)])
    for hidden in (".env", ".git/config", "infra/.wfdeploy/cache", ".github/.a", "../.a"):
        assert refusal(bounds, checkout / hidden) == "hidden"
    for seen in ("infra/a", ".github/a", "../a"):
        assert refusal(bounds, checkout / seen) is None


def test_what_an_operator_named_leads_where_they_meant(checkout: Path, tmp_path: Path) -> None:
    (checkout / "out").symlink_to(tmp_path)
    (checkout / "in").symlink_to("infra/.hidden")
    bounds = Bounds.around(checkout / "infra", [Path("/usr")])
    assert bounds.as_named(checkout, "in/a") == checkout / "infra/.hidden/a"
    assert bounds.as_named(checkout / "infra", ".env") == checkout / "infra/.env"
    assert bounds.as_named(checkout, ".git/plan") == checkout / ".git/plan"  # nobody else's word
    for elsewhere in (tmp_path / "a", "../a", "/dev/fd/0"):
        assert bounds.as_named(checkout, elsewhere) is None
    for name in ("out/a", "infra/../out", "infra/missing/../../out/a"):
        with pytest.raises(OutOfBoundsError):
            bounds.as_named(checkout, name)
    (checkout / "allowed").symlink_to("/usr/bin")
    assert bounds.as_named(checkout, "allowed/env") == Path(os.path.realpath("/usr/bin/env"))


def test_the_root_may_be_reached_by_another_name(checkout: Path, tmp_path: Path) -> None:
    """As `/tmp` is on macOS, and the workspaces of some runners are."""
    (tmp_path / "alias").symlink_to(checkout)
    (checkout / "out").symlink_to(tmp_path)
    (checkout / "self").symlink_to(".")
    bounds = Bounds.around(tmp_path / "alias" / "infra")
    for folder in (tmp_path / "alias", tmp_path / "alias" / "self", checkout / "self"):
        assert bounds.as_named(tmp_path, folder / "infra/a") == checkout / "infra/a"
        with pytest.raises(OutOfBoundsError):
            bounds.as_named(tmp_path, folder / "out/a")
        assert refusal(bounds.named(tmp_path, [folder / "out"]), checkout / "out/a") == "outside"
        assert refusal(bounds.named(tmp_path, [folder / ".github"]), checkout / ".github/a") is None
