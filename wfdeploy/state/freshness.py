"""The freshness marker: is this state the latest?

A state that was copied or restored (a CI cache, a backup) may be older than what happened since; then what the
server's listing shows is all there is to know, and a listing lags. A state can't tell that of itself, nor can anything
that is copied or restored with it. So the marker lies in the user's state directory: one for each project, environment,
server and shard, with the nonce that the latest state got in its last commit. Only a state with that nonce is known to
be the whole story.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import socket
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfdeploy.errors import StateUnusable
from wfdeploy.model.state import Head

_MOST_BYTES = 4096


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


def marker_folder(environ: Mapping[str, str], copied_with_state: Iterable[Path]) -> Path | None:
    """Where the markers lie. None where there is no such place, or where it lies within one of the folders that are
    copied with the state (a CI job's HOME is often its workspace): what is restored there restores the marker too."""
    folder = user_state_folder(environ)
    if folder is None:
        return None
    real = folder.resolve()
    return None if any(real.is_relative_to(each.resolve()) for each in copied_with_state) else folder


@dataclass(frozen=True, slots=True)
class FreshnessMarker:
    """The marker of each state, in `folder`. Without a folder no state is known to be the latest."""

    folder: Path | None

    def matches(self, head: Head) -> bool:
        """Whether this is the latest state. False when in doubt."""
        if not head.nonce:
            return False
        try:
            with self._opened() as folder:
                return _is_ours(folder) and _read(folder, _name(head)) == _content(head)
        except (OSError, ValueError, RecursionError):
            return False

    def clear(self, head: Head) -> None:
        """Take the marker away before anything is sent; it comes back when all of that is recorded.

        Should this process die in between, no state from before may pass for the latest. It stays away through a power
        loss. Raises: `StateUnusable`.
        """
        name = _name(head)
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(self._opened())
            except OSError:
                return  # nothing in it can be read, so nothing in it is believed
            try:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            except OSError as error:
                if _exists(folder, name):
                    raise StateUnusable(
                        f"cannot remove {self.folder}/{name}: {error.strerror}",
                        hint="make the directory writable, or set XDG_STATE_HOME to another one",
                    ) from error

    def write(self, head: Head) -> None:
        """Mark this state as the latest. Failing to is no harm: the next apply waits for the logs, that is all."""
        with contextlib.suppress(OSError):
            if self.folder is not None:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    self.folder.mkdir(mode=0o700)
            with self._opened() as folder:
                if _is_ours(folder):
                    _replace(folder, _name(head), json.dumps(_content(head)).encode())

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder's descriptor. Raises: `OSError`, also where the folder is a link."""
        if self.folder is None:
            raise FileNotFoundError(errno.ENOENT, "there is no directory for a user's state")
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)


def _is_ours(folder: int) -> bool:
    """Whether nobody else may write to it."""
    status = os.fstat(folder)
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _name(head: Head) -> str:
    """Of the file. By binding, not by lineage: of two states for one project only one is the latest."""
    return hashlib.sha256("\0".join(head.binding).encode()).hexdigest()[:32] + ".json"


def _content(head: Head) -> dict[str, Any]:
    return {"lineage": head.lineage, "serial": head.serial, "nonce": head.nonce, "machine": _machine()}


def _read(folder: int, name: str) -> object:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        return json.loads(file.read(_MOST_BYTES))


def _replace(folder: int, name: str, content: bytes) -> None:
    draft = f".{name}.{secrets.token_hex(4)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def _machine() -> str:
    """This machine since it was started. A machine that is restored as a whole is started again; a home that several
    machines mount, or that a CI cache brings, is told by it too."""
    parts = [socket.gethostname()]
    for file in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(OSError):
            parts.append(Path(file).read_text(encoding="utf-8").strip())
    return "/".join(parts)
