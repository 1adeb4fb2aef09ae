"""Read what wfdeploy itself wrote, where somebody else may have put something in its place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_own(path: Path, *, most: int) -> bytes:
    """Read a small file of ours, at most `most` bytes of it.

    Raises: `OSError`, also for a link, and for what is no regular file, without waiting for it.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(most)
