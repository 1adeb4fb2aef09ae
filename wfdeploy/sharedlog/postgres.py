"""A log in PostgreSQL: three tables in a schema, whose rows belong to a log by its prefix.

Each operation is one autocommitted statement, but for the pieces of a snapshot.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import psycopg

from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Listed, Stored, WriteAnswer, WriteOutcome, digest_of
from wfdeploy.sharedlog.postgres_connections import PostgresConnections
from wfdeploy.sharedlog.probe import probe, require_decided

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
    log text NOT NULL, name text NOT NULL, content bytea NOT NULL,
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
INSERT INTO {schema}.registers (log, name, content) VALUES (%(log)s, %(name)s, %(content)s)
ON CONFLICT DO NOTHING
"""

_SWAP_REGISTER = """
UPDATE {schema}.registers SET content = %(content)s, written_at = clock_timestamp()
WHERE log = %(log)s AND name = %(name)s AND encode(sha256(content), 'hex') = %(version)s
"""
"""The version is the digest, and no count: after a table was made anew, counts would come again."""

_LEASE, _INCARNATION = "lease", "incarnation"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLog:
    """A `LogBackend` on PostgreSQL; its methods are documented there."""

    connections: PostgresConnections

    schema: str

    prefix: str

    @property
    def name(self) -> str:
        return self.connections.name

    def prepare(self) -> None:
        with self.connections.one("create") as connection, connection.transaction():
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
        require_decided(self.name, self._create_register(_INCARNATION, secrets.token_hex(16).encode()))

    def check(self) -> None:
        with self.connections.one("read") as connection:
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
                at_once=2,  # each takes a connection, and a primary key is not in doubt
            )
        finally:
            self._run("delete", "DELETE FROM {schema}.registers WHERE log = %(log)s AND name = %(name)s", name=name)

    def warnings(self) -> Sequence[tuple[str, str]]:
        return ()

    def incarnation(self) -> str:
        mark = self._read_register(_INCARNATION)
        if mark is None:
            return ""
        try:
            # A server that was promoted, or restored from its log, has another timeline.
            ((server,),) = self._rows(
                "read",
                "SELECT system_identifier || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8) "
                "FROM pg_control_system()",
            )
        except StateUnusable:  # the provider keeps this from its customers
            return mark.content.decode()
        return f"{mark.content.decode()} {server}"

    def now_ms(self) -> int:
        ((now,),) = self._rows("read", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(now)

    # --- entries ---------------------------------------------------------------------------------------------

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        values = {"number": number, "content": content, "previous": bytes.fromhex(previous)}
        try:
            if self._run("write", _CREATE_ENTRY, **values):
                return WriteAnswer(WriteOutcome.WRITTEN, digest_of(content))
            # Nothing was written; why not is another question, and its answer as good as any later one.
            rows = self._rows(
                "read",
                "SELECT number, digest FROM {schema}.entries "
                "WHERE log = %(log)s AND number BETWEEN %(number)s - 1 AND %(number)s",
                number=number,
            )
        except StateUnreachable as error:
            return WriteAnswer(WriteOutcome.UNDECIDED, reason=error.message)
        if number in dict(rows):
            return WriteAnswer(WriteOutcome.REFUSED)
        if dict(rows).get(number - 1) == values["previous"]:
            return WriteAnswer(WriteOutcome.UNDECIDED, reason="the entry before was written meanwhile")
        return WriteAnswer(WriteOutcome.DETACHED)

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

    def create_snapshot(self, number: int, source: BinaryIO) -> WriteAnswer:
        insert = self._sql("INSERT INTO {schema}.snapshots (log, number, piece, content) VALUES (%s, %s, %s, %s)")
        try:
            with self.connections.one("write") as connection, connection.transaction():
                piece = 0
                while (content := source.read(_PIECE_BYTES)) or piece == 0:
                    connection.execute(insert, (self.prefix, number, piece, content))
                    piece += 1
        except psycopg.errors.UniqueViolation:
            return WriteAnswer(WriteOutcome.REFUSED)
        except StateUnreachable as error:
            return WriteAnswer(WriteOutcome.UNDECIDED, reason=error.message)
        return WriteAnswer(WriteOutcome.WRITTEN)

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
            ExitStack() as afterwards,
            self.connections.one("read") as connection,
            connection.transaction(),
            # One statement, so that a snapshot that is deleted meanwhile is still read whole.
            connection.cursor("snapshot") as cursor,
        ):
            afterwards.callback(cursor.close)  # its own attempt is not finished where the connection breaks
            cursor.itersize = 1
            cursor.execute(query, (self.prefix, number))
            for (content,) in cursor:
                target.write(content)
                found = True
        return found

    def delete_snapshot(self, number: int) -> None:
        self._run("delete", "DELETE FROM {schema}.snapshots WHERE log = %(log)s AND number = %(number)s", number=number)

    # --- the lease -------------------------------------------------------------------------------------------

    def read_lease(self) -> Stored | None:
        return self._read_register(_LEASE)

    def create_lease(self, content: bytes) -> WriteAnswer:
        return self._create_register(_LEASE, content)

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        return self._swap_register(_LEASE, content, version)

    def close(self) -> None:
        self.connections.close()

    # --- rows ------------------------------------------------------------------------------------------------

    def _create_register(self, name: str, content: bytes) -> WriteAnswer:
        return self._write(_CREATE_REGISTER, name=name, content=content)

    def _swap_register(self, name: str, content: bytes, version: str) -> WriteAnswer:
        return self._write(_SWAP_REGISTER, name=name, content=content, version=version)

    def _read_register(self, name: str) -> Stored | None:
        rows = self._rows(
            "read",
            "SELECT content, (extract(epoch FROM written_at) * 1000)::bigint FROM {schema}.registers "
            "WHERE log = %(log)s AND name = %(name)s",
            name=name,
        )
        return next((Stored(content, digest_of(content), int(at)) for content, at in rows), None)

    def _write(self, statement: str, *, content: bytes, **values: Any) -> WriteAnswer:
        """Run a statement that makes one row have this content, or changes nothing."""
        try:
            is_written = self._run("write", statement, content=content, **values)
        except StateUnreachable as error:
            return WriteAnswer(WriteOutcome.UNDECIDED, reason=error.message)
        return (
            WriteAnswer(WriteOutcome.WRITTEN, digest_of(content)) if is_written else WriteAnswer(WriteOutcome.REFUSED)
        )

    def _run(self, verb: str, statement: str, **values: Any) -> int:
        """Run a statement; the number of rows that it changed."""
        with self.connections.one(verb) as connection:
            return int(connection.execute(self._sql(statement), {"log": self.prefix, **values}).rowcount)

    def _rows(self, verb: str, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.connections.one(verb) as connection:
            cursor = connection.execute(self._sql(query), {"log": self.prefix, **values}, binary=True)
            return list(cursor.fetchall())

    def _sql(self, text: str) -> bytes:
        return text.replace("{schema}", f'"{self.schema}"').encode()
