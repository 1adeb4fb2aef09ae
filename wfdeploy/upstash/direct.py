"""An httpx transport that talks HTTP/1.1 straight over asyncio, to one server.

Why not httpx's own: it costs about three times the CPU per request, most of it in layers that serve other protocols
and event loops, and can't say for certain whether a byte of a request left. Here that is plain to see: `ConnectError`,
`ConnectTimeout` and `PoolTimeout` are raised before anything is written, everything else after. Behind a proxy httpx's
own transport is used.
"""

from __future__ import annotations

import asyncio
import select
import time
from typing import TYPE_CHECKING, NoReturn

import httpx

from wfdeploy.http import linger
from wfdeploy.upstash.http1 import Chunks, Head, MalformedError, take_head

if TYPE_CHECKING:
    import socket
    import ssl

_READ_AHEAD = 256 * 1024
"""Bytes taken in before the reader asked for them; beyond it the server has to wait."""


class DirectTransport(httpx.AsyncBaseTransport):
    """At most `connections` requests at once, on connections kept for `idle_s` seconds between two of them.

    Takes the timeouts of a request's `timeout` extension (seconds by phase), as httpx's own transports do.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None, connections: int, idle_s: float) -> None:
        self._ssl_context = ssl_context
        self._places = asyncio.Semaphore(connections)
        self._idle_s = idle_s
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions.get("timeout", {})
        head, body = _head_bytes(request), await request.aread()
        await self._place(request, timeouts.get("pool"))
        connection: _Connection | None = None
        try:
            connection = self._kept() or await self._connect(request.url, timeouts.get("connect"))
            await connection.send(head + body, timeouts.get("write"))
            answer = await connection.head(timeouts.get("read"))
        except BaseException:
            await self.give_back(connection, kept=False)
            raise
        stream = _Body(self, connection, answer, timeouts.get("read"))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream)

    async def aclose(self) -> None:
        closing = tuple(self._all)
        self._idle.clear()
        for connection in closing:
            connection.close()
        await asyncio.gather(*(connection.lost for connection in closing))

    async def _place(self, request: httpx.Request, timeout_s: float | None) -> None:
        if not self._places.locked():  # then there is nothing to wait for, and no timeout to be set up
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection", request=request) from None

    def _kept(self) -> _Connection | None:
        """The connection used last, if any is still good; older ones are left to grow stale."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since + self._idle_s > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx.URL, timeout_s: float | None) -> _Connection:
        secure = url.scheme == "https"
        host = url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection,
                    host,
                    url.port or (443 if secure else 80),
                    ssl=self._ssl_context if secure else None,
                    server_hostname=host if secure else None,
                    happy_eyeballs_delay=0.25,
                )
            connection.drop_unsent()
        except TimeoutError as fault:
            # asyncio's own clock or the system's (ETIMEDOUT): no connection either way.
            raise httpx.ConnectTimeout(str(fault) or "no connection in time") from fault
        except OSError as fault:  # refused, unreachable, unknown names (gaierror), TLS (SSLError)
            raise httpx.ConnectError(str(fault)) from fault
        self._all.add(connection)
        connection.lost.add_done_callback(lambda _: self._all.discard(connection))
        return connection

    async def give_back(self, connection: _Connection | None, *, kept: bool) -> None:
        """A request is over. Without `kept` nothing of it is sent from now on; else others may use its connection."""
        try:
            if connection is not None:
                if kept:
                    connection.idle_since = time.monotonic()
                    self._idle.append(connection)
                else:
                    connection.close()
                    await asyncio.wait((connection.lost,))
        finally:
            self._places.release()


