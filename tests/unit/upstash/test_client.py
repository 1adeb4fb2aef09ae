"""Every row of "what comes back -> what happens", over real sockets.

What the client makes of an answer is held against what the server did: a reply that says "nothing was started" must
never come from a server that started something.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import BeforeReading, Behaviour, ChaosServer
from tests.fakes.manual_clock import ManualClock
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Denied,
    Item,
    Lost,
    NotSent,
    Stop,
    Taken,
    Throttled,
    TooLarge,
    TriggerReply,
    Unclear,
)
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber

TOKEN = "tok-2f7a9c1e5b"
PATIENT = ServerSettings(connect_timeout_s=10.0, read_timeout_s=10.0, write_timeout_s=10.0, pool_timeout_s=10.0)
QUICK = ServerSettings(connect_timeout_s=10.0, read_timeout_s=0.3, write_timeout_s=10.0, pool_timeout_s=10.0)
DATE = "Mon, 23 Nov 2026 14:00:00 GMT"
DATE_S = 1_795_442_400

IDS = [f"wfr_group-run-{n:03d}-g1-f1abc" for n in range(100)]


def items(ids: list[str]) -> list[Item]:
    return [
        Item(
            run_id,
            json.dumps(
                {"destination": "https://app.example.com/wf", "headers": {"Upstash-Workflow-RunId": run_id}}
            ).encode(),
        )
        for run_id in ids
    ]


class Net:
    """Gateways with a network of their own each."""

    @asynccontextmanager
    async def gateway(
        self, url: str, *, deadline_s: float = 20.0, connections: int = 8, **more: Any
    ) -> AsyncIterator[UpstashGateway]:
        arguments = {"settings": PATIENT, "clock": ManualClock(), "scrubber": Scrubber([TOKEN]), **more}
        gateway = UpstashGateway(url, TOKEN, deadline_s=deadline_s, connections=connections, **arguments)
        try:
            yield gateway
        finally:
            await gateway.aclose()

    def trigger(self, server: ChaosServer | str, ids: list[str] = IDS, **more: Any) -> TriggerReply:
        """One trigger with a fresh gateway."""

        async def run() -> TriggerReply:
            url = server if isinstance(server, str) else server.url
            async with self.gateway(url, **more) as gateway:
                return await gateway.trigger(items(ids))

        return asyncio.run(run())

    def reply_to(
        self, behaviour: Behaviour | BeforeReading, ids: list[str] = IDS, **more: Any
    ) -> tuple[TriggerReply, ChaosServer]:
        with ChaosServer([behaviour]) as server:
            return self.trigger(server, ids, **more), server


@pytest.fixture
def net() -> Net:
    return Net()


def test_a_good_batch_is_taken_and_carries_what_it_should(net: Net) -> None:
    reply, server = net.reply_to(chaos.accept())
    assert isinstance(reply, Answered)
    assert reply.items == tuple(Taken(chaos.CREATED_AT_MS + n) for n in range(100))
    assert set(server.started) == set(IDS)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v2/batch/trigger")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"].startswith("wfdeploy/")
    assert request.headers["content-type"] == "application/json"
    assert TOKEN not in request.target


def test_an_answer_of_200_is_as_good_as_201(net: Net) -> None:
    reply, _ = net.reply_to(chaos.accept(status=200))
    assert isinstance(reply, Answered)


def test_an_empty_batch_is_never_sent(net: Net) -> None:
    with ChaosServer() as server:
        assert net.trigger(server, []) == Answered(())
        assert not server.requests


@pytest.mark.parametrize(
    ("status", "body", "may"),
    [
        (201, [], True),
        (200, [], True),
        (400, {"error": "no messages"}, True),
        (403, {"error": "read-only"}, False),
        (500, {}, None),
        (429, {}, None),
        (302, {}, None),
    ],
)
def test_a_token_that_only_reads_is_told_apart_without_a_run(
    net: Net, status: int, body: Any, may: bool | None
) -> None:
    async def run(server: ChaosServer) -> bool | None:
        async with net.gateway(server.url, settings=PATIENT) as gateway:
            return await gateway.may_trigger()

    with ChaosServer([chaos.answer(status, body)]) as server:
        assert asyncio.run(run(server)) is may
        (request,) = server.requests
        assert (request.path, request.body) == ("/v2/batch/trigger", b"[]")


def test_an_unknown_token_is_an_error_when_its_rights_are_asked_for(net: Net) -> None:
    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url, settings=PATIENT) as gateway:
            await gateway.may_trigger()

    with ChaosServer([chaos.answer(401, {"error": "unauthorized"})]) as server, pytest.raises(RemoteFailure) as err:
        asyncio.run(run(server))
    assert "the server doesn't know it" in str(err.value.hint)


def test_one_bad_item_of_100_is_denied_and_the_others_stand(net: Net) -> None:
    reply, _ = net.reply_to(chaos.bad_item(41, {"error": "invalid destination", "status": 400}))
    assert isinstance(reply, Answered)
    assert reply.items[41] == Denied("invalid destination")
    assert all(isinstance(item, Taken) for n, item in enumerate(reply.items) if n != 41)


def test_deduplicated_items_say_so(net: Net) -> None:
    reply, _ = net.reply_to(
        chaos.answer_with(lambda all_: [{**item, "deduplicated": n % 2 == 0} for n, item in enumerate(all_)])
    )
    assert isinstance(reply, Answered)
    assert [item.deduplicated for item in reply.items if isinstance(item, Taken)] == [n % 2 == 0 for n in range(100)]


@pytest.mark.parametrize("status", [400, 412])
def test_a_whole_batch_refused_for_one_run_says_why(net: Net, status: int) -> None:
    reply, server = net.reply_to(chaos.refuse_batch_with(IDS[7], "bad header in message 7", status=status))
    assert isinstance(reply, BatchRefused)
    assert reply.status == status
    assert "bad header in message 7" in reply.message
    assert reply.running == frozenset()
    assert not server.started


def test_a_400_that_names_a_running_run_tells_which(net: Net) -> None:
    message = f"a workflow run with id {IDS[3]} is already running"
    reply, _ = net.reply_to(chaos.answer(400, {"error": message}))
    assert isinstance(reply, BatchRefused)
    assert reply.running == {IDS[3]}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_and_names_its_variable(net: Net, status: int) -> None:
    reply, _ = net.reply_to(chaos.answer(status, {"error": f"no such token: {TOKEN}"}), token_source="STAGING_TOKEN")
    assert isinstance(reply, Stop)
    assert reply.status == status
    assert "STAGING_TOKEN" in (reply.hint or "")
    assert TOKEN not in reply.message


@pytest.mark.parametrize("status", [402, 404, 405, 409, 410, 422, 451])
def test_other_client_errors_stop(net: Net, status: int) -> None:
    reply, _ = net.reply_to(chaos.answer(status, "no such page"))
    assert isinstance(reply, Stop)
    assert reply.status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_and_is_not_followed(net: Net, status: int) -> None:
    with ChaosServer() as elsewhere:
        reply, server = net.reply_to(chaos.answer(status, b"", {"Location": f"{elsewhere.url}/steal?token={TOKEN}"}))
        assert isinstance(reply, Stop)
        assert "--url" in (reply.hint or "")
        assert TOKEN not in (reply.hint or "")
        assert len(server.requests) == 1
        assert elsewhere.connections == 0


def test_413_is_too_large(net: Net) -> None:
    reply, _ = net.reply_to(chaos.answer(413, "<html><title>413 Request Entity Too Large</title></html>"))
    assert isinstance(reply, TooLarge)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Mon, 23 Nov 2026 14:00:30 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 13:00:30 GMT", "Date": DATE}, 0.0),
        ({"Burst-RateLimit-Reset": str(DATE_S + 2), "Date": DATE}, 2.0),
        ({"Burst-RateLimit-Reset": str(DATE_S + 2)}, 2.0),  # by our own clock, which stands at the same second
        ({"RateLimit-Limit": "1000", "RateLimit-Reset": str(DATE_S + 3600), "Date": DATE}, 3600.0),
        ({"RateLimit-Reset": "45"}, 45.0),
        ({"RateLimit-Reset": "-3"}, 0.0),
        ({"Retry-After": "99999999"}, 86400.0),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_429_tells_how_long_to_wait(net: Net, headers: dict[str, str], wait_s: float | None) -> None:
    reply, _ = net.reply_to(chaos.answer(429, {"error": "slow down"}, headers))
    assert isinstance(reply, Throttled)
    assert reply.wait_s == wait_s
    assert "slow down" in reply.message


def coded(encoding: str) -> chaos.Behaviour:
    """A whole answer that is not what its header says; the connection stays, as it may: the client may use it again."""
    head = f"HTTP/1.1 201 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 2\r\n\r\n"
    return chaos.raw(head.encode() + b"[]", close=False)


AMBIGUOUS: dict[str, Behaviour] = {
    "408": chaos.answer(408, {"error": "timeout"}, act=True),
    "500": chaos.answer(500, {"error": "boom"}, act=True),
    "500 without acting": chaos.answer(500, {"error": "boom"}),
    "502 html": chaos.answer(502, "<html><body><h1>502 Bad Gateway</h1>nginx</body></html>", act=True),
    "503": chaos.answer(503, b"", {"Retry-After": "1"}, act=True),
    "504": chaos.answer(504, b"", act=True),
    "599": chaos.answer(599, b"", act=True),
    "202": chaos.answer(202, b"[]", act=True),
    "204": chaos.raw(b"HTTP/1.1 204 No Content\r\n\r\n", close=False),
    "999": chaos.answer(999, b"", act=True),
    "acted, then no answer": chaos.hang(act=True),
    "no answer, did not act": chaos.hang(act=False),
    "reset after reading": chaos.drop(act=False, with_reset=True),
    "reset after acting": chaos.drop(act=True, with_reset=True),
    "closed after acting": chaos.drop(act=True),
    "closed without acting": chaos.drop(act=False),
    "closed inside the status line": chaos.cut(lambda data: 9),
    "closed inside the headers": chaos.cut(lambda data: data.index(b"\r\n\r\n") - 5),
    "closed mid-body": chaos.cut(lambda data: len(data) - 100),
    "reset mid-body": chaos.cut(lambda data: len(data) - 100, with_reset=True),
    "truncated json": chaos.answer_with(lambda all_: json.dumps(all_)[:-40]),
    "empty body": chaos.answer_with(lambda all_: b""),
    "not utf-8": chaos.answer_with(lambda all_: b'[{"workflowRunId":"\xff\xfe"}]'),
    "one item short": chaos.answer_with(lambda all_: all_[:-1]),
    "one item more": chaos.answer_with(lambda all_: [*all_, all_[0]]),
    "no items": chaos.answer_with(lambda all_: []),
    "an object": chaos.answer_with(lambda all_: {"results": all_}),
    "null": chaos.answer_with(lambda all_: None),
    "text": chaos.answer_with(lambda all_: "ok"),
    "nested too deeply": chaos.answer_with(lambda all_: b"[" * 200_000),
    "a strange id": chaos.answer_with(lambda all_: [{**all_[0], "workflowRunId": "wfr_other"}, *all_[1:]]),
    "an id twice": chaos.answer_with(lambda all_: [all_[1], *all_[1:]]),
    "an unasked encoding": coded("br"),
    "broken gzip": coded("gzip"),
    "not http": chaos.raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "two lengths": chaos.raw(b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]"),
    "a negative length": chaos.raw(b"HTTP/1.1 201 OK\r\nContent-Length: -2\r\n\r\n[]"),
    "a bad chunk": chaos.raw(b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n"),
    "endless headers": chaos.raw(b"HTTP/1.1 201 OK\r\n" + b"X-A: " + b"a" * 300_000 + b"\r\n\r\n"),
    "gzip bomb": chaos.gzipped(b" " * 200_000_000),
    "a drip": chaos.drip(act=True, pause_s=0.01),
}


ENDLESS = ("acted, then no answer", "no answer, did not act", "a drip")
IN_A_HURRY: dict[str, Any] = {"settings": QUICK, "deadline_s": 0.8}
"""Only for answers that never come: on a busy machine an honest one may take as long."""


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_may_have_been_acted_upon_is_lost(net: Net, name: str) -> None:
    reply, _ = net.reply_to(AMBIGUOUS[name], **(IN_A_HURRY if name in ENDLESS else {}))
    assert isinstance(reply, Lost), reply
    assert reply.reason


def test_a_connection_reset_before_anything_is_read_is_not_taken_for_an_answer(net: Net) -> None:
    """The reset may be there before the connection looks made, then nothing was sent; or after, then who knows."""
    reply, server = net.reply_to(BeforeReading())
    assert isinstance(reply, Lost | NotSent), reply
    assert not server.started


def test_an_html_error_page_is_told_by_its_title(net: Net) -> None:
    reply, _ = net.reply_to(AMBIGUOUS["502 html"])
    assert isinstance(reply, Lost)
    assert "502 Bad Gateway" in reply.reason
    assert "<" not in reply.reason


def test_an_answer_of_ten_gigabytes_is_cut_short(net: Net) -> None:
    reply, server = net.reply_to(chaos.endless(), deadline_s=60.0)
    assert isinstance(reply, Lost)
    assert "larger" in reply.reason
    assert server.sent_bytes < 64 * 1024**2


def test_items_of_odd_shape_are_unclear_one_by_one(net: Net) -> None:
    shapes: tuple[object, ...] = (
        None,
        3,
        "ok",
        [],
        {},
        {"workflowRunId": 7},
        {"workflowRunId": ""},
        {"messageId": "msg_1"},
    )
    for odd in shapes:
        reply, _ = net.reply_to(chaos.bad_item(2, odd), IDS[:4])
        assert isinstance(reply, Answered)
        assert isinstance(reply.items[2], Unclear), odd
        assert [type(item) for n, item in enumerate(reply.items) if n != 2] == [Taken] * 3


def test_a_permuted_answer_is_matched_by_id(net: Net) -> None:
    reply, _ = net.reply_to(chaos.answer_with(lambda all_: all_[::-1]), IDS[:4])
    assert reply == Answered(tuple(Taken(chaos.CREATED_AT_MS + n) for n in range(4)), in_order=False)


def test_a_doubled_prefix_is_recognised(net: Net) -> None:
    def doubled(all_: list[Any]) -> list[Any]:
        return [{**item, "workflowRunId": f"wfr_{item['workflowRunId']}"} for item in all_]

    reply, _ = net.reply_to(chaos.answer_with(doubled), IDS[:4])
    assert reply == Answered(tuple(Taken(chaos.CREATED_AT_MS + n) for n in range(4)))


def test_an_unasked_gzip_answer_is_read_all_the_same(net: Net) -> None:
    reply, _ = net.reply_to(chaos.gzip_accept(), IDS[:4])
    assert isinstance(reply, Answered)
    assert all(isinstance(item, Taken) for item in reply.items)


# --- nothing left ------------------------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]  # bound, never listening: refused


def test_a_refused_connection_sent_nothing(net: Net, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    reply = net.trigger(url)
    assert isinstance(reply, NotSent)
    assert reply.reason.startswith(f"no connection to {url}: ConnectError")


def test_a_name_that_does_not_resolve_sent_nothing(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    assert isinstance(net.trigger("http://nowhere.localhost:1"), NotSent)


class Backlogged:
    """A listener whose queue is full: a connection to it is neither made nor refused."""

    def __enter__(self) -> str:
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self._server.listen(0)
        address = self._server.getsockname()
        self._fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._fillers.append(filler)
        return f"http://127.0.0.1:{address[1]}"

    def __exit__(self, *_: object) -> None:
        for sock in (*self._fillers, self._server):
            sock.close()


def test_a_connection_that_is_never_made_sent_nothing(net: Net) -> None:
    settings = ServerSettings(connect_timeout_s=0.2)
    with Backlogged() as url:
        assert isinstance(net.trigger(url, settings=settings), NotSent)


class RawListener:
    """Takes one connection, does what `talk` says, and keeps every byte the client sent."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self.received = bytearray()

    def __enter__(self) -> RawListener:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    @property
    def port(self) -> int:
        port = self._server.getsockname()[1]
        assert isinstance(port, int)
        return port

    def _serve(self) -> None:
        sock, _ = self._server.accept()
        with sock:
            sock.settimeout(5)
            self._talk(sock)
            try:
                while data := sock.recv(65536):
                    self.received += data
            except OSError:
                pass

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._server.close()


