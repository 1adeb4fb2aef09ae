"""Connections to PostgreSQL for a shared log: their waits end, and what they say is told in our words.

They ask for `target_session_attrs=read-write`, so that a standby is never written to or read from, and commits are
synchronous whatever the server's default says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from wfdeploy.errors import StateError, StateUnreachable, StateUnusable, UsageError

_MOST_IDLE = 4


class TimedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that stops waiting when nothing has come or gone for a time; psycopg's waits forever."""

    pause_s = float("inf")
    warning = ""

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warning = notice.message_primary or "a warning"

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        return super().wait(self._until_end(gen), *args, **options)

    def _until_end(self, gen: Any) -> Generator[Any, Any, Any]:
        end = time.monotonic() + self.pause_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    end = time.monotonic() + self.pause_s
                elif time.monotonic() > end:
                    raise psycopg.OperationalError("the server gave no answer in time")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


@dataclass(slots=True, kw_only=True)
class PostgresConnections:
    """Connections to one database. Any thread may ask for one; one thread uses one at a time."""

    conninfo: str

    options: Mapping[str, str]
    """Connection parameters that are not in `conninfo`."""

    name: str
    """The URL without secrets."""

    request_s: float
    """How long the server may be silent. It aborts statements earlier, so that its answer is still heard."""

    _idle: list[TimedConnection] = field(init=False, default_factory=list)

    _guard: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        try:
            conninfo_to_dict(self.conninfo, **self.options)
        except psycopg.Error as error:
            raise UsageError(f"the URL {self.name} can't be read: {str(error).strip()}") from None

    @contextmanager
    def one(self, verb: str) -> Iterator[TimedConnection]:
        """A connection for one operation. One that failed is not used again: what it would say next is unknown.

        verb: of the operation, for messages.
        Raises: `StateUnreachable`, also where a lost answer leaves open what was done; `StateUnusable`.
        """
        try:
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
            try:
                yield connection
                if connection.warning:
                    # An operator cancelled the wait for a standby: the commit is acknowledged, and may be lost.
                    raise psycopg.OperationalError(connection.warning)
            except BaseException:
                connection.close()
                raise
            with self._guard:
                if is_kept := len(self._idle) < _MOST_IDLE:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()
        except psycopg.errors.UniqueViolation:
            raise
        except psycopg.Error as error:
            raise _explain(self.name, verb, error) from None

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self) -> TimedConnection:
        given: dict[str, Any] = dict(self.options)
        connection = TimedConnection.connect(
            self.conninfo,
            **given,
            autocommit=True,
            application_name="wfdeploy",
            connect_timeout=max(2, int(self.request_s)),
            target_session_attrs="read-write",
            tcp_user_timeout=int(self.request_s * 1000),
            prepare_threshold=None,
        )
        connection.add_notice_handler(connection.note)
        connection.pause_s = self.request_s
        try:
            connection.execute(
                "SELECT set_config('lock_timeout', %(lock)s, false), "
                "set_config('statement_timeout', %(statement)s, false), "
                "set_config('idle_in_transaction_session_timeout', %(statement)s, false), "
                "CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN '' "
                "ELSE set_config('synchronous_commit', 'on', false) END",
                {"lock": str(int(self.request_s * 600)), "statement": str(int(self.request_s * 800))},
            )
        except psycopg.Error:
            connection.close()
            raise
        return connection


def _explain(name: str, verb: str, error: psycopg.Error) -> StateError:
    what = f"cannot {verb} the shared state {name}"
    said = " ".join((error.diag.message_primary or str(error)).split())[:300]
    state = error.sqlstate or ""
    match state[:2], state:
        case _, "42P01" | "3F000":
            return StateUnusable(
                f"{what}: its tables are not there ({said})",
                hint="create it: wfdeploy state init; if it was there before, the tables were dropped: restore them",
            )
        case _, "3D000":
            return StateUnusable(f"{what}: {said}", hint="correct the URL, or create the database")
        case _, "42501" | "28000" | "28P01":
            return StateUnusable(
                f"{what}: permission denied ({said})",
                hint="set PGUSER and PGPASSWORD, or a password file; the role needs SELECT, INSERT, UPDATE and DELETE "
                "on the tables, and CREATE on the database for `state init`",
            )
        case _, "25006":
            return StateUnusable(f"{what}: {said}", hint="name the primary, and a role that may write")
        case "53", _:
            return StateUnreachable(f"{what}: the server is full ({said})", hint="free some space or connections")
        case "42" | "22" | "0A", _:
            return StateUnusable(f"{what}: {said}", hint="a shared state needs PostgreSQL 12 or newer")
    return _explain_connecting(what, said)


def _explain_connecting(what: str, said: str) -> StateError:
    """An error of the connection, or one that has passed when tried again (a lock, a shutdown)."""
    for words, hint in (
        ("password authentication failed", "set PGUSER and PGPASSWORD, or a password file"),
        ("no password supplied", "set PGPASSWORD, or a password file"),
        ("no pg_hba.conf entry", "the server must allow this role to connect from here"),
        ("session is read-only", "name the primary, and a role that may write"),
        ("does not exist", "correct the URL, or create the database and the role"),
    ):
        if words in said:
            return StateUnusable(f"{what}: {said}", hint=hint)
    return StateUnreachable(f"{what}: {said}", hint="check the network, and the host in the URL")
