"""The server's SQLite file: opening it, its schema, and its id.

There is one connection, used only from the event loop's thread, so transactions are never interleaved.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from wfdeploy.errors import StateUnusable
from wfdeploy.files.databases import StrangeFileError, is_own_log, make_private, require_database
from wfdeploy.localserver.store.records import new_server_id

_VERSION_1 = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,          -- order of acceptance
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,      -- all times: Unix milliseconds
    starts_at INTEGER NOT NULL,       -- when the first delivery is due
    completed_at INTEGER,
    caller_ip TEXT NOT NULL,
    labels TEXT NOT NULL,             -- comma-separated, as sent
    flow_key TEXT,
    payload BLOB NOT NULL,
    settings TEXT NOT NULL,           -- settings.Settings
    response TEXT,                    -- JSON text given at the finish
    failure TEXT                      -- JSON: what ended a failed run, and its failure callback
);
-- The reservation of an id: at most one run in progress has it, and it is free again the moment that run ends.
CREATE UNIQUE INDEX run_in_progress ON runs (tenant, run_id) WHERE state = 'RUN_STARTED';
CREATE UNIQUE INDEX runs_of_id ON runs (tenant, run_id, created_at);
CREATE INDEX runs_by_time ON runs (tenant, created_at);

CREATE TABLE labels (
    tenant TEXT NOT NULL,
    label TEXT NOT NULL,
    run_seq INTEGER NOT NULL,
    PRIMARY KEY (tenant, label, run_seq)
) WITHOUT ROWID;

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,          -- order of acceptance: a delivery carries the entries up to its own
    tenant TEXT NOT NULL,
    run_seq INTEGER REFERENCES runs (seq),  -- NULL: a plain message, outside any run
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,               -- MessageKind
    state TEXT NOT NULL,              -- pending, delivered, failed, dropped
    step_key TEXT,                    -- names the step that this entry records
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    done_at INTEGER,
    retried INTEGER NOT NULL DEFAULT 0,
    errors TEXT NOT NULL DEFAULT '[]' -- JSON: the failed attempts
);
CREATE INDEX messages_of_run ON messages (run_seq, seq);
CREATE INDEX messages_pending ON messages (due_at) WHERE state = 'pending';
-- A step is recorded once, however often an endpoint that was called again submits it.
CREATE UNIQUE INDEX step_once ON messages (run_seq, step_key) WHERE step_key IS NOT NULL;
"""

_VERSION_2 = """
CREATE TABLE dlq (
    seq INTEGER PRIMARY KEY,          -- order of failing
    tenant TEXT NOT NULL,
    dlq_id TEXT NOT NULL,
    run_seq INTEGER NOT NULL REFERENCES runs (seq),
    failed_at INTEGER NOT NULL,
    callback_state TEXT               -- of the failure callback, where there is one
);
CREATE UNIQUE INDEX dlq_ids ON dlq (tenant, dlq_id);
INSERT INTO dlq (tenant, dlq_id, run_seq, failed_at, callback_state)
    SELECT tenant, json_extract(failure, '$.dlqId'), seq, completed_at, json_extract(failure, '$.state')
    FROM runs WHERE failure IS NOT NULL ORDER BY completed_at, seq;

ALTER TABLE runs ADD COLUMN invoker TEXT;      -- JSON: the run and its step that wait for this one's end
ALTER TABLE messages ADD COLUMN event_id TEXT; -- of a wait: for which event
CREATE INDEX messages_waiting ON messages (tenant, event_id) WHERE state = 'pending' AND event_id IS NOT NULL;

CREATE TABLE events (                 -- told to one run, before it waited for them
    seq INTEGER PRIMARY KEY,
    run_seq INTEGER NOT NULL REFERENCES runs (seq),
    event_id TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX events_of_run ON events (run_seq, event_id);

ALTER TABLE messages ADD COLUMN flow_key TEXT; -- the flow-control key under which it is delivered
UPDATE messages SET flow_key = (SELECT flow_key FROM runs r WHERE r.seq = run_seq)
    WHERE state = 'pending' AND kind IN ('init', 'step', 'callResult');
CREATE INDEX messages_by_key ON messages (tenant, flow_key) WHERE state = 'pending' AND flow_key IS NOT NULL;

CREATE TABLE flow_keys (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    parallelism INTEGER,              -- NULL: without a limit
    rate INTEGER,
    period_ms INTEGER NOT NULL DEFAULT 1000,
    paused INTEGER NOT NULL DEFAULT 0,
    pinned_parallelism INTEGER NOT NULL DEFAULT 0,
    pinned_rate INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
"""