@pytest.mark.parametrize("how", ["plain text", "closed", "silent"])
def test_a_failed_tls_handshake_sent_nothing(net: Net, how: str) -> None:
    def talk(sock: socket.socket) -> None:
        if how == "plain text":
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif how == "closed":
            sock.shutdown(socket.SHUT_WR)

    settings = ServerSettings(connect_timeout_s=0.3)
    with RawListener(talk) as listener:
        reply = net.trigger(f"https://127.0.0.1:{listener.port}", settings=settings)
    assert isinstance(reply, NotSent), reply
    assert TOKEN.encode() not in listener.received
    assert b"wfr_" not in listener.received


def test_a_full_pool_sent_nothing(net: Net) -> None:
    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url, connections=1, settings=ServerSettings(pool_timeout_s=0.1)) as gate:
            first = asyncio.create_task(gate.trigger(items(IDS[:1])))
            await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1)
            reply = await gate.trigger(items(IDS[1:2]))
            assert isinstance(reply, NotSent), reply
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    with ChaosServer([chaos.hang(act=True)]) as server:
        asyncio.run(run(server))
        assert len(server.requests) == 1
        assert server.connections == 1


# --- kept connections --------------------------------------------------------------------------------------------


def test_connections_are_kept(net: Net) -> None:
    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url) as gate:
            for _ in range(5):
                assert isinstance(await gate.trigger(items(IDS[:2])), Answered)

    with ChaosServer() as server:
        asyncio.run(run(server))
        assert (len(server.requests), server.connections) == (5, 1)


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_connection_closed_while_idle_costs_nothing(net: Net, with_reset: bool) -> None:
    """The close is noticed before anything is sent on it: a new connection, one start per run."""

    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url) as gate:
            assert isinstance(await gate.trigger(items(IDS[:2])), Answered)
            await asyncio.to_thread(server.wait_until, lambda: server.live_connections == 0)
            assert isinstance(await gate.trigger(items(IDS[2:4])), Answered)

    with ChaosServer([chaos.accept_then_close(with_reset=with_reset)]) as server:
        asyncio.run(run(server))
        assert server.connections == 2
        assert set(server.started.values()) == {1}


