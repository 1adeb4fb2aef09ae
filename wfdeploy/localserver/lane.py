"""One kept connection to an endpoint, and one request at a time over it.

llhttp's parser (by httptools) over asyncio's transports, with nothing in between: the connection pools of HTTP clients
took more than half of the time of a delivery, and a parser in Python a quarter of what was left.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast

import httptools
import httpx

from wfdeploy.http import linger

CONNECT_TIMEOUT_S = 10.0

KEEP_ALIVE_S = 4.0
"""Less than the 5 s after which uvicorn closes an idle connection, so that a request never meets the closing."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_TEXT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ConnectError(Exception):
    """Nobody answered the call for a connection."""


class BrokenExchange(Exception):
    """The connection ended before the answer did."""


class BadAnswer(Exception):
    """What came back is no HTTP."""


class Unsendable(Exception):
    """No HTTP request can carry this."""


class Answer(NamedTuple):
    """Header names as received."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@lru_cache(maxsize=1024)
def _parts(url: str) -> tuple[tuple[bool, str, int], str, str]:
    """((TLS, host, port), request target, host header).

    Raises: httpx.InvalidURL.
    """
    parsed = httpx.URL(url)
    secure = parsed.scheme == "https"
    host = parsed.raw_host.decode("ascii").strip("[]")
    return (
        (secure, host, parsed.port or (443 if secure else 80)),
        parsed.raw_path.decode("ascii"),
        parsed.netloc.decode("ascii"),
    )


def _head(method: str, target: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """Raises: Unsendable, so that no value can say more than its own header."""
    if not _TOKEN.fullmatch(method):
        raise Unsendable(f"{method!r} is no method")
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if not _is_name(name) or _NO_TEXT.search(value):
            raise Unsendable(f"header {name!r} holds what no header can")
        lines.append(f"{name}: {value}")
    lines.append(f"Host: {host}\r\nContent-Length: {length}\r\n\r\n")
    return "\r\n".join(lines).encode()


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None


class Lane:
    """A place for one connection, to whichever host the last request went."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._where: tuple[bool, str, int] | None = None
        self._connection: _Connection | None = None
        self._used_at = 0.0

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, most: int
    ) -> Answer | None:
        """The answer, or None for one of more than `most` bytes.

        Raises: ConnectError, BrokenExchange, BadAnswer, Unsendable, httpx.InvalidURL. The connection is not used again
        then, nor when the call is cancelled.
        """
        where, target, host = _parts(url)
        head = _head(method, target, host, headers, len(body))
        connection = await self._connected(where)
        try:
            return await connection.ask(head + body, most=most, has_no_body=method == "HEAD")
        finally:
            if connection.may_be_kept:
                self._used_at = time.monotonic()
            else:
                self.drop()

    async def _connected(self, where: tuple[bool, str, int]) -> _Connection:
        connection = self._connection
        fresh = time.monotonic() - self._used_at < KEEP_ALIVE_S
        if connection is not None and connection.may_be_kept and where == self._where and fresh:
            return connection
        self.drop()
        secure, host, port = where
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, host, port, ssl=self._tls if secure else None
                )
            connection.drop_unsent()
        except TimeoutError:
            raise ConnectError(f"no connection within {CONNECT_TIMEOUT_S:g}s") from None
        except OSError as error:
            raise ConnectError(str(error)) from error
        self._where, self._connection = where, connection
        return connection

    def drop(self) -> None:
        """Close the connection, if there is one; without waiting for it."""
        if self._connection is not None:
            self._connection.abort()
        self._connection = None

    async def close(self) -> None:
        connection = self._connection
        self.drop()
        if connection is not None:
            await connection.closed


class _Connection(asyncio.Protocol):
    """One connection; the methods `on_*` are the parser's, each message of the far end goes through them in order."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer | None] | None = None
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._most = 0
        self._has_no_body = False
        self._is_in_body = False
        self._ends_with_connection = False
        self.may_be_kept = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ask(self, request: bytes, *, most: int, has_no_body: bool) -> Answer | None:
        """Raises: BrokenExchange, BadAnswer."""
        self._most, self._has_no_body = most, has_no_body
        self.may_be_kept = False
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            raise BrokenExchange("the connection was closed without an answer")
        self._transport.write(request)
        return await self._answer

    def drop_unsent(self) -> None:
        """Leave nothing in the kernel's queue when the connection, or the process, comes to its end."""
        linger.drop_unsent(self._transport)

    def abort(self) -> None:
        self._transport.abort()

    # -- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no instances of it

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self._give_up()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BadAnswer("the endpoint wants to speak another protocol"))
        except httptools.HttpParserError as error:
            self._fail(BadAnswer(str(error)))

    def eof_received(self) -> None:
        if self._is_in_body and self._ends_with_connection:
            self._settle()
        else:
            self._fail(BrokenExchange(self._how_far()))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(BrokenExchange(self._how_far() if error is None else f"{type(error).__name__}: {error}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _how_far(self) -> str:
        return f"the connection was closed {'inside the' if self._is_in_body else 'without an'} answer"

    # -- the parser's side --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.may_be_kept = False  # an answer too many behind the one that was asked for
        self._headers.clear()
        self._body.clear()
        self._is_in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        said = {name.lower(): value.lower() for name, value in self._headers}
        self._is_in_body = self._parser.get_status_code() >= 200
        self._ends_with_connection = "content-length" not in said and "chunked" not in said.get("transfer-encoding", "")
        if self._has_no_body and self._is_in_body:
            self._settle()

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._most and self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
            self._give_up()

    def on_message_complete(self) -> None:
        if self._is_in_body:  # else it was an interim answer, as "103 Early Hints"
            self._settle(kept=self._parser.should_keep_alive())

    # -- the end ------------------------------------------------------------------------------------------------------

    def _settle(self, *, kept: bool = False) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), tuple(self._headers), bytes(self._body)))
            self.may_be_kept = kept
            self._is_in_body = False

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._give_up()

    def _give_up(self) -> None:
        self.may_be_kept = False
        self._transport.abort()
