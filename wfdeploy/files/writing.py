"""Write a whole file, or leave what was there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 at `path`, whole or not at all. A link there is replaced, not followed.

    Raises: `OSError`.
    """
    import tempfile  # takes as long to load as all else that a plan without changes does with files

    # mkstemp: a draft with a name that can be guessed may already be there, as a link to somewhere else.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    draft = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
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
