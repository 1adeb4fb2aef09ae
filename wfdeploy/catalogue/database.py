"""The catalogue's database: a cache file where there is a place for one, else a private temporary one.

Nothing rests on the cache: what can't be opened, locked or understood is replaced by a temporary database, and what is
damaged is thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

from wfdeploy.catalogue import schema
from wfdeploy.files.access import replace_file
from wfdeploy.files.databases import StrangeFileError, make_private, remove_database, require_database

FILE = f"catalogue-{schema.FORMAT}.db"
_IGNORE = b"*\n"
_BUSY_S = 2.0


def connect(folder: Path | None) -> tuple[sqlite3.Connection, bool]:
    """A database with the catalogue's tables, and whether it lasts. `folder`: where caches are kept."""
    if folder is not None:
        with contextlib.suppress(sqlite3.Error, OSError):
            return _cached(folder), True
    # An empty name is a file of this connection alone, gone when it is closed; it stays in memory while it is small.
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    schema.create(connection)
    return connection, False


def remove(folder: Path) -> None:
    """Throw the cache away. What can't be removed is left: it isn't trusted anyway."""
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
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # what SQLite says, too, may be of a damaged file
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
                schema.create(connection)
            connection.execute("COMMIT")
        elif version != schema.FORMAT or not schema.is_ours(connection):
            raise sqlite3.DatabaseError("another format")
        # A cache that a power loss takes is made again.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -16000")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
