"""A server that says exactly the bytes of a test, and a pool to ask it by."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import RawAnswer
from wfdeploy.http.pool import HttpOrigin, Pool, Proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
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


async def ask(
    connections: Pool,
    server: Server,
    request: bytes = REQUEST,
    *,
    before_first_byte: Callable[[], float] | None = None,
    **timeouts: float,
) -> RawAnswer:
    limits: dict[str, Any] = {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0, **timeouts}
    return await connections.exchange(
        server.origin, request, Timeouts(**limits), max_bytes=1000, before_first_byte=before_first_byte
    )


def silent() -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    return serve


def deaf(until: asyncio.Event) -> Serve:
    """Reads nothing until then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        await until.wait()
        transport.resume_reading()

    return serve
