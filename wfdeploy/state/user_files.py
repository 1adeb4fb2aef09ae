"""Files in the user's state directory: which version of a state is the latest, and the pages of long listings.

What they say leads to runs being taken for started, or for never started. So it must be nothing that comes with a
checkout, or with a copied state.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfdeploy.errors import StateUnusable
from wfdeploy.files.access import is_private, open_regular, opened_folder, read_of_user, replace_file, user_state_folder
from wfdeploy.model.observed import ObservedRun, RunState, SavedListing
from wfdeploy.model.state import Head

_MOST_BYTES = 4096


def trusted_folder(environ: Mapping[str, str], copied_with_state: Iterable[Path]) -> Path | None:
    """Where these files are. None where there is no such place, or where it is within one of the folders that are
    copied with the state (a CI job's HOME is often its workspace): restoring such a folder restores the marker too."""
    folder = user_state_folder(environ)
    if folder is None:
        return None
    real = folder.resolve()
    return None if any(real.is_relative_to(each.resolve()) for each in copied_with_state) else folder


@dataclass(frozen=True, slots=True)
class FreshnessMarker:
    """Tells whether a state is the latest.

    A state that was copied or restored (a CI cache, a backup) may be older than what happened since; then what the
    server's listing shows is all there is to know, and a listing lags. A state can't tell that of itself, nor can
    anything that is copied or restored with it. So there is a marker in the user's state directory, one for each
    project, environment, server and shard, with the nonce that the latest state got in its last commit. Only a state
    with that nonce is known to be the whole story.
    """

    folder: Path | None
    """Where the markers are. None: no state is known to be the latest."""

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
        """Remove the marker before anything is sent; it comes back when all of that is recorded.

        Should this process die in between, no state from before may pass for the latest. The removal survives a power
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
        """Mark this state as the latest. A failure does no harm: the next apply waits for the logs."""
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


_FORMAT = 1


class SavedListingFile:
    """A `ListingFile`: one line for the listing, and one for each page, so that the next command needn't read them
    again if this one is killed. Opening it for each page costs nothing beside the request for the page.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        self._path = None if folder is None else folder / f"{name}.listing"
        self._is_open = False  # pages may be added

    def load(self) -> SavedListing | None:
        self._is_open = False
        if self._path is None:
            return None
        try:
            return self._load(self._path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _load(self, path: Path) -> SavedListing | None:
        folder = path.parent.stat()
        with open_regular(path, follow=False) as file:
            status = os.fstat(file.fileno())
            if {status.st_uid, folder.st_uid} != {os.geteuid()} or (status.st_mode | folder.st_mode) & 0o022:
                return None
            head = json.loads(file.readline())
            if head["format"] != _FORMAT:
                return None
            runs: list[ObservedRun] = []
            cursor, page, whole = "", list[ObservedRun](), file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break  # the process was killed while it wrote this one
                cursor, entries = json.loads(line)
                page = [_run(entry) for entry in entries]
                runs += page
                whole += len(line)
        since_ms, began_ms = head["since"], head["began"]
        if not page or not isinstance(cursor, str) or not isinstance(began_ms, int):
            return None
        os.truncate(path, whole)
        self._is_open = True
        return SavedListing(
            since_ms=since_ms,
            began_ms=began_ms,
            runs=runs,
            cursor=cursor,
            last_ids=frozenset(run.workflow_run_id for run in page),
        )

    def begin(self, since_ms: int | None, began_ms: int) -> None:
        self.drop()
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._is_open = True
            self._write({"format": _FORMAT, "since": since_ms, "began": began_ms})

    def add(self, cursor: str, runs: Sequence[ObservedRun]) -> None:
        self._write([cursor, [_fields(run) for run in runs]])

    def drop(self) -> None:
        self._is_open = False
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self, value: object) -> None:
        if self._path is None or not self._is_open:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        except OSError:
            self.drop()  # a page that is missing would be a gap


def _fields(run: ObservedRun) -> tuple[object, ...]:
    workflow_run_id, state, *others = run
    return workflow_run_id, state.value, *others


def _run(fields: list[object]) -> ObservedRun:
    run_id, state, created_at_ms, completed_at_ms, url, labels, dlq_id = fields
    if not isinstance(run_id, str) or not isinstance(created_at_ms, int) or not isinstance(labels, list):
        raise TypeError("this is no run")
    return ObservedRun(
        workflow_run_id=run_id,
        state=RunState(state),
        created_at_ms=created_at_ms,
        completed_at_ms=completed_at_ms if isinstance(completed_at_ms, int) else None,
        url=str(url),
        labels=tuple(map(str, labels)),
        dlq_id=dlq_id if isinstance(dlq_id, str) else None,
    )