class _Connection(asyncio.Protocol):
    """One connection and the bytes that came over it."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.idle_since = 0.0
        self.ended = False  # the server will send no more
        self._fault: Exception | None = None
        self._writing_paused = False
        self._reading_paused = False
        self._waiter: asyncio.Future[None] | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > _READ_AHEAD and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._fault = exc
        self._wake()
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()

    # What the transport asks for.

    def is_silent(self) -> bool:
        """Whether an idle connection can be used: still open, and not a byte has come unasked.

        The socket itself is asked too: the loop may not have got round to reading a close yet.
        """
        if self.ended or self.buffer or self._transport.is_closing():
            return False
        sock: socket.socket = self._transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return not poll.poll(0)

    @property
    def is_sent(self) -> bool:
        """Whether everything written has been handed to the system."""
        return self._transport.get_write_buffer_size() == 0

    async def send(self, data: bytes, timeout_s: float | None) -> None:
        """Write a request. A server that answers or closes early ends the wait: what it said is worth reading."""
        self._transport.write(data)
        if not self._writing_paused:  # nearly always, and setting up a timeout takes as long as the write
            return
        try:
            async with asyncio.timeout(timeout_s):
                while self._writing_paused and not self.ended and not self.buffer:
                    await self._wait()
        except TimeoutError:
            raise httpx.WriteTimeout("the server takes no more of the request") from None

    async def head(self, timeout_s: float | None) -> Head:
        try:
            while (head := take_head(self.buffer)) is None:
                if self.ended:
                    self._disconnected("before it answered")
                await self.more(timeout_s)
        except MalformedError as fault:
            raise httpx.RemoteProtocolError(str(fault)) from fault
        return head

    async def more(self, timeout_s: float | None) -> None:
        """Wait until more bytes came, or the end."""
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait()
        except TimeoutError:
            raise httpx.ReadTimeout(f"nothing came for {timeout_s:g} s") from None

    def check_clean(self, *, may_end: bool) -> None:
        """Raises: httpx's errors, when the connection broke, or ended although the answer has not."""
        if self._fault is not None or not may_end:
            self._disconnected("within its answer")

    def drop_unsent(self) -> None:
        """Leave nothing in the kernel's queue when the connection, or the process, comes to its end."""
        linger.drop_unsent(self._transport)

    def close(self) -> None:
        self._transport.abort()

    def _disconnected(self, when: str) -> NoReturn:
        if self._fault is not None:
            raise httpx.ReadError(f"the connection broke {when}: {self._fault}")
        raise httpx.RemoteProtocolError(f"the server closed the connection {when}")

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Body(httpx.AsyncByteStream):
    """The body of an answer. Closing it gives the connection back, or ends it when the body was not read whole.

    An iterator by hand and not a generator: one that is left half way needs no clearing up by the event loop.
    """

    def __init__(
        self, transport: DirectTransport, connection: _Connection, head: Head, timeout_s: float | None
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._head = head
        self._timeout_s = timeout_s
        self._chunks = Chunks() if head.chunked else None
        self._left = head.length
        self._whole = head.length == 0
        self._closed = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        while not self._whole:
            try:
                piece = self._take(self._connection.buffer)
            except MalformedError as fault:
                raise httpx.RemoteProtocolError(str(fault)) from fault
            if piece:
                return piece
            if not self._whole:
                await self._connection.more(self._timeout_s)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        connection = self._connection
        kept = self._whole and self._head.kept and connection.is_sent and not (connection.ended or connection.buffer)
        await self._transport.give_back(connection, kept=kept)

    def _take(self, buffer: bytearray) -> bytes:
        """What came and was not taken yet, empty when more has to come first."""
        if self._chunks is not None:
            piece = self._chunks.take(buffer)
            self._whole = self._chunks.done
        else:
            piece = bytes(buffer if self._left is None else buffer[: self._left])
            del buffer[: len(piece)]
            if self._left is not None:
                self._left -= len(piece)
                self._whole = self._left == 0
        if not piece and not self._whole and self._connection.ended:
            self._connection.check_clean(may_end=self._head.ends_with_connection)
            self._whole = True
        return piece


def _head_bytes(request: httpx.Request) -> bytes:
    """Request line and headers. Raises: `httpx.LocalProtocolError` where one of them would end its line early."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % pair for pair in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header holds a line end", request=request)
    return head + b"\r\n\r\n"
