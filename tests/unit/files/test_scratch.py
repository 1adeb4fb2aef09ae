from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wfdeploy.files import scratch
from wfdeploy.files.scratch import ScratchFolder, clear_abandoned

OWNER = """
import sys
from wfdeploy.files.scratch import ScratchFolder
folder = ScratchFolder()
(folder.path / "inner").mkdir()
(folder.path / "inner" / "file").write_text("x")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def owner(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that has such a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_folder_is_private_and_goes_with_all_that_is_in_it(temporary: Path) -> None:
    folder = ScratchFolder()
    assert folder.path.parent == temporary
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "a").mkdir()
    (folder.path / "a" / "b").write_text("x")
    (folder.path / "link").symlink_to(temporary)
    clear_abandoned()
    assert (folder.path / "a" / "b").exists(), "its process is not gone"
    folder.close()
    folder.close()
    assert list(temporary.iterdir()) == []


def test_one_that_is_forgotten_is_removed(temporary: Path) -> None:
    path = ScratchFolder().path
    assert not path.exists()


def test_the_folder_of_a_killed_process_is_cleared_and_no_sooner(temporary: Path) -> None:
    with owner(temporary) as (process, path):
        clear_abandoned()
        assert (path / "inner" / "file").exists()
        process.kill()
        process.wait(10)
        assert (path / "inner" / "file").exists()
        clear_abandoned()
        assert not path.exists()


def test_what_is_not_ours_is_left(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary / "elsewhere").mkdir(mode=0o700)
    (temporary / "elsewhere" / "file").write_text("x")
    (temporary / "wfdeploy-scratch-linked00").symlink_to("elsewhere")
    (temporary / "wfdeploy-scratch-open0000").mkdir(mode=0o755)
    (temporary / "wfdeploy-scratch-a-name-of-mine").mkdir(mode=0o700)
    (temporary / "wfdeploy-scratch-file0000").write_text("x")
    os.mkfifo(temporary / "wfdeploy-scratch-fifo0000", 0o700)
    before = sorted(temporary.iterdir())
    clear_abandoned()
    assert sorted(temporary.iterdir()) == before
    assert (temporary / "elsewhere" / "file").exists()
    (temporary / "wfdeploy-scratch-another0").mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        patch.setattr("os.geteuid", lambda: 12345)
        clear_abandoned()
    assert (temporary / "wfdeploy-scratch-another0").exists()
    clear_abandoned()
    assert not (temporary / "wfdeploy-scratch-another0").exists()


def test_a_link_in_it_is_removed_and_not_followed(temporary: Path) -> None:
    (temporary / "kept").mkdir()
    (temporary / "kept" / "file").write_text("x")
    path = temporary / "wfdeploy-scratch-links000"
    path.mkdir(mode=0o700)
    (path / "link").symlink_to(temporary / "kept")
    (path / "deep").mkdir()
    (path / "deep" / "link").symlink_to(temporary / "kept")
    clear_abandoned()
    assert [entry.name for entry in temporary.iterdir()] == ["kept"]
    assert (temporary / "kept" / "file").exists()


def test_one_that_is_cleared_before_it_is_locked_is_made_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = scratch._opened
    seen: list[Path] = []

    def cleared_first(path: Path) -> int:
        seen.append(path)
        if len(seen) == 1:
            path.rmdir()
        descriptor = opened(path)
        if len(seen) == 2:
            path.rmdir()
        return descriptor

    monkeypatch.setattr(scratch, "_opened", cleared_first)
    folder = ScratchFolder()
    assert len(seen) == 3
    assert list(temporary.iterdir()) == [folder.path] == [seen[-1]]
    folder.close()


def test_a_temporary_directory_that_is_gone_is_nobodys_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    clear_abandoned()
