"""What people are told when a place can't be used: what happened, where, and the way out; no secret ever."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.sharedlog.servers import AZURE_KEY, PASSWORD, SERVERS, Place, free_port, postgres, s3
from wfdeploy.errors import ExitCode, StateError, StateUnreachable, StateUnusable
from wfdeploy.log_ports import LogBackend
from wfdeploy.model.shared_log import WriteAnswer, WriteOutcome, Written, digest_of
from wfdeploy.sharedlog.log import DecidedLog
from wfdeploy.sharedlog.opening import open_backend


def attempts(backend: LogBackend) -> list[Callable[[], object]]:
    return [
        lambda: backend.create_entry(0, b"x", ""),
        lambda: backend.read_entry(0),
        lambda: backend.list_entries(0, 10),
        lambda: backend.delete_entry(0),
        backend.list_snapshots,
        backend.read_lease,
        lambda: backend.create_lease(b"x"),
        lambda: backend.swap_lease(b"x", "7 7" if backend.name.startswith("gs:") else "7"),
        backend.incarnation,
    ]


def refusal(attempt: Callable[[], object]) -> StateError:
    with pytest.raises(StateError) as caught:
        attempt()
    error = caught.value
    assert error.exit_code is ExitCode.STATE
    assert error.hint
    for text in (error.message, error.hint):
        assert PASSWORD not in text
        assert AZURE_KEY not in text
        assert "Debug source" not in text
        assert len(text) < 600
    return error


def outcome(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except StateError as error:
        return error


def open_at(place: Place, url: str, **environ: str) -> LogBackend:
    return open_backend(url, {**os.environ, **place.environ, **environ}, request_s=2.0)


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_nobody_listens_there(place: Place) -> None:
    backend = place.open(port=free_port(), request_s=2.0)
    for attempt in attempts(backend):
        answer = outcome(attempt)
        if isinstance(answer, StateUnreachable):
            assert answer.message.startswith(("cannot read", "cannot list", "cannot delete"))
            assert "check the network" in str(answer.hint)
        else:
            assert isinstance(answer, WriteAnswer)
            assert answer.outcome is WriteOutcome.UNDECIDED


@pytest.mark.parametrize(("kind", "noun"), [("s3", "bucket"), ("azure", "container"), ("gcs", "bucket")])
def test_a_bucket_that_is_not_there(places: Callable[[str], Place], kind: str, noun: str) -> None:
    place = places(kind)
    backend = open_at(place, place.url_of("acme").replace("://bucket/", "://buckets/"))
    everything = attempts(backend)
    if kind == "s3":
        del everything[7]  # to moto, what a swap would replace is missing; S3 looks for the bucket first
    for attempt in everything:
        error = refusal(attempt)
        assert isinstance(error, StateUnusable)
        assert f"there is no {noun} buckets" in error.message
        assert "://buckets/acme" in error.message


def test_a_key_that_is_wrong(places: Callable[[str], Place]) -> None:
    place = places("azure")
    backend = open_at(place, place.url_of("acme"), AZURE_STORAGE_ACCOUNT_KEY="AAAA")
    for attempt in attempts(backend):
        error = refusal(attempt)
        assert "permission denied (HTTP 403" in error.message
        assert "Storage Blob Data Contributor" in str(error.hint)


def test_a_store_that_ignores_conditions() -> None:
    with s3(conditions=False) as place:
        error = refusal(place.open().check)
    assert "writers were told that they had created the same object" in error.message


# --- PostgreSQL -------------------------------------------------------------------------------------------------


@pytest.fixture
def database(places: Callable[[str], Place]) -> tuple[Place, Callable[[str], None]]:
    """A database of its own, and SQL as its owner."""
    import psycopg

    place, name = places("postgres"), f"db_{secrets.token_hex(6)}"
    everything = place.url_of("").partition("?")[0]
    with psycopg.connect(everything, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = place.url.replace("/postgres?", f"/{name}?")
    own = Place(kind=place.kind, port=place.port, url=url)

    def run(statement: str) -> None:
        with psycopg.connect(own.url_of("").partition("?")[0], autocommit=True) as connection:
            connection.execute(statement.encode())

    return own, run


def opened(place: Place, user: str = "", **options: Any) -> LogBackend:
    url = place.url_of("acme").replace("tester:", f"{user}:") if user else place.url_of("acme")
    return open_backend(url, {}, **{"request_s": 2.0, **options})


def test_tables_that_are_not_there_or_were_dropped(database: tuple[Place, Callable[[str], None]]) -> None:
    place, run = database
    backend = opened(place)
    try:
        for attempt in attempts(backend):
            error = refusal(attempt)
            assert "its tables are not there" in error.message
            assert "wfdeploy state init" in str(error.hint)
        backend.prepare()
        incarnation = backend.incarnation()
        assert backend.create_entry(0, b"x", "").outcome is WriteOutcome.WRITTEN
        version = backend.create_lease(b"1").version
        run("DROP TABLE wfdeploy.entries")
        backend.prepare()  # a table alone is not made again: it would look like an empty log
        assert "its tables are not there" in refusal(lambda: backend.create_entry(1, b"y", "00")).message
        run("DROP SCHEMA wfdeploy CASCADE")
        backend.prepare()
        assert backend.incarnation() != incarnation
        backend.create_lease(b"2")
        assert backend.swap_lease(b"3", version).outcome is WriteOutcome.REFUSED
    finally:
        backend.close()


def test_roles_that_may_not(database: tuple[Place, Callable[[str], None]]) -> None:
    place, run = database
    role = f"role_{secrets.token_hex(6)}"
    run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    backend, owner = opened(place, role), opened(place)
    try:
        assert "permission denied" in refusal(backend.prepare).message
        owner.prepare()
        for attempt in attempts(backend):
            assert "permission denied" in refusal(attempt).message
        run(f"GRANT USAGE ON SCHEMA wfdeploy TO {role}")
        run(f"GRANT SELECT ON ALL TABLES IN SCHEMA wfdeploy TO {role}")
        assert backend.incarnation() == owner.incarnation() != ""
        assert "permission denied for table entries" in refusal(lambda: backend.create_entry(0, b"x", "")).message
        run(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wfdeploy TO {role}")
        backend.prepare()
        backend.check()
        assert backend.create_entry(0, b"x", "").outcome is WriteOutcome.WRITTEN
        run(f"ALTER ROLE {role} SET default_transaction_read_only = on")
        backend.close()
        assert "read-only" in refusal(lambda: backend.create_entry(1, b"x", "")).message
    finally:
        backend.close()
        owner.close()


def test_places_and_passwords_that_are_wrong(database: tuple[Place, Callable[[str], None]]) -> None:
    place, _ = database
    url = place.url_of("acme")
    error = refusal(open_backend(url.replace("/db_", "/no_"), {}, request_s=2.0).read_lease)
    assert isinstance(error, StateUnusable)
    assert "does not exist" in error.message
    error = refusal(open_backend(url.replace(PASSWORD, "wrong"), {}, request_s=2.0).read_lease)
    assert isinstance(error, StateUnusable)
    assert "password authentication failed" in error.message


def test_a_commit_is_synchronous_whatever_the_default_is(database: tuple[Place, Callable[[str], None]]) -> None:
    place, run = database
    name = place.url.rpartition("/")[2].partition("?")[0]
    run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    backend: Any = opened(place)
    try:
        with backend.connections.one("read") as connection:
            shown = [
                connection.execute(f"SHOW {setting}".encode()).fetchone()[0]
                for setting in ("synchronous_commit", "lock_timeout", "statement_timeout", "application_name")
            ]
        assert shown == ["on", "1200ms", "1600ms", "wfdeploy"]
    finally:
        backend.close()


def test_a_server_that_is_full_or_waits_leaves_it_undecided(
    database: tuple[Place, Callable[[str], None]],
) -> None:
    import psycopg

    place, run = database
    backend = opened(place)
    try:
        backend.prepare()
        with psycopg.connect(place.url_of("").partition("?")[0]) as blocking:
            blocking.execute("LOCK TABLE wfdeploy.entries")
            answer = backend.create_entry(0, b"x", "")
            assert answer.outcome is WriteOutcome.UNDECIDED
            assert "lock timeout" in answer.reason
        run(
            "CREATE FUNCTION wfdeploy.is_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$"
        )
        run("CREATE TRIGGER is_full BEFORE INSERT ON wfdeploy.entries FOR EACH ROW EXECUTE FUNCTION wfdeploy.is_full()")
        answer = backend.create_entry(0, b"x", "")
        assert answer.outcome is WriteOutcome.UNDECIDED
        assert "the server is full (could not extend file)" in answer.reason
        run("DROP TRIGGER is_full ON wfdeploy.entries")
        assert backend.create_entry(0, b"x", "").outcome is WriteOutcome.WRITTEN
    finally:
        backend.close()


def test_a_warning_at_a_commit_is_no_answer(database: tuple[Place, Callable[[str], None]]) -> None:
    """As when an operator cancels the wait for a standby: the commit is acknowledged, and may be lost."""
    place, run = database
    backend = opened(place)
    try:
        backend.prepare()
        run(
            "CREATE FUNCTION wfdeploy.warn() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$"
        )
        run("CREATE TRIGGER warn AFTER INSERT ON wfdeploy.entries FOR EACH ROW EXECUTE FUNCTION wfdeploy.warn()")
        answer = backend.create_entry(0, b"x", "")
        assert answer.outcome is WriteOutcome.UNDECIDED
        assert "canceling wait for synchronous replication" in answer.reason
    finally:
        backend.close()


def test_a_connection_that_was_ended_is_replaced(database: tuple[Place, Callable[[str], None]]) -> None:
    place, run = database
    backend = opened(place)
    try:
        backend.prepare()
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wfdeploy'")
        assert backend.create_entry(0, b"x", "").outcome is WriteOutcome.UNDECIDED
        assert backend.create_entry(0, b"x", "").outcome is WriteOutcome.WRITTEN
    finally:
        backend.close()


def test_a_server_that_crashes_keeps_what_it_acknowledged() -> None:
    with ExitStack() as stack:
        place = stack.enter_context(postgres())
        backend = opened(place)
        stack.callback(backend.close)
        backend.prepare()
        first = backend.create_entry(0, b"genesis", "")
        incarnation = backend.incarnation()
        assert place.server is not None
        place.server.crash()
        answer = backend.create_entry(1, b"x", digest_of(b"genesis"))
        assert answer.outcome is WriteOutcome.UNDECIDED
        done = DecidedLog(backend).append(1, b"x", digest_of(b"genesis"), within_s=20)
        assert done == Written(digest_of(b"x"))
        stored = backend.read_entry(0)
        assert stored is not None
        assert stored.version == first.version
        assert backend.incarnation() == incarnation
