"""What object stores answer, in our words: which answers decide a write, and which leave it open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.loop_thread import LoopThread
from tests.fakes.raw_http import RawRequest, read_request, response
from wfdeploy.errors import StateError, StateUnreachable, StateUnusable
from wfdeploy.log_ports import LogBackend
from wfdeploy.model.shared_log import WriteAnswer, WriteOutcome
from wfdeploy.sharedlog.objects import ObjectLog
from wfdeploy.sharedlog.opening import open_backend


class Scripted(LoopThread):
    """Answers each request with the next of these; the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests: list[RawRequest] = []

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            self.requests.append(request)
            writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            await writer.drain()

    def log(self) -> LogBackend:
        environ = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        return open_backend(f"s3://bucket/acme?endpoint={self.url}", environ, request_s=5.0)


def answer(status: int, code: str = "") -> bytes:
    return response(status, f"<Error><Code>{code}</Code><Message>said</Message></Error>" if code else "")


OPEN = [
    (500, "InternalError", "busy or out of order (HTTP 500 InternalError)"),
    (503, "SlowDown", "busy or out of order (HTTP 503 SlowDown)"),
    (429, "", "busy or out of order (HTTP 429)"),
    (400, "RequestTimeout", "busy or out of order (HTTP 400 RequestTimeout)"),
    (507, "XMinioStorageFull", "the store is full (HTTP 507 XMinioStorageFull)"),
]

REFUSED = [
    (403, "AccessDenied", "permission denied (HTTP 403 AccessDenied)"),
    (401, "", "permission denied (HTTP 401)"),
    (400, "ExpiredToken", "permission denied (HTTP 400 ExpiredToken)"),
    (403, "RequestTimeTooSkewed", "this machine's clock is wrong"),
    (404, "NoSuchBucket", "there is no bucket bucket"),
    (301, "PermanentRedirect", "the bucket is in another region"),
    (400, "AuthorizationHeaderMalformed", "the bucket is in another region"),
    (501, "NotImplemented", "the store knows no conditional writes"),
    (400, "InvalidArgument", "the store refused the request (HTTP 400 InvalidArgument)"),
]


def writes(log: LogBackend) -> list[Callable[[], WriteAnswer]]:
    return [lambda: log.create_entry(1, b"x", ""), lambda: log.create_lease(b"x"), lambda: log.swap_lease(b"x", "v")]


@pytest.mark.parametrize(("status", "code", "said"), OPEN)
def test_answers_that_leave_a_write_open(status: int, code: str, said: str) -> None:
    with Scripted(answer(status, code)) as server:
        for number, write in enumerate(writes(server.log()), 1):
            done = write()
            assert done.outcome is WriteOutcome.UNDECIDED
            assert said in done.reason
            assert len(server.requests) == number  # the library's own retries are off
        with pytest.raises(StateUnreachable):
            server.log().read_entry(1)
        with pytest.raises(StateUnreachable):
            server.log().list_entries(0, 10)


@pytest.mark.parametrize(("status", "code", "said"), REFUSED)
def test_answers_that_refuse_for_good(status: int, code: str, said: str) -> None:
    with Scripted(answer(status, code)) as server:
        log = server.log()
        tries: list[Callable[[], object]] = [*writes(log), lambda: log.list_entries(0, 1), lambda: log.read_entry(0)]
        for attempt in tries:
            with pytest.raises(StateUnusable) as caught:
                attempt()
            assert said in caught.value.message
            assert caught.value.hint


@pytest.mark.parametrize("status", [409, 412])
def test_conflicts_are_refusals_that_have_to_be_looked_at(status: int) -> None:
    with Scripted(answer(status, "ConditionalRequestConflict")) as server:
        assert [write().outcome for write in writes(server.log())] == [WriteOutcome.REFUSED] * 3


def test_an_answer_without_a_version_says_nothing() -> None:
    with Scripted(response(200, "")) as server:
        assert server.log().create_entry(1, b"x", "").outcome is WriteOutcome.UNDECIDED


def test_conditions_go_with_every_write() -> None:
    with Scripted(response(200, "", {"ETag": '"e"'})) as server:
        log = server.log()
        assert log.create_entry(123_456, b"x" * 300_000, "") == WriteAnswer(WriteOutcome.WRITTEN, "e")
        log.create_lease(b"x")
        log.swap_lease(b"y", "e")
        entry, lease, swap = server.requests
        assert (entry.method, entry.path) == ("PUT", "/bucket/acme/entries/00000012/000000123456")
        assert entry.headers["if-none-match"] == "*"
        assert lease.headers["if-none-match"] == "*"
        assert swap.headers["if-match"] == '"e"'


def test_a_listing_begins_behind_a_number_and_ignores_what_is_not_ours() -> None:
    def keys(*names: str) -> bytes:
        contents = "".join(
            f"<Contents><Key>acme/{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
            for name in names
        )
        return response(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>")

    with Scripted(
        keys("entries/00000000/000000000001", "entries/notes.txt", "entries/00000001/000000010000"),
        keys("entries/00000000/000000000002", "entries/00000000/000000000001"),
    ) as server:
        log = server.log()
        assert [listed.number for listed in log.list_entries(1, 10)] == [1, 10_000]
        assert "start-after=acme%2Fentries%2F00000000%2F000000000000" in server.requests[0].target
        assert "prefix=acme%2Fentries%2F" in server.requests[0].target
        with pytest.raises(StateError, match="doesn't list its objects in order"):
            log.list_entries(1, 10)


@pytest.mark.parametrize(
    ("size", "seconds"), [(1, 5), (60_000, 5), (64 * 1024, 10), (1_000_000, 20), (20_000_000, 320)]
)
def test_a_large_request_may_take_longer(size: int, seconds: int) -> None:
    with Scripted(response(200, "", {"ETag": '"e"'})) as server:
        log, seen = server.log(), list[timedelta]()
        assert isinstance(log, ObjectLog)
        connect = log.bucket.connect

        def watched(options: Mapping[str, Any]) -> Any:
            seen.append(options["timeout"])
            return connect(options)

        ObjectLog(bucket=replace(log.bucket, connect=watched), request_s=5.0).create_entry(0, bytes(size), "")
        assert seen[-1] == timedelta(seconds=seconds)