@pytest.mark.parametrize("act", [False, True])
@pytest.mark.parametrize("with_reset", [False, True])
def test_a_kept_connection_closed_as_the_request_arrives_is_lost(net: Net, act: bool, with_reset: bool) -> None:
    """The race that a client can't see: it must neither say "not sent" nor send again by itself."""

    async def run(server: ChaosServer) -> TriggerReply:
        async with net.gateway(server.url) as gate:
            assert isinstance(await gate.trigger(items(IDS[:2])), Answered)
            return await gate.trigger(items(IDS[2:4]))

    with ChaosServer([chaos.accept(), chaos.drop(act=act, with_reset=with_reset)]) as server:
        assert isinstance(asyncio.run(run(server)), Lost)
        assert len(server.requests) == 2
        assert server.connections == 1


def test_the_gateway_works_on_after_every_kind_of_trouble(net: Net) -> None:
    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url, connections=1) as gateway:
            for name, behaviour in AMBIGUOUS.items():
                if name in ENDLESS:
                    continue
                server.then(behaviour, chaos.accept())
                assert isinstance(await gateway.trigger(items(IDS[:2])), Lost), name
                assert isinstance(await gateway.trigger(items(IDS[2:4])), Answered), name

    with ChaosServer() as server:
        asyncio.run(run(server))


def test_a_request_given_up_leaves_its_place_in_the_pool(net: Net) -> None:
    settings = ServerSettings(read_timeout_s=1.0)

    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url, connections=1, settings=settings) as gateway:
            assert isinstance(await gateway.trigger(items(IDS[:2])), Lost)
            assert isinstance(await gateway.trigger(items(IDS[2:4])), Answered)

    with ChaosServer([chaos.hang(act=True)]) as server:
        asyncio.run(run(server))


# --- cancelling ---------------------------------------------------------------------------------------------------


def test_cancellation_propagates_and_closes_the_connection(net: Net) -> None:
    async def run(server: ChaosServer) -> None:
        async with net.gateway(server.url, settings=ServerSettings(), deadline_s=60.0) as gate:
            task = asyncio.create_task(gate.trigger(items(IDS)))
            await asyncio.to_thread(server.wait_until, lambda: len(server.requests) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_until, lambda: server.live_connections == 0)
            assert isinstance(await gate.trigger(items(IDS)), Answered)

    with ChaosServer([chaos.hang(act=True)]) as server:
        asyncio.run(run(server))
