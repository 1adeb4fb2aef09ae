"""The catalogue's database: a cache file where there is a place for one, else a private temporary one.

Nothing rests on the cache: what can't be opened, locked or understood is replaced by a temporary database, and what is
damaged is thrown away.

- `entries`: one for each file as it was loaded under certain settings. `key` stands for all that the content of an
  entry depends on but the files that the manifest names (`reads`, JSON): their digests are compared at each use.
  `code` authenticates all of the entry (`entries.py`).
- `groups`: the groups of an entry, with the tally of their runs. `respelled`: some text of theirs was another one while
  numbers were written otherwise.
- `chunks`: identities, some hundreds in each (`chunks.py`). `first`, `last`: the names that it begins and ends with, so
  that a group is read in address order; `own_ids`: whether the author fixed the workflow run id of any of them; `size`,
  `total`: their tally; `digest`: SHA-256 of `runs`; `piece`: the key of the piece of a file that they are from, empty
  for none; `runs_before`, `lines_before`: of that piece in the file, to be added to what stands in `runs`. The index
  has all that an entry's code covers, so that nothing else is read to check it. No request is kept.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfdeploy.errors import CacheDamaged
from wfdeploy.files.access import replace_file
from wfdeploy.files.databases import StrangeFileError, glance, make_private, remove_database, require_database


class CacheBusy(Exception):
    """The cache can't be used now; a catalogue without one can."""


@contextmanager
def raising_busy() -> Iterator[None]:
    """Raise `CacheBusy` where SQLite refuses to write: somebody else does, the disk is full, it is read-only."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise CacheBusy(str(error)) from error


@contextmanager
def raising_busy_or_damaged() -> Iterator[None]:
    """Raise `CacheDamaged` where SQLite finds something wrong with a file, `CacheBusy` where it refuses to write."""
    with raising_busy():
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise CacheDamaged(f"the cache of manifests can't be used ({error})") from error


@contextmanager
def raising_damaged() -> Iterator[None]:
    """Raise `CacheDamaged` for what can't be read of a cache."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError, OverflowError, KeyError, TypeError) as error:
        raise CacheDamaged(f"the cache of manifests can't be read ({error})") from error


FORMAT = 8
"""Goes up whenever an entry would be read or made in another way; a cache of another format is thrown away."""

