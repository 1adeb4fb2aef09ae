"""Store notifications that are to be delivered, and what was notified of, in tables of their own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeAlias, assert_never

if TYPE_CHECKING:
    from wfdeploy.model.edits import DropMarks, RaiseNotification, RecordDelivery
    from wfdeploy.model.notification import Notification, NotificationKind

    NotificationEdit: TypeAlias = RaiseNotification | RecordDelivery | DropMarks

TABLES = (
    """CREATE TABLE notifications (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        facts TEXT NOT NULL,
        raised_at_ms INTEGER NOT NULL,
        webhooks TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE notified (
        kind TEXT NOT NULL,
        mark TEXT NOT NULL,
        PRIMARY KEY (kind, mark)
    ) STRICT, WITHOUT ROWID""",
)


def pending(connection: sqlite3.Connection) -> Sequence[Notification]:
    """Notifications that some webhook still has to get, oldest first, and of one moment by what they are about."""
    from wfdeploy.model.notification import Notification, NotificationKind

    rows = connection.execute(
        "SELECT id, kind, name, facts, raised_at_ms, webhooks FROM notifications ORDER BY raised_at_ms, kind, name, id"
    ).fetchall()
    return [
        Notification(
            id=id_,
            kind=NotificationKind(kind),
            group=name,
            facts=facts,
            raised_at_ms=raised_at_ms,
            webhooks=tuple(webhooks.split(",")),
        )
        for id_, kind, name, facts, raised_at_ms, webhooks in rows
    ]


def marks(connection: sqlite3.Connection, kind: NotificationKind) -> Collection[str]:
    """What was notified of."""
    return {mark for (mark,) in connection.execute("SELECT mark FROM notified WHERE kind = ?", (kind.value,))}


def edit(connection: sqlite3.Connection, change: NotificationEdit) -> None:
    """Apply an edit."""
    from wfdeploy.model.edits import DropMarks, RaiseNotification, RecordDelivery

    run = connection.execute
    match change:
        case RaiseNotification(notification, new):
            one = notification
            if one.webhooks:
                run(
                    "INSERT INTO notifications VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (one.id, one.kind.value, one.group, one.facts, one.raised_at_ms, ",".join(one.webhooks)),
                )
            connection.executemany(
                "INSERT INTO notified VALUES (?, ?) ON CONFLICT DO NOTHING", [(one.kind.value, mark) for mark in new]
            )
        case RecordDelivery(id_, webhook):
            row = run("SELECT webhooks FROM notifications WHERE id = ?", (id_,)).fetchone()
            left = [] if row is None else [name for name in row[0].split(",") if name != webhook]
            if left:
                text = ",".join(left)
                run("UPDATE notifications SET webhooks = ?1 WHERE id = ?2 AND webhooks IS NOT ?1", (text, id_))
            else:
                run("DELETE FROM notifications WHERE id = ?", (id_,))
        case DropMarks(kind, old):
            run(
                "DELETE FROM notified WHERE kind = ? AND mark IN (SELECT value FROM json_each(?))",
                (kind.value, json.dumps(list(old))),
            )
        case _:
            assert_never(change)
