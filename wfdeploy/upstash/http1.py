"""Reading HTTP/1.1 responses (RFC 9112), strictly and without any I/O.

Strict, since a response that could be read in two ways must not decide whether a run was started: what isn't plainly
right is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST_HEAD = 64 * 1024
_LONGEST_CHUNK_LINE = 4 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?")


class MalformedError(Exception):
    """What came isn't an HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers, and what they say of the body.

    `length`: bytes of the body; None when it is chunked or ends with the connection. `kept`: the server lets the
    connection be used again.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    length: int | None
    chunked: bool
    kept: bool

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body ends where the connection does, so that nothing tells a whole one from a cut one."""
        return self.length is None and not self.chunked


def take_head(buffer: bytearray) -> Head | None:
    """Take a whole head off the front of the buffer, None while there isn't one; interim (1xx) ones are passed over.

    Raises: `MalformedError`.
    """
    while True:
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > _LONGEST_HEAD:
            if len(buffer) > _LONGEST_HEAD:
                raise MalformedError("the response's headers are too long")
            return None
        first, *lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise MalformedError("the response doesn't begin as HTTP/1.1")
        status = int(match[2])
        if status == 101:
            raise MalformedError("the server changed the protocol unasked")
        if status >= 200:
            return _head(status, lines, modern=match[1] == b"1")


def _head(status: int, lines: list[bytes], *, modern: bool) -> Head:
    headers: list[tuple[bytes, bytes]] = []
    lengths: set[bytes] = set()
    coding: bytes | None = None
    kept = modern
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise MalformedError("the response has a malformed header")
        name, value = match[1].lower(), match[2]
        headers.append((name, value))
        if name == b"content-length":
            lengths.add(value)
        elif name == b"transfer-encoding":
            coding = value.lower() if coding is None else b"twice"
        elif name == b"connection" and b"close" in value.lower():
            kept = False
    if status in (204, 304):
        return Head(status, headers, 0, False, kept)
    if coding is not None:
        if coding != b"chunked" or lengths or not modern:
            raise MalformedError("the response's length can't be told")
        return Head(status, headers, None, True, kept)
    if not lengths:
        return Head(status, headers, None, False, False)
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise MalformedError("the response's length can't be told")
    return Head(status, headers, int(length), False, kept)


class Chunks:
    """Takes a chunked body out of a buffer, piece by piece."""

    def __init__(self) -> None:
        self._left = 0  # of the chunk's data and the line end after it
        self._trailers = False
        self.done = False

    def take(self, buffer: bytearray) -> bytes:
        """What of the body the buffer holds; the buffer keeps what can't be told yet. Raises: `MalformedError`."""
        taken = bytearray()
        while not self.done:
            if self._left > 2:
                piece = buffer[: self._left - 2]
                if not piece:
                    break
                taken += piece
                del buffer[: len(piece)]
                self._left -= len(piece)
            elif self._left:
                if len(buffer) < 2:
                    break
                if buffer[:2] != b"\r\n":
                    raise MalformedError("a chunk is longer than it says")
                del buffer[:2]
                self._left = 0
            elif not self._next_line(buffer):
                break
        return bytes(taken)

    def _next_line(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\r\n")
        if end < 0 or end > _LONGEST_CHUNK_LINE:
            if len(buffer) > _LONGEST_CHUNK_LINE:
                raise MalformedError("a chunk's first line is too long")
            return False
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        if self._trailers:
            self.done = not line
            return True
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise MalformedError("a chunk has no length")
        size = int(match[1], 16)
        self._trailers = size == 0
        self._left = size + 2 if size else 0
        return True
