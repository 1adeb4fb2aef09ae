"""The files of an SQLite database, before SQLite opens them: it follows links, waits for pipes, and takes over whatever
log lies beside a database, whoever wrote it."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)

_BESIDE = ("-wal", "-shm", "-journal")

_WAL_HEADER, _FRAME_HEADER = 32, 24


class StrangeFileError(Exception):
    """What lies at `path` isn't what a program would have put there; the message has what it is."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


def require_regular(path: Path) -> os.stat_result | None:
    """What lies at a path, if anything does. Raises: `StrangeFileError` for all but a regular file."""
    try:
        status = os.lstat(path)
    except OSError:
        return None  # opening it gives the reason
    if not stat.S_ISREG(status.st_mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(status.st_mode)), "a device")
        raise StrangeFileError(path, f"is {kind}, not a file")
    return status


def require_database(path: Path) -> None:
    """Require that a database in WAL mode, and what lies beside it, are files of one owner.

    Raises: `StrangeFileError`; also for a rollback journal, which such a database never has and SQLite would obey.
    """
    own = require_regular(path)
    for suffix in _BESIDE:
        beside = path.with_name(f"{path.name}{suffix}")
        status = require_regular(beside)
        if status is None:
            continue
        if own is None:
            raise StrangeFileError(beside, "belongs to a database that isn't there")
        if suffix == "-journal":
            raise StrangeFileError(beside, "belongs to no database of this kind")
        if status.st_uid != own.st_uid:
            raise StrangeFileError(beside, f"isn't owned by the owner of {path.name}")


def remove_database(path: Path) -> None:
    """Remove a database and what lies beside it. What can't be removed stays."""
    for suffix in ("", *_BESIDE):
        with suppress(OSError):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def uri_of(path: Path) -> str:
    """A database's URI, without parameters (SQLite documentation: URI Filenames)."""
    return f"file:{quote(os.fsencode(path.absolute()))}"


def glance(path: Path, *, until: float) -> sqlite3.Connection:
    """Read a database as its file stands: without its log, without a lock, and without a trace beside it.

    What another process writes meanwhile may make it look damaged. Queries fail at `until`, a time of
    `time.monotonic`. Raises: `StrangeFileError`, `sqlite3.Error`.
    """
    require_regular(path)
    connection = sqlite3.connect(f"{uri_of(path)}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.set_progress_handler(lambda: time.monotonic() > until, 1000)
    return connection


def is_own_log(path: Path, secrets: Sequence[str]) -> bool:
    """Whether SQLite may fold the log beside a database into it. It would take any.

    Ours hold the table `head` in each commit: its `serial`, which only grows, and `secrets`, which a stranger doesn't
    know. So a log goes on from its database if it holds the head, knows the secrets and isn't older.

    Raises: `sqlite3.Error`, `UnicodeDecodeError` (of what a damaged file holds).
    """
    try:
        pages = _pages_in_log(path)
        if not pages:
            return True
        # Without its log, whatever that holds.
        with closing(sqlite3.connect(f"{uri_of(path)}?mode=ro&immutable=1", uri=True)) as alone:
            (root,) = alone.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'head'").fetchone()
            before = dict(alone.execute("SELECT key, value FROM head"))
            serial = int(before["serial"])
    except (OSError, sqlite3.Error, TypeError, ValueError, OverflowError, KeyError):
        return True  # no log; or a file that a checkpoint has half written, which only its own log makes whole
    with closing(sqlite3.connect(f"{uri_of(path)}?mode=ro", uri=True, timeout=10)) as both:
        after = dict(both.execute("SELECT key, value FROM head"))
    is_same = all(before.get(name) == after.get(name) for name in secrets)
    own = after.get("serial")
    return root in pages and is_same and isinstance(own, int) and own >= serial


def _pages_in_log(path: Path) -> frozenset[int]:
    """The pages that SQLite would take from the write-ahead log beside a database (SQLite documentation: WAL-mode File
    Format); checksums are left to it. Raises: `OSError`."""
    with path.with_name(f"{path.name}-wal").open("rb") as file:
        header = file.read(_WAL_HEADER)
        page_size, salts = int.from_bytes(header[8:12], "big"), header[16:24]
        if not 512 <= page_size <= 65536:
            return frozenset()  # none that SQLite would read
        committed: set[int] = set()
        pending: set[int] = set()
        for number, is_commit, frame_salts in _frames(iter(lambda: file.read(_FRAME_HEADER + page_size), b"")):
            if frame_salts != salts:
                break  # of an earlier use of the file
            pending.add(number)
            if is_commit:
                committed |= pending
    return frozenset(committed)


def _frames(frames: Iterator[bytes]) -> Iterator[tuple[int, bool, bytes]]:
    for frame in frames:
        yield int.from_bytes(frame[:4], "big"), any(frame[4:8]), frame[8:16]


def make_private(folder: Path) -> None:
    """Make a folder, and what lacks above it, for this user alone; what is there stays as it is. Raises: `OSError`."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
