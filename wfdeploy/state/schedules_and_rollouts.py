"""Store how far schedules and rollouts are, in tables of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, assert_never

from wfdeploy.model.address import Address

if TYPE_CHECKING:
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.edits import Decide, EndRollout, PutProgress, ReleaseRuns

    ProgressEdit: TypeAlias = Decide | PutProgress | ReleaseRuns | EndRollout

TABLES = (
    """CREATE TABLE schedules (
        name TEXT PRIMARY KEY,
        decided_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE rollouts (
        name TEXT PRIMARY KEY,
        step INTEGER NOT NULL,
        mode TEXT NOT NULL,
        approved INTEGER NOT NULL,
        open_since_ms INTEGER,
        started_at_ms INTEGER NOT NULL,
        tolerated INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE rollout_members (
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        PRIMARY KEY (name, address)
    ) STRICT, WITHOUT ROWID""",
)


def schedules(connection: sqlite3.Connection) -> Mapping[str, int]:
    """By recurring group: the time (Unix seconds) up to which it is decided."""
    return dict(connection.execute("SELECT name, decided_s FROM schedules ORDER BY name").fetchall())


def rollouts(connection: sqlite3.Connection) -> Mapping[str, RolloutProgress]:
    """Rollouts under way, by group."""
    from wfdeploy.model.blocking import RolloutMode, RolloutProgress

    rows = connection.execute(
        "SELECT name, step, mode, approved, open_since_ms, started_at_ms, tolerated, steps FROM rollouts ORDER BY name"
    ).fetchall()
    return {
        name: RolloutProgress(
            group=name,
            step=step,
            mode=RolloutMode(mode),
            approved=approved,
            open_since_ms=open_since_ms,
            started_at_ms=started_at_ms,
            tolerated=tolerated,
            steps=steps,
        )
        for name, step, mode, approved, open_since_ms, started_at_ms, tolerated, steps in rows
    }


def members(connection: sqlite3.Connection, group: str) -> Mapping[Address, str]:
    """The runs that a group's rollout has released, each with the fingerprint it had then."""
    rows = connection.execute("SELECT address, fingerprint FROM rollout_members WHERE name = ?", (group,))
    return {Address(address): fingerprint for address, fingerprint in rows}


def edit(connection: sqlite3.Connection, change: ProgressEdit) -> None:
    """Apply an edit."""
    from wfdeploy.model.edits import Decide, EndRollout, PutProgress, ReleaseRuns

    run = connection.execute
    match change:
        case Decide(group, until_s):
            run(
                "INSERT INTO schedules VALUES (?, ?) ON CONFLICT DO UPDATE SET decided_s = excluded.decided_s "
                "WHERE decided_s < excluded.decided_s",
                (group, until_s),
            )
        case PutProgress(progress):
            run(
                "INSERT INTO rollouts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET step = ?2, "
                "mode = ?3, approved = ?4, open_since_ms = ?5, started_at_ms = ?6, tolerated = ?7, steps = ?8 "
                "WHERE (step, mode, approved, open_since_ms, started_at_ms, tolerated, steps) "
                "IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    progress.group,
                    progress.step,
                    progress.mode.value,
                    progress.approved,
                    progress.open_since_ms,
                    progress.started_at_ms,
                    progress.tolerated,
                    progress.steps,
                ),
            )
        case ReleaseRuns(group, runs):
            connection.executemany(
                "INSERT INTO rollout_members VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET fingerprint = ?3 "
                "WHERE fingerprint IS NOT ?3",
                [(group, address, fingerprint) for address, fingerprint in runs],
            )
        case EndRollout(group):
            run("DELETE FROM rollouts WHERE name = ?", (group,))
            run("DELETE FROM rollout_members WHERE name = ?", (group,))
        case _:
            assert_never(change)


def rename(connection: sqlite3.Connection, origin: str, to: str) -> None:
    """Give the progress of a group another name. What is known under that name already stands."""
    run = connection.execute
    if run("SELECT 1 FROM rollouts WHERE name = ?", (to,)).fetchone() is None:
        run(
            "UPDATE OR REPLACE rollout_members SET name = ?2, address = "
            "iif(address LIKE ?1 || '/%', ?2 || substr(address, length(?1) + 1), address) WHERE name = ?1",
            (origin, to),
        )
    for table in ("schedules", "rollouts"):
        run(f"UPDATE OR IGNORE {table} SET name = ? WHERE name = ?", (to, origin))  # noqa: S608
    for table in ("schedules", "rollouts", "rollout_members"):
        run(f"DELETE FROM {table} WHERE name = ?", (origin,))  # noqa: S608
