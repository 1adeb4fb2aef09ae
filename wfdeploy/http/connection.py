"""One connection, straight over asyncio, and one exchange at a time over it.

What a kernel does with a socket's send queue once the socket is closed, or its process killed: by default it goes on
sending, so a path that stalls may deliver a request minutes after it was given up. With a linger time of zero the queue
is dropped, and the far end gets a reset in place of the rest.
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

from wfdeploy.http.message import Answer, AnswerReader


class Timeouts(NamedTuple):
    """Seconds that a phase may take, None for any time. `read` is for the next bytes of an answer, not for all."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class Connection(asyncio.Protocol):
    """Made by `Pool`, which also opens and closes it.

    `is_reusable`: it may be used for another exchange. `idle_since`: when the last one ended.
    """

    _transport: asyncio.Transport
    _socket: socket.socket

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._reader = AnswerReader()
        self._answer: asyncio.Future[Answer | httpx.TransportError] | None = None
        self._timeouts = Timeouts()
        self._alarm: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        self._writing_paused = False
        self._has_ended = False  # nothing comes any more
        self._is_all_said = False  # a whole answer came, and nothing waits in the kernel
        self.is_reusable = False
        self.idle_since = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()

    async def exchange(self, request: bytes, timeouts: Timeouts, *, max_bytes: int, bodiless: bool = False) -> Answer:
        """Send a request, read its answer. `max_bytes` bounds the answer's body; `bodiless`: it has none, whatever its
        headers say.

        A server that answers before it has read the request is heard. Raises: httpx's errors. Only `ConnectError` means
        that nothing was sent.
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
            # What was answered without being read may still be queued; a kept connection would go on sending it.
            unsent = self._transport.get_write_buffer_size() > 0 or has_unsent(self._socket)
            self._is_all_said = not unsent
            self.is_reusable = not unsent and self._reader.kept
        return answer

    def is_silent(self) -> bool:
        """Whether it can be used again: still open, and not a byte has come unasked.

        The socket itself is asked too: the loop may not have got round to reading a close yet.
        """
        return not (self._has_ended or self._transport.is_closing() or self._poll.poll(0))

    def drop_unsent(self) -> None:
        """Leave nothing to the kernel when the connection, or the process, comes to its end. Raises: `OSError`."""
        drop_unsent(self._socket)

    async def secure(self, tls: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with another server than so far. Raises: `OSError`."""
        if self._has_ended:
            raise ConnectionResetError("the connection was closed before TLS")
        transport = await self._loop.start_tls(self._transport, self, tls, server_hostname=host)
        assert transport is not None
        self._transport = transport
        self._reader = AnswerReader()

    def close(self) -> None:
        """Close it, at once. The far end gets a reset, unless everything was said on both sides. See `closed`."""
        if self._is_all_said and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                finish_unsent(self._socket)
        self._transport.abort()

    # -- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no instances of it
        self._socket = transport.get_extra_info("socket")
        self._poll.register(self._socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self._has_ended = True  # nobody asked
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

    def _settle(self, outcome: Answer | httpx.TransportError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)

    def _watch(self) -> None:
        """Give the exchange up once nothing has moved for too long."""
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

_FORMAT = "hh" if os.name == "nt" else "ii"
_DROP = struct.pack(_FORMAT, 1, 0)
_FINISH = struct.pack(_FORMAT, 0, 0)
_NOTHING = bytes(4)
_SO_NWRITE = 0x1024  # of macOS, for which Python has no name


def drop_unsent(sock: socket.socket) -> None:
    """From now on, send nothing more after a close, whoever closes. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)


def finish_unsent(sock: socket.socket) -> None:
    """From now on, close in the usual way, without a reset. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FINISH)


def has_unsent(sock: socket.socket) -> bool:
    """Whether the kernel holds bytes that the far end hasn't confirmed, as far as this system tells."""
    unsent = False
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            unsent = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NOTHING) != _NOTHING
        elif sys.platform == "darwin":
            unsent = sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE) != 0
    return unsent
