"""Open files where somebody else may have put something in their place: a link, a pipe, a device."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.files.bounds import Bounds


def open_regular(path: Path | str, *, follow: bool = True, folder: int | None = None) -> BufferedReader:
    """Open a regular file for reading. `follow`: it may be a link to one; `folder`: the descriptor of what the path is
    relative to (None: the working directory).

    Raises: `OSError`, for whatever isn't a regular file at once and without waiting for it.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever (open(2)); regular files don't care.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    file = open(os.open(path, flags, dir_fd=folder), "rb")  # noqa: PTH123, SIM115 - a descriptor, which the caller closes
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def open_given(path: Path) -> BufferedReader:
    """Open a file that a command line names: a regular one, or a descriptor that the shell opened, as for `<(command)`.

    Raises: `OSError`, for other pipes and for devices: nobody may ever write to them, and they may never end.
    """
    if str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/")):
        return path.open("rb")
    return open_regular(path)


def read_given(path: Path, most: int) -> bytes:
    """Read a file that a command line names, and one byte more than `most` of one that is larger. Raises: `OSError`."""
    with open_given(path) as file:
        return file.read(most + 1)


def read_at_most(path: Path, most: int) -> bytes:
    """Read a regular file, and one byte more than `most` of one that is larger: what a size says is no bound.

    Raises: `OSError`.
    """
    with open_regular(path) as file:
        return file.read(most + 1)


def read_named(path: str, *, folder: Path, bounds: Bounds, most: int) -> bytes:
    """Read a file that an operator named, relative to a folder, and one byte more than `most` of one that is larger.

    Within the bounds' root it is a regular file; elsewhere it may be a pipe, as `<(command)` makes it. Raises:
    `OSError`; `OutOfBoundsError` for a link that leads out of the root.
    """
    within = bounds.as_named(folder, path)
    if within is not None:
        return read_at_most(within, most)
    with (folder / path).open("rb") as file:
        return file.read(most + 1)


def read_own(path: Path, *, most: int) -> bytes:
    """Read at most `most` bytes of a file that wfdeploy wrote; a link is none. Raises: `OSError`."""
    with open_regular(path, follow=False) as file:
        return file.read(most)
