"""Opening, reading and replacing files; names that are not UTF-8."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from wfdeploy.files.access import escaped, is_text, open_regular, read_at_most, read_own, replace_file, write_through


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abcdef")
    assert read_own(tmp_path / "f", most=100) == b"abcdef"
    assert read_own(tmp_path / "f", most=3) == b"abc"


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder", "device", "missing"])
def test_what_is_no_file_of_ours_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    (tmp_path / "secret").write_text("s")
    match kind:
        case "link":
            path.symlink_to("secret")
        case "dangling":
            path.symlink_to("nothing")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
    with pytest.raises(OSError):  # noqa: PT011 - each has words of its own
        read_own(path, most=10)


def test_a_link_to_a_regular_file_may_be_followed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("f")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"abc"
    with pytest.raises(OSError, match="Too many levels"):
        open_regular(tmp_path / "link", follow=False)


def test_a_size_is_no_bound(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abcd")
    assert read_at_most(tmp_path / "f", 3) == b"abcd"
    assert read_at_most(tmp_path / "f", 2) == b"abc"
    assert len(read_at_most(Path("/proc/self/status"), 10)) == 11  # whose size is 0
    for other in ("/dev/zero", "/dev/null", str(tmp_path)):
        with pytest.raises(OSError):  # noqa: PT011
            read_at_most(Path(other), 10)


def test_a_replaced_file_is_private_and_leaves_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    file.chmod(0o644)
    replace_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_file_is_replaced_in_a_folder_that_is_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    handle = os.open(tmp_path / "a", os.O_RDONLY)
    (tmp_path / "a").rename(tmp_path / "b")
    try:
        replace_file("f", b"new", folder=handle)
    finally:
        os.close(handle)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["f"]
    assert (tmp_path / "b" / "f").read_bytes() == b"new"


def test_a_name_may_be_as_long_as_any(tmp_path: Path) -> None:
    replace_file(tmp_path / ("f" * 255), b"new")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "f"
    victim.write_text("precious")
    file.symlink_to(victim)
    replace_file(file, b"new")
    assert (victim.read_text(), file.is_symlink()) == ("precious", False)


def test_what_cannot_be_replaced_stays_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "f" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "f", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, content = tmp_path / "pipe", b"x" * 200_000  # more than a pipe holds
    os.mkfifo(pipe)
    got: list[bytes] = []
    with os.fdopen(os.open(pipe, os.O_RDWR), "rb", buffering=0) as reader:  # it never ends while this is open

        def read() -> None:
            while sum(map(len, got)) < len(content):
                got.append(reader.read(65536) or b"")

        thread = threading.Thread(target=read)
        thread.start()
        write_through(pipe, content)
        thread.join(10)
    assert b"".join(got) == content
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        write_through(tmp_path / "pipe", b"x")


def test_a_regular_file_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("precious")
    with pytest.raises(FileExistsError):
        write_through(tmp_path / "f", b"x")
    assert (tmp_path / "f").read_text() == "precious"


@pytest.mark.parametrize("name", ["a", "\u00e9\u4e2d", "\U0001f600", "", r"\xff"])
def test_text_stays_as_it_is(name: str) -> None:
    assert is_text(name)
    assert escaped(name) == name


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    name = os.fsdecode(b"caf\xe9/\xc3\xa9\xff")
    assert not is_text(name)
    assert escaped("\ud800\udcff") == r"\ud800\udcff"
    assert escaped(name) == "caf\\xe9/\u00e9\\xff"
