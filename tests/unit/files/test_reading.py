"""Whatever lies in the place of a file of ours: it is read, or refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfdeploy.files.reading import open_regular, read_at_most, read_own


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
