"""One connection on top of asyncio, with one exchange at a time.

By default a kernel keeps sending a socket's queue after the socket is closed or its process killed, so a stalled path
may deliver a request minutes after it was given up. With a linger time of zero the kernel drops the queue and sends a
reset instead. It also goes on for a process that is stopped, and can give up nothing: that is what `limit_unsent` ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
import struct
import sys
from typing import NamedTuple, cast

import httpx

from wfdeploy.http.message import AnswerReader, RawAnswer


class Timeouts(NamedTuple):
    """Seconds that a phase may take; None means no limit. `read` limits the wait for the next bytes, not the whole
    answer."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class Connection(asyncio.Protocol):
    """A connection that `Pool` makes, opens and closes.

    `is_reusable`: whether another exchange may use it.
    `idle_since`: when the last exchange ended.
    """

    _transport: asyncio.Transport
    _socket: socket.socket

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._reader = AnswerReader()
        self._answer: asyncio.Future[RawAnswer | httpx.TransportError] | None = None
        self._timeouts = Timeouts()
        self._alarm: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        self._writing_paused = False
        self._has_ended = False  # no more data arrives
        self._is_all_said = False  # a whole answer arrived, and the kernel's queue is empty
        self._limit_ms = 0
        self.is_reusable = False
        self.idle_since = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()

    async def exchange(
        self, request: bytes, timeouts: Timeouts, *, max_bytes: int, bodiless: bool = False
    ) -> RawAnswer:
        """Send a request and read its answer, also one that arrives before the whole request is sent.

        `max_bytes`: the limit of the answer's body.
        `bodiless`: the answer has no body, whatever its headers say.

        Raises: httpx's errors. Only `ConnectError` means that nothing was sent.
        """
        self._is_all_said = self.is_reusable = False
        if self._has_ended or self._transport.is_closing():
            raise httpx.ConnectError("the connection was closed at once")
        self._timeouts = timeouts
        self._reader.expect(max_bytes=max_bytes, bodiless=bodiless)
        self._answer = self._loop.create_future()
        self._moved_at = self._loop.time()
        self._transport.write(request)
        self._watch()
        try:
            answer = await self._answer
        finally:
            self._answer = None
            if self._alarm is not None:
                self._alarm.cancel()
        if isinstance(answer, Exception):
            raise answer
        if not self._has_ended and not self._transport.is_closing():
            # If the server answered early, part of the request may still be queued and would be sent later.
            unsent = self._transport.get_write_buffer_size() > 0 or has_unsent(self._socket)
            self._is_all_said = not unsent
            self.is_reusable = not unsent and self._reader.kept
        return answer

    def is_silent(self) -> bool:
        """Whether the connection is still open and has received no unexpected byte.

        This also polls the socket, since the event loop may not have read a close yet.
        """
        return not (self._has_ended or self._transport.is_closing() or self._poll.poll(0))

    def drop_unsent(self) -> None:
        """Drop unsent bytes when the connection or the process ends. Raises: `OSError`."""
        drop_unsent(self._socket)

    def limit_unsent(self, seconds: float | None) -> None:
        """From now on, have the kernel break the connection when the far end takes nothing for so long; None: no limit.
        Does nothing where the system knows no such limit (it is Linux's). Raises: `OSError`."""
        limit_ms = 0 if seconds is None else min(max(1, int(1000 * seconds)), _LONGEST_LIMIT_MS)
        if limit_ms != self._limit_ms and hasattr(socket, "TCP_USER_TIMEOUT"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
            self._limit_ms = limit_ms

    async def secure(self, tls: ssl.SSLContext, host: str) -> None:
        """Switch to TLS, with the server behind a proxy's tunnel. Raises: `OSError`."""
        if self._has_ended:
            raise ConnectionResetError("the connection was closed before TLS")
        transport = await self._loop.start_tls(self._transport, self, tls, server_hostname=host)
        assert transport is not None
        self._transport = transport
        self._reader = AnswerReader()

    def close(self) -> None:
        """Close at once, with a reset unless both sides have finished. `closed` is done when the socket is closed."""
        if self._is_all_said and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                finish_unsent(self._socket)
        self._transport.abort()

    # -- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not instances of it
        self._socket = transport.get_extra_info("socket")
        self._poll.register(self._socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self._has_ended = True  # data without a request
            self._transport.abort()
            return
        self._moved_at = self._loop.time()
        try:
            answer = self._reader.feed(data)
        except httpx.RemoteProtocolError as error:
            self._settle(error)
            return
        if answer is not None:
            self._settle(answer)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._moved_at = self._loop.time()
        if self._answer is not None:
            self._watch()

    # -- the end ------------------------------------------------------------------------------------------------------

    def _end(self, error: Exception | None) -> None:
        self._has_ended = True
        if error is not None:
            self._settle(httpx.ReadError(f"the connection broke: {error}"))
            return
        try:
            self._settle(self._reader.end())
        except httpx.RemoteProtocolError as early:
            self._settle(early)

    def _settle(self, outcome: RawAnswer | httpx.TransportError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)

    def _watch(self) -> None:
        """Fail the exchange when no byte has moved within the timeout."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        is_writing = self._writing_paused and not self._reader.has_begun
        limit_s = self._timeouts.write if is_writing else self._timeouts.read
        if limit_s is None:
            return
        if self._moved_at + limit_s > self._loop.time():
            self._alarm = self._loop.call_at(self._moved_at + limit_s, self._watch)
        elif is_writing:
            self._settle(httpx.WriteTimeout("the server takes no more of the request"))
        else:
            self._settle(httpx.ReadTimeout(f"nothing came for {limit_s:g} s"))


if sys.platform == "linux":
    import fcntl
    import termios

_LONGEST_LIMIT_MS = 24 * 3600 * 1000

_FORMAT = "hh" if os.name == "nt" else "ii"
_DROP = struct.pack(_FORMAT, 1, 0)
_FINISH = struct.pack(_FORMAT, 0, 0)
_NOTHING = bytes(4)
_SO_NWRITE = 0x1024  # macOS; Python has no name for it


def drop_unsent(sock: socket.socket) -> None:
    """Make every later close drop the unsent bytes. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)


def finish_unsent(sock: socket.socket) -> None:
    """Make a later close the usual one, without a reset. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FINISH)


def has_unsent(sock: socket.socket) -> bool:
    """Whether the kernel holds bytes that the far end has not acknowledged; False where the system cannot tell."""
    unsent = False
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            unsent = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NOTHING) != _NOTHING
        elif sys.platform == "darwin":
            unsent = sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE) != 0
    return unsent