_VERSION_3 = """
ALTER TABLE flow_keys ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;        -- deliveries, in the period
ALTER TABLE flow_keys ADD COLUMN period_start INTEGER NOT NULL DEFAULT 0; -- that began then
CREATE INDEX dlq_of_run ON dlq (run_seq);
"""

_VERSION_4 = """
CREATE TABLE head (                   -- in each commit, so that the file's own log is told from another one
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
INSERT INTO head VALUES ('secret', lower(hex(randomblob(16)))), ('serial', 0);
"""

_VERSIONS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""The changes of each version; a new file gets all of them."""

SCHEMA_VERSION = len(_VERSIONS)


@contextmanager
def writing(database: Path) -> Iterator[None]:
    """Turn the operating system's errors with files beside a database into `StateUnusable`."""
    try:
        yield
    except Timeout:  # of the lock; a kind of OSError
        raise
    except OSError as error:
        raise _unwritable(database, error.strerror or str(error)) from error


def _unwritable(database: Path, reason: str) -> StateUnusable:
    return StateUnusable(
        f"cannot write the embedded server's database {database}: {reason}",
        hint="--local keeps its runs there: make the folder writable for this user, or work on a copy of the project",
    )


def open_database(path: Path | None) -> sqlite3.Connection:
    """Open or create the file (mode 0600, since it contains payloads and headers); `None` means in memory.

    Raises: StateUnusable when the file is not such a database, has a newer version, or can't be written.
    """
    if path is None:
        return _connected(":memory:")
    try:
        require_database(path)
    except StrangeFileError as error:
        raise StateUnusable(f"the local server's database can't be used: {error}", hint="take it away") from error
    with writing(path):
        make_private(path.parent)
        # Created here for its mode, since SQLite would use the umask; -wal and -shm inherit the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        if not is_own_log(path, ("secret",)):
            raise StateUnusable(
                f"the log {path.name}-wal doesn't belong to the local server's database {path}",
                hint=f"restore both together; or take it away: mv {shlex.quote(f'{path}-wal')} elsewhere",
            )
        return _connected(str(path))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CORRUPT
        if code & 0xFF in _NO_DATABASE:
            raise StateUnusable(f"{path}: not a local server database: {error}") from error
        raise _unwritable(path, str(error)) from error


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Turn errors from damaged rows into `StateUnusable`."""
    try:
        yield
    except (sqlite3.DatabaseError, TypeError, ValueError, OverflowError, LookupError) as error:
        raise StateUnusable(
            f"the local server's database {path} is damaged: {error}",
            hint=f"nothing in it is worth keeping: rm {shlex.quote(str(path))}*",
        ) from error


_NO_DATABASE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


def _connected(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # Without an fsync per commit, the last commits may be lost in a power failure, but never when the process is
    # killed, since the kernel has them in its cache. That is enough for a development server.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StateUnusable(f"the local server's database has version {version}; this wfdeploy knows {SCHEMA_VERSION}")
    if version == SCHEMA_VERSION:
        return
    with transaction(connection):
        for script in _VERSIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('server_id', ?)", (new_server_id(),))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the open transaction first."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything or nothing, also when the process is killed. Nothing is written outside a transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("UPDATE head SET value = value + 1 WHERE key = 'serial'")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def server_id(connection: sqlite3.Connection) -> str:
    """The random id of the database; clients compare it to recognise the server."""
    return str(connection.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchone()[0])
