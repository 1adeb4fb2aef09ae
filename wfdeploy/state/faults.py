"""SQLite's errors in our words, each with the way out."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.files.access import escaped

DAMAGED = "restore it from a copy, or set it aside: the next apply reads back what the server still knows"


@contextmanager
def translated(name: str) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _words(name, error) from error
    except UnicodeEncodeError as error:  # what was typed: no state holds such text
        raise UsageError(f"{escaped(str(error.object)[:100])} is not UTF-8") from error
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StateUnusable(f"the state {name} is damaged: {error}", hint=DAMAGED) from error


def _words(name: str, error: sqlite3.DatabaseError) -> StateUnusable:
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _is_full(Path(name).parent)):
        return StateUnusable(f"cannot write the state {name}: the disk is full", hint="make room and run it again")
    if primary == sqlite3.SQLITE_READONLY:
        return StateUnusable(f"cannot write the state {name}: it is read-only", hint="make it writable for this user")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateUnusable(f"the state {name} is locked by another program", hint="close it and run this again")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return StateUnusable(f"cannot open the state {name}", hint="check that the file and its directory are readable")
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StateUnusable(f"the state {name} is damaged or not a state: {error}", hint=DAMAGED)
    if primary == sqlite3.SQLITE_IOERR:
        return StateUnusable(f"cannot read or write the state {name}: {error}", hint="check the disk")
    return StateUnusable(f"the state {name} cannot be used: {error}", hint=DAMAGED)


def _is_full(folder: Path) -> bool:
    """SQLite calls it an I/O error when there is no room for its shared memory."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 64 * 1024
