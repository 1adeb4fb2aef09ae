"""Exchanges over connections that are made, kept and given up, against a server that says exactly these bytes."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import RawAnswer
from wfdeploy.http.pool import HttpOrigin, Pool, Proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request with `answer`; `endings` counts how clients ended their connections."""

    def __init__(self, answer: bytes = OK, serve: Serve | None = None, *, receive_buffer: int | None = None) -> None:
        self._answer = answer
        self._serve = serve or self._answer_all
        self._receive_buffer = receive_buffer
        self.connections = 0
        self.endings: Counter[str] = Counter()
        self._ended = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Server:
        sock = socket.socket()
        if self._receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._connected, sock=sock)
        self.origin = HttpOrigin(False, "127.0.0.1", sock.getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*self._tasks)

    async def wait_for_endings(self, count: int) -> Counter[str]:
        async with self._ended, asyncio.timeout(10):
            await self._ended.wait_for(lambda: self.endings.total() == count)
        return self.endings

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
            while await reader.read(65_536):
                pass
            ending = "closed"
        except OSError:
            ending = "reset"
        writer.transport.abort()
        async with self._ended:
            self.endings[ending] += 1
            self._ended.notify_all()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer)
        except asyncio.IncompleteReadError:
            pass


def no_tls() -> ssl.SSLContext:
    raise AssertionError("nobody asked for TLS")


def pool(*, connections: int = 4, idle_s: float = 60.0, proxy: Proxy | None = None) -> Pool:
    return Pool(connections=connections, idle_s=idle_s, tls=no_tls, proxy=proxy)


async def ask(connections: Pool, server: Server, request: bytes = REQUEST, **timeouts: float) -> RawAnswer:
    limits: dict[str, Any] = {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0, **timeouts}
    return await connections.exchange(server.origin, request, Timeouts(**limits), max_bytes=1000)


def test_a_connection_is_kept_and_closed_without_a_reset() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool()
            for _ in range(3):
                assert (await ask(connections, server)).body == b"ok"
            await connections.aclose()
            assert await server.wait_for_endings(1) == {"closed": 1}

    asyncio.run(main())


def test_an_answer_that_ends_the_connection_is_followed_by_no_reset() -> None:
    async def main() -> None:
        async with Server(CLOSES) as server:
            connections = pool()
            for _ in range(2):
                assert (await ask(connections, server)).body == b"ok"
            assert await server.wait_for_endings(2) == {"closed": 2}
            await connections.aclose()

    asyncio.run(main())


def test_a_connection_that_was_idle_for_long_is_not_used() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool(idle_s=0.0)
            for _ in range(2):
                await ask(connections, server)
            assert server.connections == 2
            await connections.aclose()
            assert await server.wait_for_endings(2) == {"closed": 2}

    asyncio.run(main())


def test_each_server_has_connections_of_its_own_and_all_together_are_bounded() -> None:
    async def main() -> None:
        async with Server() as one, Server() as other, Server() as third:
            connections = pool(connections=2)
            for server in (one, other, one, other):
                await ask(connections, server)
            assert (one.connections, other.connections) == (1, 1)
            await ask(connections, third)
            assert await one.wait_for_endings(1) == {"closed": 1}  # the one that was used least recently
            assert other.endings == {}
            await connections.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"])
def test_what_was_answered_without_being_read_is_not_sent_afterwards(answer: bytes) -> None:
    """A kept connection, or one that is closed in the usual way, would go on with it."""
    received = bytearray()

    async def main() -> None:
        answered = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()  # asyncio reads before it is asked to
            writer.write(answer)
            await answered.wait()
            writer.transport.resume_reading()
            while data := await reader.read(65_536):
                received.extend(data)

        async with Server(serve=serve, receive_buffer=2048) as server:
            connections = pool()
            await ask(connections, server, LARGE)
            answered.set()
            assert await server.wait_for_endings(1) == {"reset": 1}
            await connections.aclose()

    asyncio.run(main())
    assert len(received) < len(LARGE)


def silent() -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    return serve


