"""Write a whole file, or leave what was there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path


def replace_file(path: Path | str, content: bytes, *, folder: int | None = None) -> None:
    """Put a file of mode 0600 at `path`, whole or not at all. A link there is replaced, not followed. `folder`: the
    descriptor of what the path is relative to (None: the working directory).

    Raises: `OSError`.
    """
    # A draft with a name that can be guessed may already be there, as a link to somewhere else. It is no longer than
    # other names, whatever the file's own is.
    draft = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.new")  # noqa: PTH118, PTH120 - may be relative to `folder`
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
        os.replace(draft, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def write_through(path: Path, content: bytes) -> None:
    """Write into what is no regular file, a pipe or a device, as a shell's `>` does. A pipe needs a reader already.

    Raises: `OSError`.
    """
    # O_NONBLOCK: opening a pipe that nobody reads would wait for ever (open(2): it fails with ENXIO instead).
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EEXIST, "it became a regular file meanwhile", str(path))
        file.write(content)
