"""A log in PostgreSQL: three tables in a schema, whose rows belong to a log by its prefix.

Each operation is one autocommitted statement. The connection is asked for with `target_session_attrs=read-write`, so
that a standby is never written to or read from, and commits are synchronous whatever the server's default says.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from wfdeploy.errors import StateError, StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Answer, Listed, Outcome, Stored
from wfdeploy.sharedlog.probe import probe

if TYPE_CHECKING:
    import psycopg

REQUEST_S = 10.0
"""How long one statement may take. The server gives up earlier, so that what it says is still heard."""

_PIECE_BYTES = 1024 * 1024

_TABLES = """
CREATE TABLE IF NOT EXISTS {schema}.entries (
    log text NOT NULL, number bigint NOT NULL, content bytea NOT NULL,
    digest bytea NOT NULL GENERATED ALWAYS AS (sha256(content)) STORED,
    PRIMARY KEY (log, number)
);
CREATE TABLE IF NOT EXISTS {schema}.snapshots (
    log text NOT NULL, number bigint NOT NULL, piece integer NOT NULL, content bytea NOT NULL,
    PRIMARY KEY (log, number, piece)
);
CREATE TABLE IF NOT EXISTS {schema}.registers (
    log text NOT NULL, name text NOT NULL, content bytea NOT NULL, version bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log, name)
);
"""
"""`registers`: the lease, the random part of the incarnation, and what is probed."""

_CREATE_ENTRY = """
INSERT INTO {schema}.entries (log, number, content) SELECT %(log)s, %(number)s, %(content)s
WHERE %(number)s = 0 OR EXISTS (
    SELECT FROM {schema}.entries WHERE log = %(log)s AND number = %(number)s - 1 AND digest = %(previous)s
)
ON CONFLICT DO NOTHING
"""

_CREATE_REGISTER = """
INSERT INTO {schema}.registers (log, name, content, version) VALUES (%(log)s, %(name)s, %(content)s, 1)
ON CONFLICT DO NOTHING
"""

_SWAP_REGISTER = """
UPDATE {schema}.registers SET content = %(content)s, version = version + 1, written_at = clock_timestamp()
WHERE log = %(log)s AND name = %(name)s AND version = %(version)s - 1
"""

_LEASE, _INCARNATION = "lease", "incarnation"


@dataclass(slots=True, kw_only=True)
class PostgresLog:
    """A `LogBackend` on PostgreSQL; its methods are documented there."""

    conninfo: str

    options: Mapping[str, str]
    """Connection parameters that are not in `conninfo`."""

    name: str

    schema: str

    prefix: str

    request_s: float = REQUEST_S

    _idle: list[Any] = field(init=False, default_factory=list)
    """Connections that nobody uses; one thread uses one at a time."""

    _guard: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", self.schema):
            raise StateUnusable(
                f"the schema in {self.name} can't be used", hint="it may have small letters, digits and underscores"
            )

    def prepare(self) -> None:
        with self._connection("create") as connection, connection.transaction():
            # Two that create a schema at once would both find it missing.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('wfdeploy'))")
            row = connection.execute(
                "SELECT to_regnamespace(%s), to_regclass(%s)", (self.schema, f"{self.schema}.registers")
            ).fetchone()
            assert row is not None
            if row[0] is None:  # `IF NOT EXISTS` needs the permission even where it exists
                connection.execute(self._sql("CREATE SCHEMA {schema}"))
            if row[1] is None:
                connection.execute(self._sql(_TABLES))
        self._create_register(_INCARNATION, secrets.token_hex(16).encode())

    def check(self) -> None:
        with self._connection("read") as connection:
            row = connection.execute("SELECT current_setting('fsync'), pg_is_in_recovery()").fetchone()
            assert row is not None
        if row[0] != "on":
            raise StateUnusable(
                f"the server of {self.name} runs with fsync = off, and forgets commits when it crashes",
                hint="set fsync = on in its configuration",
            )
        if row[1]:
            raise StateUnusable(f"the server of {self.name} is a standby", hint="name the primary")
        name = f"scratch {secrets.token_hex(16)}"
        try:
            probe(
                self.name,
                create=lambda content: self._create_register(name, content),
                swap=lambda content, version: self._swap_register(name, content, version),
                read=lambda: self._read_register(name),
            )
        finally:
            self._run("delete", "DELETE FROM {schema}.registers WHERE log = %(log)s AND name = %(name)s", name=name)

    def incarnation(self) -> str:
        mark = self._read_register(_INCARNATION)
        if mark is None:
            return ""
        ((system, timeline),) = self._rows(
            "read",
            "SELECT (SELECT system_identifier FROM pg_control_system()), "
            "left(pg_walfile_name(pg_current_wal_lsn()), 8)",  # a server that was restored or promoted has another
        )
        return f"{mark.content.decode()} {system} {timeline}"

    def now_ms(self) -> int:
        ((now,),) = self._rows("read", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(now)

    # --- entries ---------------------------------------------------------------------------------------------

    def create_entry(self, number: int, content: bytes, previous: str) -> Answer:
        values = {"number": number, "content": content, "previous": bytes.fromhex(previous)}
        try:
            if self._run("write", _CREATE_ENTRY, **values):
                return Answer(Outcome.WRITTEN, _version(content))
            # Nothing was written; why not is another question, and its answer as good as any later one.
            rows = self._rows(
                "read",
                "SELECT number, digest FROM {schema}.entries "
                "WHERE log = %(log)s AND number BETWEEN %(number)s - 1 AND %(number)s",
                number=number,
            )
        except StateUnreachable as error:
            return Answer(Outcome.UNDECIDED, reason=error.message)
        if number in dict(rows):
            return Answer(Outcome.REFUSED)
        if dict(rows).get(number - 1) == values["previous"]:
            return Answer(Outcome.UNDECIDED, reason="the entry before was written meanwhile")
        return Answer(Outcome.DETACHED)

    def list_entries(self, first: int, limit: int) -> Sequence[Listed]:
        rows = self._rows(
            "list",
            "SELECT number, length(content), digest FROM {schema}.entries "
            "WHERE log = %(log)s AND number >= %(first)s ORDER BY number LIMIT %(limit)s",
            first=first,
            limit=limit,
        )
        return [Listed(number, size, digest.hex()) for number, size, digest in rows]

    def read_entry(self, number: int) -> Stored | None:
        rows = self._rows(
            "read",
            "SELECT content, digest FROM {schema}.entries WHERE log = %(log)s AND number = %(number)s",
            number=number,
        )
        return next((Stored(content, digest.hex()) for content, digest in rows), None)

    def delete_entry(self, number: int) -> None:
        self._run("delete", "DELETE FROM {schema}.entries WHERE log = %(log)s AND number = %(number)s", number=number)

    # --- snapshots -------------------------------------------------------------------------------------------

    def create_snapshot(self, number: int, source: BinaryIO) -> Answer:
        insert = self._sql("INSERT INTO {schema}.snapshots (log, number, piece, content) VALUES (%s, %s, %s, %s)")
        import psycopg

        try:
            with self._connection("write") as connection, connection.transaction():
                piece = 0
                while (content := source.read(_PIECE_BYTES)) or piece == 0:
                    _begin(connection, self.request_s)
                    connection.execute(insert, (self.prefix, number, piece, content))
                    piece += 1
        except psycopg.errors.UniqueViolation:
            return Answer(Outcome.REFUSED)
        except StateUnreachable as error:
            return Answer(Outcome.UNDECIDED, reason=error.message)
        return Answer(Outcome.WRITTEN)

    def list_snapshots(self) -> Sequence[Listed]:
        rows = self._rows(
            "list",
            "SELECT number, sum(length(content)) FROM {schema}.snapshots WHERE log = %(log)s "
            "GROUP BY number ORDER BY number",
        )
        return [Listed(number, int(size), "") for number, size in rows]

    def read_snapshot(self, number: int, target: BinaryIO) -> bool:
        query = self._sql("SELECT content FROM {schema}.snapshots WHERE log = %s AND number = %s ORDER BY piece")
        found = False
        with (
            self._connection("read") as connection,
            connection.transaction(),
            # One statement, so that a snapshot that is deleted meanwhile is still read whole.
            connection.cursor("snapshot") as cursor,
        ):
            cursor.itersize = 1
            cursor.execute(query, (self.prefix, number))
            for (content,) in cursor:
                _begin(connection, self.request_s)
                target.write(content)
                found = True
        return found

    def delete_snapshot(self, number: int) -> None:
        self._run("delete", "DELETE FROM {schema}.snapshots WHERE log = %(log)s AND number = %(number)s", number=number)

    # --- the lease -------------------------------------------------------------------------------------------

    def read_lease(self) -> Stored | None:
        return self._read_register(_LEASE)

    def create_lease(self, content: bytes) -> Answer:
        return self._create_register(_LEASE, content)

    def swap_lease(self, content: bytes, version: str) -> Answer:
        return self._swap_register(_LEASE, content, version)

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # --- rows ------------------------------------------------------------------------------------------------

    def _create_register(self, name: str, content: bytes) -> Answer:
        return self._write(_CREATE_REGISTER, 1, name=name, content=content)

    def _swap_register(self, name: str, content: bytes, version: str) -> Answer:
        return self._write(_SWAP_REGISTER, int(version) + 1, name=name, content=content)

    def _read_register(self, name: str) -> Stored | None:
        rows = self._rows(
            "read",
            "SELECT content, version, (extract(epoch FROM written_at) * 1000)::bigint FROM {schema}.registers "
            "WHERE log = %(log)s AND name = %(name)s",
            name=name,
        )
        return next((Stored(content, str(version), int(at)) for content, version, at in rows), None)

    def _write(self, statement: str, version: int, **values: Any) -> Answer:
        """Run a statement that makes one row have this version, or changes nothing."""
        try:
            is_written = self._run("write", statement, version=version, **values)
        except StateUnreachable as error:
            return Answer(Outcome.UNDECIDED, reason=error.message)
        return Answer(Outcome.WRITTEN, str(version)) if is_written else Answer(Outcome.REFUSED)

    def _run(self, verb: str, statement: str, **values: Any) -> int:
        """Run a statement; the number of rows that it changed."""
        with self._connection(verb) as connection:
            return int(connection.execute(self._sql(statement), {"log": self.prefix, **values}).rowcount)

    def _rows(self, verb: str, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._connection(verb) as connection:
            cursor = connection.execute(self._sql(query), {"log": self.prefix, **values}, binary=True)
            return list(cursor.fetchall())

    def _sql(self, text: str) -> bytes:
        return text.replace("{schema}", f'"{self.schema}"').encode()

    # --- connections -----------------------------------------------------------------------------------------

    @contextmanager
    def _connection(self, verb: str) -> Iterator[Any]:
        """A connection for one operation. One that failed is not used again: what it would say next is unknown."""
        import psycopg

        try:
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
            _begin(connection, self.request_s)
            try:
                yield connection
                if connection.warning:
                    # An operator cancelled the wait for a standby: the commit is acknowledged, and may be lost.
                    raise psycopg.OperationalError(connection.warning)
            except BaseException:
                connection.close()
                raise
            with self._guard:
                self._idle.append(connection)
        except psycopg.errors.UniqueViolation:
            raise
        except psycopg.Error as error:
            raise _explain(self.name, verb, error) from None

    def _connect(self) -> Any:
        import psycopg

        connection = _timed_connection().connect(
            self.conninfo,
            **self.options,
            autocommit=True,
            application_name="wfdeploy",
            connect_timeout=max(2, int(self.request_s)),
            target_session_attrs="read-write",
            tcp_user_timeout=int(self.request_s * 1000),
            prepare_threshold=None,
        )
        connection.add_notice_handler(connection.note)
        try:
            _begin(connection, self.request_s)
            server_ms = int(self.request_s * 800)
            connection.execute(
                "SELECT set_config('statement_timeout', %(ms)s, false), set_config('lock_timeout', %(ms)s, false), "
                "set_config('idle_in_transaction_session_timeout', %(ms)s, false), "
                "CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN '' "
                "ELSE set_config('synchronous_commit', 'on', false) END",
                {"ms": str(server_ms)},
            )
        except psycopg.Error:
            connection.close()
            raise
        return connection


def _begin(connection: Any, request_s: float) -> None:
    connection.end = time.monotonic() + request_s


def _timed_connection() -> Any:
    """The class of a connection that stops waiting for the server when its time is over; psycopg's waits forever."""
    import psycopg

    class TimedConnection(psycopg.Connection[tuple[Any, ...]]):
        end = float("inf")
        warning = ""

        def note(self, notice: psycopg.errors.Diagnostic) -> None:
            if notice.severity_nonlocalized == "WARNING":
                self.warning = notice.message_primary or "a warning"

        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            return super().wait(self._until_end(gen), *args, **options)

        def _until_end(self, gen: Any) -> Generator[Any, Any, Any]:
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if time.monotonic() > self.end:
                        raise psycopg.OperationalError("the server gave no answer in time")
                    wanted = gen.send(ready)
            except StopIteration as done:
                return done.value

    return TimedConnection


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


def _version(content: bytes) -> str:
    from wfdeploy.model.shared_log import digest_of

    return digest_of(content)
