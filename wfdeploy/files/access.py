"""Open, read and replace files, where what lies at a path may be somebody else's: a link, a pipe, a device."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.files.bounds import Bounds


def open_regular(path: Path | str, *, follow: bool = True, folder: int | None = None) -> BufferedReader:
    """Open a regular file for reading.

    follow: it may be a link to one.
    folder: the descriptor of what the path is relative to; None for the working directory.

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
    """Read a regular file, and one byte more than `most` of one that is larger: the size that a file claims is no
    bound.

    Raises: `OSError`.
    """
    with open_regular(path) as file:
        return file.read(most + 1)


def read_named(path: str, *, folder: Path, bounds: Bounds, most: int) -> bytes:
    """Read a file that an operator named, relative to a folder, and one byte more than `most` of one that is larger.

    Within the bounds' root it is a regular file; elsewhere it may be a pipe, as `<(command)` makes it.

    Raises: `OSError`; `OutOfBoundsError` for a link that leads out of the root.
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


def replace_file(
    path: Path | str, content: bytes | Iterable[bytes], *, folder: int | None = None, mode: int = 0o600
) -> None:
    """Put a file at `path`, whole or not at all. A link there is replaced, not followed.

    content: all of it, or its pieces.
    folder: the descriptor of what the path is relative to; None for the working directory.
    mode: less what the process's umask takes away.

    Raises: `OSError`.
    """
    # A draft with a name that can be guessed may already be there, as a link to somewhere else. It is no longer than
    # other names, whatever the file's own is.
    draft = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.new")  # noqa: PTH118, PTH120 - may be relative to `folder`
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, mode, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.writelines((content,) if isinstance(content, bytes) else content)
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


def user_name() -> str:
    """The name of the user, or the number where it has none."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return str(os.getuid())


_CI_JOBS = ("GITHUB_RUN_ID", "CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL")


def ci_job(environ: Mapping[str, str]) -> str | None:
    """What the CI job is known by that this process runs in; None outside of one."""
    return next((environ[name] for name in _CI_JOBS if environ.get(name)), None)


def user_state_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of a user's state, which no checkout and no pull request can put anything into; None where there is
    none.

    Source: XDG Base Directory Specification; macOS has a folder of its own.
    """
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
def opened_folder(folder: Path) -> Iterator[int]:
    """The folder's descriptor. Raises: `OSError`, also where the folder is a link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_private(folder: int) -> bool:
    """Whether nobody else may write to it."""
    status = os.fstat(folder)
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read_of_user(folder: int, name: str, *, most: int) -> bytes:
    """Read at most `most` bytes of a file that this user made. Raises: `OSError`."""
    with open_regular(name, follow=False, folder=folder) as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it is no file of this user's", name)
        return file.read(most)


def is_text(name: str) -> bool:
    """Whether a name is UTF-8. POSIX takes any bytes; Python holds others as halves of surrogate pairs (PEP 383)."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(name: str) -> str:
    r"""The name as it may be shown and recorded, since no encoding can write halves of surrogate pairs: a byte that is
    not UTF-8 reads `\xff`."""
    if is_text(name):
        return name
    try:
        raw = name.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a pair that stands for no byte, and so is of no file's name
        raw = name.encode(errors="backslashreplace")
    return raw.decode(errors="backslashreplace")


LFS_POINTER_BYTES = 1024
"""More than a Git LFS pointer has, the text that stands in place of a large file which wasn't fetched.

Source: git-lfs, "docs/spec.md".
"""

LFS_CODE = "lfs-pointer"
LFS_MESSAGE = "this is a Git LFS pointer, not the file itself"
LFS_HINT = "fetch it: git lfs pull (in CI, check out with LFS: `lfs: true` for actions/checkout)"

_LFS_VERSIONS = (
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
    b"version http://git-media.io/v/",
)


def is_lfs_pointer(data: bytes) -> bool:
    """Whether this is the whole content of a Git LFS pointer. `LFS_POINTER_BYTES` of a file are enough."""
    return len(data) < LFS_POINTER_BYTES and data.startswith(_LFS_VERSIONS) and b"\noid " in data and b"\nsize " in data


CONFLICT_CODE = "merge-conflict"
CONFLICT_MESSAGE = "a merge conflict was left in this file"
CONFLICT_HINT = "keep one of the two sides, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"

_CONFLICT = re.compile(rb"^(?:(<{7}) |(={7})\r?$|(>{7}) )", re.MULTILINE)


class ConflictSearch:
    """Looks for the marks that git leaves in a text where two sides of a merge differ.

    complete: only all three of them count, in their order: the text may be about merges.
    """

    def __init__(self, *, complete: bool = False) -> None:
        self._complete = complete
        self._lines = 0
        self._begun: int | None = None
        self._in_second = False

    def line_in(self, block: bytes) -> int | None:
        """The line of a conflict (from 1), as soon as one is found in a block that begins where a line begins."""
        if b"<<<<<<< " in block or b"=======" in block or b">>>>>>> " in block:
            for match in _CONFLICT.finditer(block):
                line = self._lines + block.count(b"\n", 0, match.start()) + 1
                if match[1]:
                    self._begun, self._in_second = line, False
                    if not self._complete:
                        return line
                elif match[2]:
                    self._in_second = self._begun is not None or not self._complete
                elif self._in_second:
                    return self._begun or line
        self._lines += block.count(b"\n")
        return None
