"""Folders in the temporary directory that don't outlive their command by much, however it ends.

A command that is killed can't remove its folder, so the next one does. Each folder is locked by the process that made
it, and the lock ends with that process: process ids are reused, locks are not.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import weakref
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX = "wfdeploy-scratch-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")  # as mkdtemp makes them


class ScratchFolder:
    """A folder that nobody else may enter. It is removed when it is closed, or after its process is gone."""

    def __init__(self) -> None:
        """Raises: `OSError`."""
        import tempfile

        _clear_in(tempfile.gettempdir())
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # mode 0700
        if sys.platform == "win32":  # where folders can't be locked
            import shutil

            self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
            return
        while (descriptor := _held(self.path)) is None:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._end = weakref.finalize(self, _remove, self.path, descriptor)

    def close(self) -> None:
        """Remove it with all that is in it; what can't be removed is left. It may be closed again."""
        self._end()


def clear_abandoned() -> None:
    """Remove the folders of processes that are gone: those of this user, with the name and mode of ours, unlocked."""
    # Without `tempfile`, which takes longer to import than most directories take to read.
    _clear_in(next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp"))  # noqa: S108


def _clear_in(directory: str) -> None:
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) is not None:
                with suppress(OSError):
                    _clear(Path(entry.path))


def _clear(path: Path) -> None:
    descriptor = _opened(path)
    found = os.fstat(descriptor)
    ours = found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    if ours and _locked(descriptor, wait=False):
        _remove(path, descriptor)
    else:
        os.close(descriptor)


def _held(path: Path) -> int | None:
    """The descriptor of a new folder, which holds its lock; None where another process has cleared it meanwhile."""
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        return None
    _locked(descriptor, wait=True)  # a file system without locks has none for those who clear, either
    with suppress(OSError):
        if os.path.samestat(path.lstat(), os.fstat(descriptor)):
            return descriptor
    os.close(descriptor)
    return None


def _opened(path: Path) -> int:
    """A descriptor of the folder itself, not of what a link leads to, and not for programs that are started."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _locked(descriptor: int, *, wait: bool) -> bool:
    """Lock a folder for as long as the descriptor is open; whether it is."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove(path: Path, descriptor: int) -> None:
    """Remove a folder, and let go of it: what is in the one that is open, whatever its path leads to by now, then the
    empty one."""
    for name in os.listdir(descriptor):
        with suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                import shutil

                shutil.rmtree(name, ignore_errors=True, dir_fd=descriptor)
            else:
                os.unlink(name, dir_fd=descriptor)
    with suppress(OSError):
        path.rmdir()
    os.close(descriptor)