def test_a_request_given_up_resets_its_connection_before_anybody_is_told() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool()
            with pytest.raises(httpx.ReadTimeout, match=r"nothing came for 0\.05 s"):
                await ask(connections, server, read=0.05)
            assert not connections._open
            assert await server.wait_for_endings(1) == {"reset": 1}

    asyncio.run(main())


def test_a_request_that_is_cancelled_resets_its_connection_before_anybody_is_told() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask(connections, server)
            assert not connections._open
            assert await server.wait_for_endings(1) == {"reset": 1}

    asyncio.run(main())


def test_a_connection_that_is_given_up_while_it_is_made_is_closed() -> None:
    """Whenever that happens: before the socket connects, between its winning the race and its use, after."""

    async def main() -> None:
        async with Server() as server:
            connections = pool()
            for turns in [*range(20)] * 10:
                asking = asyncio.create_task(ask(connections, server))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
            await connections.aclose()
            await server.wait_for_endings(server.connections)
            gc.collect()  # a socket that was left open is a ResourceWarning, and so an error of this test

    asyncio.run(main())


def test_an_answer_that_comes_in_slowly_is_not_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for at in range(len(OK)):
            writer.write(OK[at : at + 1])
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with Server(serve=serve) as server:
            connections = pool()
            assert (await ask(connections, server, read=0.2)).body == b"ok"
            await connections.aclose()

    asyncio.run(main())


def test_a_server_that_takes_no_more_of_a_request() -> None:
    async def main() -> None:
        stop = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await stop.wait()

        async with Server(serve=serve) as server:
            connections = pool()
            with pytest.raises(httpx.WriteTimeout):
                await ask(connections, server, REQUEST + b"a" * 20_000_000, write=0.1)
            stop.set()
            await server.wait_for_endings(1)

    asyncio.run(main())


def test_a_full_pool_gives_up_waiting() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool(connections=1)
            first = asyncio.create_task(ask(connections, server))
            await asyncio.sleep(0)
            with pytest.raises(httpx.PoolTimeout):
                await ask(connections, server, pool=0.05)
            await connections.aclose()
            with pytest.raises(httpx.RemoteProtocolError):
                await first

    asyncio.run(main())


def test_a_socket_that_can_not_be_set_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError("no such option")

    monkeypatch.setattr("wfdeploy.http.connection.drop_unsent", refuse)

    async def main() -> None:
        async with Server() as server:
            with pytest.raises(httpx.ConnectError, match="no such option"):
                await ask(pool(), server)
            await server.wait_for_endings(1)

    asyncio.run(main())


def test_another_event_loop() -> None:
    """Whoever embeds the server may have chosen one."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with Server() as server, Server(serve=silent()) as other:
            connections = pool()
            for _ in range(2):
                assert (await ask(connections, server)).body == b"ok"
            with pytest.raises(httpx.ReadTimeout):
                await ask(connections, other, read=0.05)
            assert await other.wait_for_endings(1) == {"reset": 1}
            await connections.aclose()
            assert await server.wait_for_endings(1) == {"closed": 1}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_no_child_process_inherits_a_connection() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool()
            await ask(connections, server)
            (connection,) = connections._open
            sock: socket.socket = connection._transport.get_extra_info("socket")
            assert not sock.get_inheritable()
            await connections.aclose()

    asyncio.run(main())


def test_proxies() -> None:
    assert Proxy.of("http://proxy.test") == Proxy(HttpOrigin(False, "proxy.test", 80))
    assert Proxy.of("https://proxy.test") == Proxy(HttpOrigin(True, "proxy.test", 443))
    assert Proxy.of("http://[::1]:3128").origin == HttpOrigin(False, "::1", 3128)
    for port in ("0", "99999"):
        with pytest.raises(ValueError, match="invalid port"):
            Proxy.of(f"http://proxy.test:{port}")
    assert Proxy.of("http://a:b@proxy.test").headers == (("Proxy-Authorization", "Basic YTpi"),)
    assert HttpOrigin(True, "::1", 443).authority == "[::1]:443"
    for bad in ("ftp://proxy.test", "http://", "socks5://proxy.test", "http://proxy.test:port"):
        with pytest.raises((ValueError, httpx.InvalidURL)):
            Proxy.of(bad)
