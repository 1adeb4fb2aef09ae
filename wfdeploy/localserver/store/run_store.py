"""Runs and their messages, in SQLite.

Methods that change something must run inside `transaction()`. Each touches a few rows, so they hardly block the event
loop.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wfdeploy.localserver import compact
from wfdeploy.localserver.store import database
from wfdeploy.localserver.store.records import (
    INHERITING,
    NOTHING,
    OUTGOING,
    RECORDED,
    DeliverySettings,
    DueMessage,
    Message,
    MessageKind,
    Recorded,
    RunRecord,
    RunState,
    new_message_id,
)

_RECORDED = f"({', '.join(repr(kind.value) for kind in RECORDED)})"


def _host(url: str) -> str:
    """The host of a URL, with the port if there is one."""
    return re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].lower()


def _path(url: str) -> str:
    """The path of a URL, without the query."""
    return "/" + re.split("[?#]", url.partition("://")[2].partition("/")[2], maxsplit=1)[0]


class RunStore:
    """The runs and messages of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.server_id = database.server_id(connection)
        # For the filters by parts of an endpoint's URL.
        connection.create_function("url_host", 1, _host, deterministic=True)
        connection.create_function("url_path", 1, _path, deterministic=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with database.transaction(self.connection):
            yield

    def _insert(self, table: str, **values: object) -> int:
        """Insert a row and return its seq."""
        marks = ", ".join("?" * len(values))
        cursor = self.connection.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - our own names
            tuple(values.values()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    # -- runs ---------------------------------------------------------------------------------------------------------

    def newest(self, tenant: str, run_id: str) -> tuple[int, str, int] | None:
        """(seq, state, created_at) of the last run accepted under this id."""
        row = self.connection.execute(
            "SELECT seq, state, created_at FROM runs WHERE tenant = ? AND run_id = ? ORDER BY created_at DESC LIMIT 1",
            (tenant, run_id),
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def add_run(
        self,
        *,
        tenant: str,
        run_id: str,
        url: str,
        state: RunState,
        created_at: int,
        starts_at: int,
        caller_ip: str,
        labels: tuple[str, ...],
        payload: bytes,
        settings: DeliverySettings,
    ) -> int:
        """Add a run and return its seq. The schema refuses a second run in progress with the same id."""
        seq = self._insert(
            "runs",
            tenant=tenant,
            run_id=run_id,
            url=url,
            state=state.value,
            created_at=created_at,
            starts_at=starts_at,
            completed_at=None if state is RunState.STARTED else created_at,
            caller_ip=caller_ip,
            labels=",".join(labels),
            flow_key=settings.flow_key,
            payload=payload,
            settings=settings.to_json(),
        )
        for label in labels:
            self.connection.execute("INSERT OR IGNORE INTO labels VALUES (?, ?, ?)", (tenant, label, seq))
        return seq

    def run(self, seq: int) -> RunRecord:
        return self._runs("seq = ?", seq)[0]

    def run_in_progress(self, tenant: str, run_id: str) -> RunRecord | None:
        found = self._runs("tenant = ? AND run_id = ? AND state = 'RUN_STARTED'", tenant, run_id)
        return found[0] if found else None

    def runs_of_id(self, run_id: str | None) -> list[RunRecord]:
        """Every run ever accepted, under an id or at all, in order of acceptance; of all tenants."""
        return self._runs("TRUE") if run_id is None else self._runs("run_id = ?", run_id)

    def _runs(self, where: str, *values: object) -> list[RunRecord]:
        rows = self.connection.execute(f"SELECT * FROM runs WHERE {where} ORDER BY seq", values)  # noqa: S608
        return [RunRecord.of(row) for row in rows]

    def end_run(
        self,
        seq: int,
        state: RunState,
        *,
        now_ms: int,
        response: str | None = None,
        failure: dict[str, Any] | None = None,
    ) -> bool:
        """End a run in progress: free its id and drop its undelivered messages. False if it had already ended."""
        changed = self.connection.execute(
            "UPDATE runs SET state = ?, completed_at = ?, response = ?, failure = ?"
            " WHERE seq = ? AND state = 'RUN_STARTED'",
            (state.value, now_ms, response, compact.dumps(failure) if failure else None, seq),
        ).rowcount
        if changed:
            self.connection.execute(
                "UPDATE messages SET state = 'dropped', done_at = ?"
                " WHERE run_seq = ? AND state IN ('pending', 'waiting')",
                (now_ms, seq),
            )
            if state is not RunState.FAILED:  # a failed run may be resumed and wait again
                self.connection.execute("DELETE FROM events WHERE run_seq = ?", (seq,))
        return bool(changed)

    def set_settings(self, run_seq: int, settings: DeliverySettings) -> None:
        self.connection.execute("UPDATE runs SET settings = ? WHERE seq = ?", (settings.to_json(), run_seq))

    def set_failure(self, run_seq: int, failure: dict[str, Any]) -> None:
        self.connection.execute("UPDATE runs SET failure = ? WHERE seq = ?", (compact.dumps(failure), run_seq))

    def latest_ms(self) -> int:
        """The latest time recorded by the server's clock; 0 in a new database."""
        row = self.connection.execute(
            "SELECT MAX(COALESCE((SELECT created_at FROM runs ORDER BY seq DESC LIMIT 1), 0),"
            " COALESCE((SELECT created_at FROM messages ORDER BY seq DESC LIMIT 1), 0),"
            " COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'stopped_at'), 0))"
        ).fetchone()
        return int(row[0])

    def note_stop(self, now_ms: int) -> None:
        """Record when the server stops. If its clock was ahead, the next server continues from this time."""
        with self.transaction():
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('stopped_at', ?)", (str(now_ms),))

    # -- messages -----------------------------------------------------------------------------------------------------

    def add_message(
        self,
        *,
        tenant: str,
        run_seq: int | None,
        kind: MessageKind,
        url: str,
        body: bytes,
        now_ms: int,
        due_ms: int | None = None,
        settings: DeliverySettings = NOTHING,
        step_key: str | None = None,
        event_id: str | None = None,
        flow_key: str | None = None,
        state: str = "pending",
    ) -> tuple[str, DueMessage]:
        """Add a message and return its id, and when to deliver it (by default now).

        Entries of a run are listed in the order of their addition.

        Raises: sqlite3.IntegrityError when the step is already recorded.
        """
        if flow_key is None:
            flow_key = settings.flow_key if kind in OUTGOING else None
            if flow_key is None and kind in INHERITING:
                flow_key = self.connection.execute("SELECT flow_key FROM runs WHERE seq = ?", (run_seq,)).fetchone()[0]
        due_ms = now_ms if due_ms is None else due_ms
        message_id = new_message_id()
        seq = self._insert(
            "messages",
            tenant=tenant,
            run_seq=run_seq,
            message_id=message_id,
            kind=kind.value,
            state=state,
            step_key=step_key,
            url=url,
            body=body,
            settings=settings.to_json(),
            created_at=now_ms,
            due_at=due_ms,
            event_id=event_id,
            flow_key=flow_key,
        )
        return message_id, DueMessage(due_ms, seq, tenant, flow_key)

    def repeat(
        self,
        message: Message,
        run_seq: int | None,
        *,
        now_ms: int,
        due_ms: int | None = None,
        settings: DeliverySettings | None = None,
        flow_key: str | None = None,
        state: str = "pending",
    ) -> DueMessage:
        """Add the message again, for this run."""
        _, due = self.add_message(
            tenant=message.tenant,
            run_seq=run_seq,
            kind=message.kind,
            url=message.url,
            body=message.body,
            now_ms=now_ms,
            due_ms=due_ms,
            settings=message.settings if settings is None else settings,
            step_key=message.step_key,
            event_id=message.event_id,
            flow_key=flow_key,
            state=state,
        )
        return due

    def accepted_since(self, tenant: str, since_ms: int) -> int:
        """The number of messages that a tenant's clients submitted: runs, steps, calls, and messages outside a run."""
        row = self.connection.execute(
            "SELECT COUNT(*) FROM messages"
            " WHERE tenant = ? AND created_at >= ? AND kind IN ('init', 'step', 'call', 'plain')",
            (tenant, since_ms),
        ).fetchone()
        return int(row[0])

    def message_of_step(self, run_seq: int, step_key: str) -> str | None:
        """The id of the message that recorded this step."""
        row = self.connection.execute(
            "SELECT message_id FROM messages WHERE run_seq = ? AND step_key = ?", (run_seq, step_key)
        ).fetchone()
        return None if row is None else str(row[0])

    def has_message(self, run_seq: int, message_id: str) -> bool:
        row = self.connection.execute(
            "SELECT 1 FROM messages WHERE run_seq = ? AND message_id = ?", (run_seq, message_id)
        ).fetchone()
        return row is not None

    def pending(self, seq: int) -> Message | None:
        """The message, unless it was already delivered or dropped."""
        found = self.messages("seq = ? AND state = 'pending'", seq)
        return found[0] if found else None

    def messages(self, where: str, *values: object) -> list[Message]:
        """The messages that meet a condition, in order."""
        rows = self.connection.execute(f"SELECT * FROM messages WHERE {where} ORDER BY seq", values)  # noqa: S608
        return [Message.of(row) for row in rows]

    def step_list(self, run_seq: int, *, up_to: int | None = None) -> list[Recorded]:
        """The recorded entries in order; with `up_to`, those up to that message.

        A delivery never carries later entries: the endpoint acts on the last one, and a parallel step that received its
        siblings' later entries would hang (observed with the SDKs).
        """
        rows = self.connection.execute(
            f"SELECT message_id, kind, body FROM messages WHERE run_seq = ? AND seq <= ? AND kind IN {_RECORDED}"  # noqa: S608
            " ORDER BY seq",
            (run_seq, up_to if up_to is not None else 2**62),
        )
        return [Recorded(message_id, MessageKind(kind), body) for message_id, kind, body in rows]

    def recorded_of_run(self, run_seq: int) -> list[Message]:
        """The messages of the whole step list."""
        return self.messages(f"run_seq = ? AND kind IN {_RECORDED}", run_seq)

    def shown_of_run(self, run_seq: int) -> list[Message]:
        """The messages that the logs show: all but failure callbacks, in order."""
        return self.messages("run_seq = ? AND kind <> ?", run_seq, MessageKind.FAILURE.value)

    def failure_callback(self, run_seq: int) -> Message | None:
        """The newest failure callback of a failed run, in any state."""
        found = self.messages("run_seq = ? AND kind = ?", run_seq, MessageKind.FAILURE.value)
        return found[-1] if found else None

    def waits_dropped(self, run_seq: int) -> list[Message]:
        """The waits of a run when it ended: for events, and for the ends of invoked runs."""
        return self.messages("run_seq = ? AND kind IN ('wait', 'invoke') AND state = 'dropped'", run_seq)

    def settle(self, seq: int, state: str, *, now_ms: int, errors: list[dict[str, Any]] | None = None) -> bool:
        """Mark a message as `delivered` or `failed`. False if it was dropped meanwhile; it stays dropped."""
        cursor = self.connection.execute(
            "UPDATE messages SET state = ?, done_at = ?, errors = COALESCE(?, errors)"
            " WHERE seq = ? AND state = 'pending'",
            (state, now_ms, None if errors is None else compact.dumps(errors), seq),
        )
        return cursor.rowcount > 0

    def redeliver(self, message: Message, *, now_ms: int) -> DueMessage:
        """Deliver a message again at once. This is no retry: it counts as the same attempt."""
        self.connection.execute(
            "UPDATE messages SET due_at = ? WHERE seq = ? AND state = 'pending'", (now_ms, message.seq)
        )
        return DueMessage(now_ms, message.seq, message.tenant, message.flow_key)

    def retry(self, message: Message, *, due_ms: int, errors: list[dict[str, Any]]) -> DueMessage:
        """Try a message again later."""
        self.connection.execute(
            "UPDATE messages SET due_at = ?, retried = ?, errors = ? WHERE seq = ? AND state = 'pending'",
            (due_ms, message.retried + 1, compact.dumps(errors), message.seq),
        )
        return DueMessage(due_ms, message.seq, message.tenant, message.flow_key)
