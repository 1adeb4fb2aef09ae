"""Whatever lies in the place of a file of ours: it is read, or refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfdeploy.files.own import read_own


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
