"""The database file of a state: create, open, recognise, upgrade, and SQLite's errors in our words."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wfdeploy import __version__
from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.files.access import escaped
from wfdeploy.files.databases import StrangeFileError, is_own_log, remove_database, require_database, uri_of
from wfdeploy.model.address import shell_word
from wfdeploy.model.state import Binding
from wfdeploy.state import VERSION
from wfdeploy.state.schema import APPLICATION_ID, migrate

_ANOTHER = "name the file itself with --state, or take it away"


def create_file(path: Path, binding: Binding, redaction_key: bytes | None) -> None:
    """Create the file of an empty state, mode 0600, as a whole: another process sees no file, or a complete one.

    Raises: `StateUnusable`, also where a file exists."""
    import secrets

    require_own_files(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StateUnusable(
            f"cannot create the state {path}: {error.strerror}",
            hint="create the directory, or name another place with --state",
        ) from error
    try:
        connection = connect(draft, readonly=False)
        try:
            with translated(str(path)):
                make_durable(connection)
                begin(connection, binding, redaction_key)
                fold_log(connection)
        finally:
            connection.close()
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        # A hard link fails where a file stands, so that a state that appeared meanwhile is never replaced.
        os.link(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StateUnusable(f"cannot create the state {path}: {error.strerror}") from error
    finally:
        remove_database(draft)


def open_file(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Connect to a state, upgraded to this version. Raises: `StateUnusable`."""
    require_own_files(path)
    require_own_log(path)
    connection = connect(path, readonly=readonly)
    try:
        with translated(str(path)):
            # First of all: a file that isn't ours is not written to, and changing the journal mode writes.
            version = recognise(connection, path)
            if not readonly:
                make_durable(connection)
                upgrade(connection, version)
            elif version < VERSION:
                connection = _upgraded_copy(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _upgraded_copy(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """An upgraded copy, in memory, of an older state that may not be written to."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.backup(copy)
    connection.close()
    upgrade(copy, version)
    return copy


def require_own_files(path: Path) -> None:
    """Require that a state's path, and the paths beside it, hold only what wfdeploy puts there.

    Raises: `StateUnusable`.
    """
    try:
        require_database(path)
    except StrangeFileError as error:
        hint = f"take it away: mv {shell_word(str(error.path))} elsewhere" if error.path != path else _ANOTHER
        raise StateUnusable(f"the state can't be used: {error}", hint=hint) from error


def require_own_log(path: Path) -> None:
    """Require that the log beside a state is its own, before a connection that may write folds it into the state.

    Raises: `StateUnusable`.
    """
    with translated(str(path)):
        is_own = is_own_log(path, ("lineage", "redaction_key"))
    if not is_own:
        raise StateUnusable(
            f"the log {path.name}-wal doesn't belong to the state {path}",
            hint=f"restore both together; or take it away: mv {shell_word(f'{path}-wal')} elsewhere",
        )


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Open a file that exists. Raises: `StateUnusable`."""
    require_own_files(path)
    uri = uri_of(path)
    with translated(str(path)):
        if not readonly:
            return sqlite3.connect(
                f"{uri}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10
            )
        connection = sqlite3.connect(
            f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            # In a read-only directory, a file in WAL mode opens only as immutable. That is safe without a log beside
            # it: then the file is whole and nobody writes.
            if path.with_name(f"{path.name}-wal").exists():
                raise
            connection = sqlite3.connect(
                f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
            )
        return connection


def begin(connection: sqlite3.Connection, binding: Binding, redaction_key: bytes | None = None) -> None:
    """Fill an empty database with an empty state. `redaction_key`: None for a new one."""
    import secrets

    connection.execute("BEGIN IMMEDIATE")
    migrate(connection, 0)
    connection.executemany(
        "INSERT INTO head (key, value) VALUES (?, ?)",
        [
            ("lineage", secrets.token_hex(16)),
            ("serial", 0),
            ("nonce", secrets.token_hex(16)),
            ("project", binding.project),
            ("environment", binding.environment),
            ("server", binding.server),
            ("shard", binding.shard),
            ("redaction_key", redaction_key or secrets.token_bytes(32)),
        ],
    )
    connection.execute("COMMIT")


def make_durable(connection: sqlite3.Connection) -> None:
    """Set up a connection that writes."""
    # Write-ahead log: `status` and `plan` read while an apply writes, one fsync per commit.
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit that returned survives a power loss (SQLite documentation: PRAGMA synchronous); an intent is worth
    # nothing otherwise.
    connection.execute("PRAGMA synchronous = FULL")
    # A table larger than the cache is read again for each row written out of order; SQLite's default is 2 MB.
    connection.execute("PRAGMA cache_size = -8000")
    # On macOS, fsync alone leaves data in the drive's cache.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def fold_log(connection: sqlite3.Connection) -> None:
    """Write the log into the file, which then is all of the state. Raises: `sqlite3.Error`.

    Closing does it too, but silently leaves half of a state when the disk is full.
    """
    (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise sqlite3.OperationalError("the log is in use")


def recognise(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a state. Raises: `StateUnusable` when it isn't one that this program can use."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StateUnusable(f"{path} is not a wfdeploy state", hint="name the right file with --state")
    if version > VERSION:
        python = ".".join(map(str, sys.version_info[:3]))
        raise StateUnusable(
            f"the state {path} was written by a newer wfdeploy: it has the state format {version}, and wfdeploy "
            f"{__version__} reads up to {VERSION}",
            hint=f"upgrade wfdeploy (this one runs with Python {python})",
        )
    if _is_cut(path):
        raise StateUnusable(f"the state {path} is damaged: its end is missing", hint=DAMAGED)
    return int(version)


def _is_cut(path: Path) -> bool:
    """Whether the file ends within a page: SQLite would take the missing bytes for zeros."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False  # pages may be on their way from the log
    with path.open("rb") as file:
        page = int.from_bytes(file.read(18)[16:], "big")
        size = file.seek(0, os.SEEK_END)
    return size % (65536 if page == 1 else page) != 0


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Upgrade a state of an older version."""
    if version < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, version)
        # Each commit holds a page of the head: by it, the log is recognised as this state's.
        connection.execute("INSERT OR REPLACE INTO head (key, value) VALUES ('upgraded_from', ?)", (version,))
        connection.execute("COMMIT")


def elsewhere(path: Path, theirs: Binding, ours: Binding) -> str:
    """The hint for a state that belongs elsewhere."""
    if theirs._replace(shard=ours.shard) == ours:
        return (
            "give --shard as it was when the state was made; to share the work out otherwise, begin new states while "
            "the server's logs still remember every run, or with `wfdeploy adopt`"
        )
    if theirs.server.startswith("local:") and ours.server.startswith("local:"):
        anew = f"begin anew with rm {shell_word(str(path))}*"
        return f"the local server's database was replaced, or the project got another name: {anew}"
    return "choose the environment it was made for, or name another state with --state"


def sync_folder(path: Path) -> None:
    """Make a new name in a directory survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


DAMAGED = "restore it from a copy, or set it aside: the next apply reads back what the server still knows"


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise SQLite's errors as ours, each with a way out."""
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
    """Whether the disk is full: SQLite reports an I/O error when there is no room for its shared memory."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 64 * 1024
