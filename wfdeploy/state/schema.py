"""The tables of the SQLite state, and the migrations of older files.

- `records` holds little more than every plan reads of every run. It is clustered by address (`WITHOUT ROWID`): a plan
  walks it beside the manifests in one order.
- `details` holds the rest of a record, under a number, since it is written for every run and read for few. The ends
  that the requests of many runs share are in `request_ends`, once; who triggered the runs is in `actors`.
- `attempts` are few: those with an open outcome, and those refused. The intents of a pending batch are one row of
  `flights` (`pending_batches.py`), and become rows of `attempts` when there is more to say about one of them.
- `details_by_state` and `details_unobserved` find the runs that aren't known to have succeeded.
- `tallies` sums up the records of each group, so that a plan skips groups in which nothing changed. They follow
  `records` within each transaction; whoever edits `records` by other means must empty `tallies` too.
- `schedules`, `rollouts` and `rollout_members` hold how far these are (`schedules_and_rollouts.py`).
- `notifications` holds those that webhooks still have to get, `notified` what was notified of (`notifications.py`).
- `history` holds former records; `burned` holds tombstones: used generations that no other row tells; `unclaimed` holds
  the runs that the server listed for this project and that belong to no known address, each with the new address that
  the user confirmed not to be it.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import groupby

from wfdeploy.model.address import group_of
from wfdeploy.model.run import Tally, term
from wfdeploy.state import VERSION, notifications, pending_batches, schedules_and_rollouts
from wfdeploy.state.bulk import Texts
from wfdeploy.state.rows import attempt_from

APPLICATION_ID = 0x77666470
"""`wfdp` in the file's header (SQLite documentation: PRAGMA application_id): tells our files from other programs'."""

_NOT_SUCCEEDED = "run_state IS NOT 'RUN_SUCCESS'"

INDEXED_BY_STATE = "run_state <> 'RUN_SUCCESS'"
"""What `details_by_state` holds. A query that is to use it must repeat these very words."""

_VERSION_1 = (
    """CREATE TABLE head (
        key TEXT PRIMARY KEY,
        value ANY
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE records (
        address TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        workflow_run_id TEXT NOT NULL,
        delivery TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE details (
        address TEXT PRIMARY KEY,
        origin TEXT NOT NULL,
        created_at_ms INTEGER,
        recorded_at_ms INTEGER NOT NULL,
        by_id INTEGER NOT NULL,
        source TEXT NOT NULL,
        request TEXT NOT NULL,
        run_state TEXT,
        observed_at_ms INTEGER
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE attempts (
        address TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        ended TEXT NOT NULL,
        ended_at_ms INTEGER NOT NULL,
        value TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX history_by_address ON history (address, fingerprint, generation)",
    """CREATE TABLE burned (
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        PRIMARY KEY (address, fingerprint)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE unclaimed (
        workflow_run_id TEXT PRIMARY KEY,
        created_at_ms INTEGER NOT NULL,
        run_state TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE groups (
        name TEXT PRIMARY KEY,
        on_remove TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE actors (
        id INTEGER PRIMARY KEY,
        value TEXT NOT NULL UNIQUE
    ) STRICT""",
)


def _version_1(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_1:
        connection.execute(statement)


def _version_2(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE tallies (
            name TEXT PRIMARY KEY,
            count INTEGER NOT NULL,
            total BLOB NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )
    rows = connection.execute("SELECT address, fingerprint, delivery FROM records ORDER BY address")
    for name, members in groupby(rows, lambda row: group_of(row[0])):
        tally = Tally.of(term(*row) for row in members)
        connection.execute("INSERT INTO tallies VALUES (?, ?, ?)", (name, tally.count, tally.to_bytes()))


def _version_3(connection: sqlite3.Connection) -> None:
    # Attempts come and go by the thousand: as columns they are written without being encoded.
    attempts = [attempt_from(json.loads(value)) for (value,) in connection.execute("SELECT value FROM attempts")]
    connection.execute("DROP TABLE attempts")
    connection.execute(
        """CREATE TABLE attempts (
            address TEXT PRIMARY KEY,
            delay_s INTEGER,
            delivery TEXT NOT NULL,
            ended_at_ms INTEGER,
            error TEXT,
            explicit_id INTEGER NOT NULL,
            fingerprint TEXT NOT NULL,
            generation INTEGER NOT NULL,
            inconclusive INTEGER NOT NULL,
            intent_at_ms INTEGER NOT NULL,
            not_before_s INTEGER,
            request TEXT NOT NULL,
            resend INTEGER NOT NULL,
            since_ms INTEGER,
            source TEXT NOT NULL,
            workflow_run_id TEXT NOT NULL,
            status TEXT NOT NULL,
            by_id INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )
    actors = Texts(connection, "actors")
    connection.executemany(
        "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(each.address, each.delay_s, each.delivery, each.ended_at_ms, each.error, each.explicit_id),
                *(each.fingerprint, each.generation, each.inconclusive, each.intent_at_ms, each.not_before_s),
                *(each.request, each.resend, each.since_ms, each.source, each.workflow_run_id, each.status.value),
                actors.id_of(each.by),
            )
            for each in attempts
        ],
    )


def _version_4(connection: sqlite3.Connection) -> None:
    for table, column in (
        ("details", "tries INTEGER NOT NULL DEFAULT 0"),
        ("details", "completed_at_ms INTEGER"),
        ("details", "dlq_id TEXT"),
        ("details", "handled INTEGER NOT NULL DEFAULT 0"),
        ("details", "triggered_id TEXT NOT NULL DEFAULT ''"),
        ("attempts", "tries INTEGER NOT NULL DEFAULT 0"),
        ("attempts", "dlq_id TEXT"),
        ("attempts", "triggered_id TEXT NOT NULL DEFAULT ''"),
        ("unclaimed", "label TEXT"),
    ):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    connection.execute(f"CREATE INDEX details_by_state ON details (run_state, address) WHERE {_NOT_SUCCEEDED}")


def _version_5(connection: sqlite3.Connection) -> None:
    for statement in schedules_and_rollouts.TABLES:
        connection.execute(statement)


def _version_6(connection: sqlite3.Connection) -> None:
    run = connection.execute
    run("CREATE TABLE request_ends (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE) STRICT")
    run(pending_batches.TABLE)
    # Numbered, so that rows are appended whatever their addresses: looking for a place by a random key in a large table
    # takes longer than writing there.
    run("ALTER TABLE records RENAME TO records_5")
    run("ALTER TABLE details RENAME TO details_5")
    run(
        """CREATE TABLE records (
            address TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            generation INTEGER NOT NULL,
            workflow_run_id TEXT NOT NULL,
            delivery TEXT NOT NULL,
            details_id INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )
    run(
        """CREATE TABLE details (
            id INTEGER PRIMARY KEY,
            address TEXT NOT NULL,
            origin TEXT NOT NULL,
            created_at_ms INTEGER,
            recorded_at_ms INTEGER NOT NULL,
            by_id INTEGER NOT NULL,
            source TEXT NOT NULL,
            request TEXT NOT NULL,
            end_id INTEGER,
            tries INTEGER NOT NULL,
            triggered_id TEXT NOT NULL,
            run_state TEXT,
            observed_at_ms INTEGER,
            completed_at_ms INTEGER,
            dlq_id TEXT,
            handled INTEGER NOT NULL DEFAULT 0
        ) STRICT"""
    )
    run(
        "INSERT INTO records SELECT address, fingerprint, generation, workflow_run_id, delivery, "
        "row_number() OVER (ORDER BY address) FROM records_5"
    )
    run(
        "INSERT INTO details SELECT r.details_id, address, d.origin, d.created_at_ms, d.recorded_at_ms, d.by_id, "
        "d.source, d.request, NULL, d.tries, d.triggered_id, d.run_state, d.observed_at_ms, d.completed_at_ms, "
        "d.dlq_id, d.handled FROM records r JOIN details_5 d USING (address) ORDER BY address"
    )
    run("DROP TABLE records_5")
    run("DROP TABLE details_5")
    run(f"CREATE INDEX details_by_state ON details (run_state, address) WHERE {INDEXED_BY_STATE}")
    run("CREATE INDEX details_unobserved ON details (run_state) WHERE run_state IS NULL")


def _version_7(connection: sqlite3.Connection) -> None:
    # Another runner had been seen, no later than by the last listing.
    connection.execute(
        "INSERT INTO head SELECT 'foreign_ms', w.value FROM head s, head w "
        "WHERE s.key = 'shared' AND s.value = 1 AND w.key = 'watermark_ms'"
    )
    connection.execute("DELETE FROM head WHERE key = 'shared'")


def _version_8(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE unclaimed ADD COLUMN dismissed_for TEXT")


def _version_9(connection: sqlite3.Connection) -> None:
    # The times were this machine's: the next apply fixes them anew, in the server's time.
    connection.execute("UPDATE attempts SET ended_at_ms = NULL")


def _version_10(connection: sqlite3.Connection) -> None:
    # An author's id may be that of one run after the other.
    run = connection.execute
    run(
        """CREATE TABLE unclaimed_10 (
            workflow_run_id TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL,
            run_state TEXT NOT NULL,
            label TEXT,
            dismissed_for TEXT,
            PRIMARY KEY (workflow_run_id, created_at_ms)
        ) STRICT, WITHOUT ROWID"""
    )
    run(
        "INSERT INTO unclaimed_10 SELECT workflow_run_id, created_at_ms, run_state, label, dismissed_for FROM unclaimed"
    )
    run("DROP TABLE unclaimed")
    run("ALTER TABLE unclaimed_10 RENAME TO unclaimed")


def _version_11(connection: sqlite3.Connection) -> None:
    # Which steps a rollout went by isn't known: the next apply writes down those of the manifest.
    connection.execute("ALTER TABLE rollouts ADD COLUMN steps TEXT NOT NULL DEFAULT ''")


def _version_12(connection: sqlite3.Connection) -> None:
    for statement in notifications.TABLES:
        connection.execute(statement)


_MIGRATIONS = (
    _version_1,
    _version_2,
    _version_3,
    _version_4,
    _version_5,
    _version_6,
    _version_7,
    _version_8,
    _version_9,
    _version_10,
    _version_11,
    _version_12,
)
"""Element n migrates version n to version n + 1. A released migration never changes."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Migrate a file of `version` (0: empty) to `VERSION`, within the caller's transaction."""
    for step in _MIGRATIONS[version:]:
        step(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
