"""Requests over kept connections, against a server that says exactly these bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from wfdeploy.localserver.http_client import EndpointRequest, HttpClient, Reply

PEM = Path(__file__).parents[2] / "fakes" / "tls" / "server.pem"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nok"

Talk = Callable[[HttpClient, Callable[..., EndpointRequest]], Awaitable[None]]


def run(
    answers: list[bytes], talk: Talk, *, close_after: bool = False, method: str = "POST"
) -> tuple[int, list[bytes]]:
    """(how many connections were made, the requests as they arrived)"""
    connections = 0
    requests: list[bytes] = []
    left = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                requests.append(head + await reader.readexactly(length))
                writer.write(next(left))
                await writer.drain()
                if close_after:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        def request(body: bytes = b"", **headers: str) -> EndpointRequest:
            return EndpointRequest(method, f"http://127.0.0.1:{port}/a%20b?q=ü", headers, body, timeout_s=5)

        carrier = HttpClient(max_connections=4)
        try:
            await talk(carrier, request)
        finally:
            await carrier.close()
            server.close()
            await server.wait_closed()

    asyncio.run(main())
    return connections, requests


def replies(
    answers: list[bytes], count: int, *, close_after: bool = False, method: str = "POST"
) -> tuple[int, list[Reply]]:
    found: list[Reply] = []

    async def talk(carrier: HttpClient, request: Callable[..., EndpointRequest]) -> None:
        for _ in range(count):
            found.append(await carrier.send(request()))
            await asyncio.sleep(0)

    return run(answers, talk, close_after=close_after, method=method)[0], found


def test_what_goes_out() -> None:
    async def talk(carrier: HttpClient, request: Callable[..., EndpointRequest]) -> None:
        await carrier.send(request("bödy".encode(), **{"X-Team": "größe"}))

    _, (request,) = run([OK], talk)
    head, _, body = request.partition(b"\r\n\r\n")
    assert body.decode() == "bödy"
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b?q=%C3%BC HTTP/1.1"
    assert "X-Team: größe" in lines
    assert "Content-Length: 5" in lines


def test_connections_are_kept() -> None:
    connections, found = replies([OK] * 3, 3)
    assert (connections, [reply.status for reply in found]) == (1, [200] * 3)
    assert found[0].header_lists() == {"Content-Length": ["2"], "X-A": ["1", "2"]}


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", b"ok!"),
        (b"HTTP/1.1 103 Early\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_kinds_of_answers(answer: bytes, body: bytes) -> None:
    connections, found = replies([answer, answer], 2)
    assert (connections, [reply.body for reply in found]) == (1, [body, body])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
)
def test_answers_that_end_the_connection(answer: bytes) -> None:
    connections, found = replies([answer, answer], 2, close_after=True)
    assert (connections, [reply.body for reply in found]) == (2, [b"ok", b"ok"])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "RemoteProtocolError"),
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
    ],
)
def test_broken_answers(answer: bytes, error: str) -> None:
    connections, found = replies([answer, answer], 2, close_after=True)
    assert connections == 2
    assert [(reply.status, reply.error.split(":")[0]) for reply in found] == [(None, error)] * 2


def test_too_large_an_answer() -> None:
    async def talk(carrier: HttpClient, request: Callable[..., EndpointRequest]) -> None:
        reply = await carrier.send(replace(request(), max_answer_bytes=1))
        assert reply.error == "the answer is too large"

    run([OK], talk)


def test_together_over_connections_of_their_own() -> None:
    async def talk(carrier: HttpClient, request: Callable[..., EndpointRequest]) -> None:
        found = await asyncio.gather(*(carrier.send(request(b"x" * 300_000)) for _ in range(10)))
        assert [reply.status for reply in found] == [200] * 10

    connections, requests = run([OK] * 10, talk)
    assert connections <= 4
    assert len(requests) == 10


def test_answer_to_head_has_no_body() -> None:
    """Its length is that of the body it would have; the connection is not used again."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    connections, found = replies([head, head], 2, method="HEAD")
    assert (connections, [(reply.status, reply.body) for reply in found]) == (2, [(200, b"")] * 2)


def test_more_than_was_asked_for_ends_the_connection() -> None:
    connections, found = replies([OK + OK, OK], 2)
    assert (connections, [reply.body for reply in found]) == (2, [b"ok", b"ok"])


def test_another_protocol_is_no_answer() -> None:
    _, found = replies([b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"], 1)
    assert found[0].error == "RemoteProtocolError: the server answered 101"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PO ST", {}),
        ("POST", {"X": "a\r\nY: b"}),
        ("POST", {"X": "a\x00"}),
        ("POST", {"X Y": "a"}),
        ("POST", {"": "a"}),
    ],
)
def test_what_no_request_can_carry_is_not_sent(method: str, headers: dict[str, str]) -> None:
    found: list[Reply] = []

    async def talk(carrier: HttpClient, request: Callable[..., EndpointRequest]) -> None:
        found.append(await carrier.send(request(**headers)))

    assert run([OK], talk, method=method) == (0, [])
    assert found[0].error.startswith("LocalProtocolError")


def test_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests over one connection, and then one to an address for which the certificate does not hold."""
    trusting = ssl.create_default_context(cafile=str(PEM))
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trusting)
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
        writer.close()

    async def main() -> None:
        identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identity.load_cert_chain(PEM)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=identity)
        port = server.sockets[0].getsockname()[1]
        carrier = HttpClient(max_connections=1)
        for _ in range(2):
            reply = await carrier.send(EndpointRequest("POST", f"https://localhost:{port}/", {}, b""))
            assert (reply.status, reply.body) == (200, b"ok")
        reply = await carrier.send(EndpointRequest("POST", f"https://127.0.0.1:{port}/", {}, b""))
        assert "certificate verify failed" in reply.error
        await carrier.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert connections == 1
