"""One kept connection to an endpoint, and one request at a time over it.

h11 over asyncio's streams, with nothing in between: the connection pools of HTTP clients took more than half of the
time of a delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache

import h11
import httpx

CONNECT_TIMEOUT_S = 10.0

KEEP_ALIVE_S = 4.0
"""Less than the 5 s after which uvicorn closes an idle connection, so that a request never meets the closing."""

_CHUNK = 65_536


class ConnectError(Exception):
    """Nobody answered the call for a connection."""


class BrokenExchange(Exception):
    """The connection ended before the answer did."""


@lru_cache(maxsize=1024)
def _parts(url: str) -> tuple[bool, str, int, bytes, bytes]:
    """(TLS, host, port, request target, host header).

    Raises: httpx.InvalidURL.
    """
    parsed = httpx.URL(url)
    secure = parsed.scheme == "https"
    host = parsed.raw_host.decode("ascii")
    return secure, host, parsed.port or (443 if secure else 80), parsed.raw_path, parsed.netloc


class Lane:
    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._where: tuple[bool, str, int] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._used_at = 0.0

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, most: int
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
        """(status, headers, body), or None for an answer of more than `most` bytes.

        Raises: ConnectError, BrokenExchange, h11.ProtocolError, OSError, httpx.InvalidURL. The connection is not used
        again then, nor when the call is cancelled.
        """
        secure, host, port, target, authority = _parts(url)
        lines = [(name.encode("latin-1", "replace"), value.encode()) for name, value in headers.items()]
        lines += [(b"Host", authority), (b"Content-Length", str(len(body)).encode())]
        request = h11.Request(method=method.encode("latin-1", "replace"), target=target, headers=lines)
        done = False
        try:
            reader, writer = await self._connected((secure, host, port))
            http = self._http
            writer.write(b"".join([http.send(request) or b"", http.send(h11.Data(data=body)) or b""]))
            http.send(h11.EndOfMessage())
            if len(body) > _CHUNK:
                with contextlib.suppress(ConnectionError):  # who refuses a body may have answered all the same
                    await writer.drain()
            answer = await _answer(http, reader, most)
            if answer is not None and http.our_state is h11.DONE and http.their_state is h11.DONE:
                http.start_next_cycle()
                self._used_at = time.monotonic()
                done = True
            return answer
        finally:
            if not done:
                self.drop()

    async def _connected(self, where: tuple[bool, str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = self._reader, self._writer
        fresh = time.monotonic() - self._used_at < KEEP_ALIVE_S
        if reader is not None and writer is not None and where == self._where and fresh and not reader.at_eof():
            return reader, writer
        self.drop()
        secure, host, port = where
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    host.strip("[]"), port, ssl=self._tls if secure else None, limit=_CHUNK
                )
        except TimeoutError:
            raise ConnectError(f"no connection within {CONNECT_TIMEOUT_S:g}s") from None
        except OSError as error:
            raise ConnectError(str(error)) from error
        self._where, self._reader, self._writer, self._http = where, reader, writer, h11.Connection(h11.CLIENT)
        return reader, writer

    def drop(self) -> None:
        """Close the connection, if there is one; without waiting for it."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def close(self) -> None:
        writer = self._writer
        self.drop()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(
    http: h11.Connection, reader: asyncio.StreamReader, most: int
) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_CHUNK)
            if not data and http.their_state is not h11.SEND_BODY:
                raise BrokenExchange("the connection was closed without an answer")
            http.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > most:
                return None
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            told = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items())
            return head.status_code, told, bytes(body)
        elif isinstance(event, h11.ConnectionClosed):
            raise BrokenExchange("the connection was closed without an answer")
