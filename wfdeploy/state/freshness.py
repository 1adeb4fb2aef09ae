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
import socket
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfdeploy.errors import StateUnusable
from wfdeploy.files.access import is_private, opened_folder, read_of_user, replace_file, user_state_folder
from wfdeploy.model.state import Head

_MOST_BYTES = 4096


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
                return is_private(folder) and json.loads(
                    read_of_user(folder, _name(head), most=_MOST_BYTES)
                ) == _content(head)
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
                if is_private(folder):
                    replace_file(_name(head), json.dumps(_content(head)).encode(), folder=folder)

    def _opened(self) -> AbstractContextManager[int]:
        """The folder's descriptor. Raises: `OSError`, also where the folder is a link."""
        if self.folder is None:
            raise FileNotFoundError(errno.ENOENT, "there is no directory for a user's state")
        return opened_folder(self.folder)


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


def _machine() -> str:
    """This machine since it was started. A machine that is restored as a whole is started again; a home that several
    machines mount, or that a CI cache brings, is told by it too."""
    parts = [socket.gethostname()]
    for file in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(OSError):
            parts.append(Path(file).read_text(encoding="utf-8").strip())
    return "/".join(parts)
