"""What git tracks was brought along by somebody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wfdeploy.files.tracking import UnreadableIndexError, tracked, work_tree

STATE = Path("infra/.wfdeploy/state/default.db")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def begin(root: Path, *options: str) -> Path:
    git(root, "init", "-q", *options)
    for name in ("user.name", "user.email"):
        git(root, "config", name, "somebody")
    folder = root / STATE.parent
    folder.mkdir(parents=True)
    (root / STATE).write_bytes(b"x")
    return root / "infra"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return begin(tmp_path)


def test_an_untracked_file_is_nobodys(checkout: Path) -> None:
    assert tracked(checkout, [".wfdeploy"]) is None
    (checkout / "a").touch()
    git(checkout, "add", "a")
    assert tracked(checkout, [".wfdeploy"]) is None


def test_a_file_is_tracked_once_it_is_added_though_it_is_ignored(checkout: Path) -> None:
    (checkout / ".gitignore").write_text(".wfdeploy/\n")
    git(checkout, "add", "-f", ".wfdeploy")
    assert tracked(checkout, [".wfdeploy"]) == STATE
    assert tracked(checkout, ["elsewhere", "missing*"]) is None


def test_a_folder_that_is_a_tracked_link_is_tracked(checkout: Path) -> None:
    (checkout / "link").symlink_to(".wfdeploy")
    git(checkout, "add", "link")
    assert tracked(checkout, ["link"]) == Path("infra/link")


def test_a_folder_is_what_its_links_lead_to(checkout: Path) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    (checkout.parent / "other").symlink_to("infra")
    assert tracked(checkout.parent / "other", [".wfdeploy"]) == STATE


def test_no_program_is_needed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("GIT_DIR", "/missing")  # as hooks have it
    monkeypatch.setenv("GIT_INDEX_FILE", "/missing")
    assert tracked(checkout, [".wfdeploy"]) == STATE


def test_a_committed_folder_that_looks_like_a_repository_is_none(checkout: Path) -> None:
    git(checkout, "init", "-q", "--bare", ".")
    git(checkout.parent, "add", "-f", STATE.as_posix())
    assert work_tree(checkout) == checkout.parent
    assert tracked(checkout, [".wfdeploy"]) == STATE


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_every_format_of_the_index_is_read(tmp_path: Path, version: str, hashes: str) -> None:
    checkout = begin(tmp_path, f"--object-format={hashes}")
    for name in (".vscode/a", "infra/.wf/a", "infra/a/" + 70 * "b/" + "c", "infra/link", "z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    git(tmp_path, "add", ".vscode", "infra/.wf", "infra/a", "z")
    (tmp_path / "later").touch()
    git(tmp_path, "add", "--intent-to-add", "later")  # takes an extended flag, which is version 3
    git(tmp_path, "update-index", "--index-version", version)
    assert tracked(checkout, [".wfdeploy"]) is None
    assert tracked(checkout, ["a"]) is not None
    git(tmp_path, "add", "-f", STATE.as_posix())
    assert tracked(checkout, [".wfdeploy"]) == STATE


def test_a_split_index_is_read_with_its_other_half(checkout: Path) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    git(checkout, "update-index", "--split-index")
    (checkout / "a").touch()
    git(checkout, "add", "a")
    assert tracked(checkout, [".wfdeploy"]) == STATE
    assert tracked(checkout, ["a"]) == Path("infra/a")
    for shared in checkout.parent.glob(".git/sharedindex.*"):
        shared.unlink()
    with pytest.raises(UnreadableIndexError):
        tracked(checkout, [".wfdeploy"])


def test_work_trees_and_submodules_have_their_index_elsewhere(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    git(checkout, "commit", "-qm", "x")
    other = tmp_path / "other tree"
    git(checkout, "worktree", "add", "-b", "other", str(other))
    assert tracked(other / "infra", [".wfdeploy"]) == STATE
    git(other, "rm", "-rq", "--cached", "infra/.wfdeploy")
    assert tracked(other / "infra", [".wfdeploy"]) is None
    git(tmp_path, "-c", "protocol.file.allow=always", "submodule", "add", str(tmp_path), "part")
    assert tracked(tmp_path / "part/infra", [".wfdeploy"]) == STATE
    assert tracked(tmp_path, ["part"]) == Path("part")


def test_another_case_is_the_same_file_somewhere(checkout: Path) -> None:
    (checkout / ".WFDeploy").mkdir()
    (checkout / ".WFDeploy" / "a").touch()
    git(checkout, "add", ".WFDeploy")
    assert tracked(checkout, [".wfdeploy"]) == Path("infra/.WFDeploy/a")


def test_what_can_not_be_read_is_told(checkout: Path) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    index = checkout.parent / ".git" / "index"
    sound = index.read_bytes()
    for damaged in (b"", b"DIRC", sound[:-21], b"DIRC\0\0\0\5" + sound[8:], sound[:11] + b"\xff" + sound[12:]):
        index.write_bytes(damaged)
        with pytest.raises(UnreadableIndexError):
            tracked(checkout, [".wfdeploy"])
    index.unlink()
    assert tracked(checkout, [".wfdeploy"]) is None


def test_names_are_names_and_no_patterns(checkout: Path) -> None:
    for name in ("a.db", "b.db", "[a].db", "*.db"):
        (checkout / name).touch()
    git(checkout, "add", "a.db")
    assert tracked(checkout, ["*.db", "[a].db", "b.db"]) is None
    assert tracked(checkout, ["b.db", "a.db"]) == Path("infra/a.db")


def test_what_is_not_there_is_nobodys(checkout: Path) -> None:
    assert tracked(checkout / "missing", ["a"]) is None
    git(checkout, "add", "-f", ".wfdeploy")
    (checkout.parent / STATE).unlink()
    (checkout / ".wfdeploy/state").rmdir()
    (checkout / ".wfdeploy").rmdir()
    assert tracked(checkout, [".wfdeploy"]) is None


def test_other_signs_are_the_same_file_where_case_does_not_count(checkout: Path) -> None:
    """As macOS compares names: composed or not, and with the long s and the Kelvin sign as their letters."""
    for kept, committed in (("u\u0308.db", "\u00fc.db"), ("\u00e9.db", "\u00c9.db"), ("sink.db", "\u017fin\u212a.db")):
        (checkout / kept).touch()
        assert tracked(checkout, [kept]) is None
        (checkout / committed).touch()
        git(checkout, "add", committed)
        (checkout / committed).unlink()
        assert tracked(checkout, [kept]) == Path("infra", committed)


def test_a_huge_index_is_not_read_in_part(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of a repository can make one: folders that share their entries."""
    (checkout.parent / ("a" * 200)).touch()
    git(checkout, "add", "-f", ".wfdeploy", ":/")
    monkeypatch.setattr("wfdeploy.files.tracking._MOST_BYTES", 200)
    with pytest.raises(UnreadableIndexError, match="more than 200 bytes"):
        tracked(checkout, [".wfdeploy"])


def test_what_is_damaged_is_read_to_no_end(checkout: Path) -> None:
    git(checkout, "add", "-f", ".wfdeploy")
    index = checkout.parent / ".git" / "index"
    shared = b"\x11" * 20
    itself = b"DIRC\0\0\0\2" + bytes(4) + b"link\0\0\0\x14" + shared + bytes(20)
    (index.parent / f"sharedindex.{shared.hex()}").write_bytes(itself)
    digits = b"DIRC\0\0\0\4\0\0\0\1" + bytes(62) + 1_000_000 * b"\xff" + bytes(20)
    for damaged in (itself, digits):
        index.write_bytes(damaged)
        with pytest.raises(UnreadableIndexError):
            tracked(checkout, [".wfdeploy"])
