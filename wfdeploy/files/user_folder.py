"""The folder of a user's state, which no checkout and no pull request can put anything into."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wfdeploy.files.reading import open_regular


def user_state_folder(environ: Mapping[str, str]) -> Path | None:
    """Where programs keep a user's state (XDG Base Directory Specification; macOS has a folder of its own). None where
    there is no such place."""
    given = environ.get("XDG_STATE_HOME", "")
    if Path(given).is_absolute():  # the specification has relative ones ignored
        return Path(given) / "wfdeploy"
    home = environ.get("HOME", "")
    if not Path(home).is_absolute():
        return None
    if sys.platform == "darwin":
        return Path(home) / "Library" / "Application Support" / "wfdeploy"
    return Path(home) / ".local" / "state" / "wfdeploy"


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """The folder's descriptor. Raises: `OSError`, also where the folder is a link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_ours(folder: int) -> bool:
    """Whether nobody else may write to it."""
    status = os.fstat(folder)
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read(folder: int, name: str, *, most: int) -> bytes:
    """Read at most `most` bytes of a file that this user made. Raises: `OSError`."""
    with open_regular(name, follow=False, folder=folder) as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it is no file of this user's", name)
        return file.read(most)