_TABLES = (
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        reads TEXT NOT NULL,
        notes TEXT NOT NULL,
        runs INTEGER NOT NULL,
        used_on INTEGER NOT NULL,
        code BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE groups (
        id INTEGER PRIMARY KEY,
        entry INTEGER NOT NULL,
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        count INTEGER NOT NULL,
        total BLOB NOT NULL,
        respelled INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX groups_by_entry ON groups (entry)",
    """CREATE TABLE chunks (
        id INTEGER PRIMARY KEY,
        grp INTEGER NOT NULL,
        first TEXT NOT NULL,
        last TEXT NOT NULL,
        own_ids INTEGER NOT NULL,
        size INTEGER NOT NULL,
        total BLOB NOT NULL,
        digest BLOB NOT NULL,
        piece BLOB NOT NULL,
        runs_before INTEGER NOT NULL,
        lines_before INTEGER NOT NULL,
        runs TEXT NOT NULL
    ) STRICT""",
    """CREATE INDEX chunks_in_order
        ON chunks (grp, first, last, own_ids, size, total, digest, piece, runs_before, lines_before)""",
    "CREATE INDEX chunks_by_piece ON chunks (piece, grp) WHERE piece <> x''",
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty catalogue."""
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _has_our_tables(connection: sqlite3.Connection) -> bool:
    """Whether the database has these tables and nothing else: no view, trigger or expression of somebody else's."""
    rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    return [sql for (sql,) in rows] == list(_TABLES)


FILE = f"catalogue-{FORMAT}.db"
_IGNORE = b"*\n"
_BUSY_S = 2.0


def connect(folder: Path | None) -> tuple[sqlite3.Connection, bool]:
    """A database with the catalogue's tables, and whether it lasts.

    folder: where caches are kept.
    """
    if folder is not None:
        with contextlib.suppress(sqlite3.Error, OSError):
            return _cached(folder), True
    # An empty name is a file of this connection alone, gone when it is closed; it stays in memory while it is small.
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    create_tables(connection)
    return connection, False


def remove(folder: Path) -> None:
    """Throw the cache away. What can't be removed stays: it isn't trusted anyway."""
    remove_database(folder / FILE)


def _cached(folder: Path) -> sqlite3.Connection:
    if folder.is_symlink() or folder.parent.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "the cache's folder is a link", str(folder))
    make_private(folder)
    ignore = folder / ".gitignore"
    if not os.path.lexists(ignore):
        replace_file(ignore, _IGNORE)
    path = folder / FILE
    try:
        require_database(path)
    except StrangeFileError as error:
        remove(folder)  # links, not where they lead
        raise FileExistsError(errno.EEXIST, str(error)) from error
    is_new = not path.exists()
    if is_new:
        # With this mode, since SQLite would use the umask; -wal and -shm take the mode over from it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    connection = _open(path)
    try:
        _prepare(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # even SQLite's message may be of a damaged file
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise  # in use, or not to be written: it may well be sound
        remove(folder)
        connection = _open(path)
        _prepare(connection)
    if is_new:
        _remove_others(folder)
    return connection


def _remove_others(folder: Path) -> None:
    """Remove the caches of other formats, which take room and are of no use here. Another wfdeploy that has one open
    goes on with it, and makes its own again the next time."""
    for path in sorted(folder.glob("catalogue-*.db*")):  # a log after its database, else it would be missed
        if not path.name.startswith(FILE):
            with contextlib.suppress(OSError):
                path.unlink()


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)


def _prepare(connection: sqlite3.Connection) -> None:
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.execute("PRAGMA journal_mode = WAL")  # a plan reads while another one writes
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                create_tables(connection)
            connection.execute("COMMIT")
        elif version != FORMAT or not _has_our_tables(connection):
            raise sqlite3.DatabaseError("another format")
        # A cache that a power loss takes is made again.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -16000")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_decode = json.JSONDecoder().raw_decode


class Glimpse:
    """The addresses of a cache as its file stands, for whoever types one: read quickly, without a lock or a trace.

    Those of former versions of manifests are among them, and nobody authenticates them: they are good for nothing but
    being offered.

    folder: of the project's cache.
    until: when queries give up, a time of `time.monotonic`.

    Raises, as do its methods: `StrangeFileError`, `sqlite3.Error`, `ValueError` for what can't be read.
    """

    def __init__(self, folder: Path, *, until: float) -> None:
        self._connection = glance(folder / FILE, until=until)
        kinds = dict(self._connection.execute("SELECT name, type FROM sqlite_schema"))
        if kinds.get("groups") != "table" or kinds.get("chunks") != "table":
            raise ValueError("no cache of this version")
        groups: dict[str, list[int]] = {}
        for id_, name in self._connection.execute("SELECT id, name FROM groups WHERE name <> ''"):
            groups.setdefault(f"{name}/", []).append(id_)
        self._groups = sorted(groups.items())
        self._names: dict[int, list[str]] = {}

    def next(self, low: str, high: str) -> str | None:
        """The first declared address from `low` on that is less than `high`."""
        for group, ids in self._groups:
            if group >= high:
                break
            is_within = low.startswith(group)
            if low > group and not is_within:
                continue
            least = low[len(group) :] if is_within else ""
            found = [name for id_ in ids if (name := self._first(id_, least)) is not None]
            if found and (address := f"{group}{min(found)}") < high:
                return address
        return None

    def _first(self, group: int, low: str) -> str | None:
        query = "SELECT id FROM chunks WHERE grp = ? AND last >= ? ORDER BY first LIMIT 1"
        row = self._connection.execute(query, (group, low)).fetchone()
        if row is None:
            return None
        names = self._names_of(row[0])
        at = bisect_left(names, low)
        return names[at] if at < len(names) else None

    def _names_of(self, chunk: int) -> list[str]:
        """The names of a chunk: the first of its columns, without reading the others."""
        if chunk not in self._names:
            (text,) = self._connection.execute("SELECT runs FROM chunks WHERE id = ?", (chunk,)).fetchone()
            names, _ = _decode(text, 1)
            self._names[chunk] = names
        return self._names[chunk]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
