"""Write requests as bytes and parse answers from bytes: HTTP/1.1 (RFC 9112) without I/O.

llhttp (httptools) parses strictly, and this module is stricter: an ambiguous answer must not decide whether a run was
started, so anything that is not clearly valid is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

import httptools
import httpx

_OVERHEAD_BYTES = 64 * 1024
"""The bytes allowed around a body: status line and headers, interim answers, lines between chunks, trailers."""

_OVERHEAD_PER_BYTE = 8
"""The additional bytes allowed per byte of the body, since chunks may be small."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_CONTROL_CHARACTERS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])


class RawAnswer(NamedTuple):
    """A whole answer. Header names are as received."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class AnswerTooLarge(httpx.RemoteProtocolError):
    """The answer has more bytes than the caller accepts."""


def request_bytes(method: str, target: str, headers: Collection[tuple[str, str]], body: bytes) -> bytes:
    """The bytes of a request; `headers` must contain the length of its body.

    Raises: `httpx.LocalProtocolError` for text that would break out of its header.
    """
    if not _is_token(method) or not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError(f"no request line can hold {method!r} and {target!r}")
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *map(": ".join, headers)]).encode()
    if _control_characters(head) != 2 * len(headers) or not all(map(_is_token, dict(headers))):
        bad = next(name for name, value in headers if not _is_token(name) or _control_characters(value.encode()))
        raise httpx.LocalProtocolError(f"header {bad!r} holds what no header can")
    return b"%s\r\n\r\n%s" % (head, body)


def _control_characters(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROL_CHARACTERS))


@lru_cache(maxsize=1024)
def _is_token(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None


class AnswerReader:
    """Reads the answers of one connection, one for each `expect`. The parser calls the methods `on_*`.

    `kept`: whether the server allows another request on the connection after the answer.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.expect(max_bytes=0)

    def expect(self, *, max_bytes: int, bodiless: bool = False) -> None:
        """Prepare for the next answer, of at most `max_bytes`. `bodiless`: it has no body, whatever its headers say."""
        self.kept = False
        self.has_begun = False
        self._max_bytes = max_bytes
        self._bodiless = bodiless
        self._answer: RawAnswer | None = None
        self._fault: httpx.RemoteProtocolError | None = None
        self._fed = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._size = 0
        self._is_in_body = False
        self._ends_with_connection = False

    def feed(self, data: bytes) -> RawAnswer | None:
        """Parse more bytes; the answer once it is complete. Raises: `httpx.RemoteProtocolError`."""
        if not self.has_begun and data[:1] != b"H":  # llhttp skips empty lines, and accepts other protocols
            raise httpx.RemoteProtocolError("the server sent no HTTP/1.1 answer")
        self.has_begun = True
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.kept = False
            if self._answer is None:  # otherwise it concerns bytes after the answer
                self._refuse(f"the server sent no HTTP/1.1 answer: {error}")
        if self._fed - self._size > _OVERHEAD_BYTES + _OVERHEAD_PER_BYTE * self._size:
            self._refuse("the answer's headers are too long")
        if self._fault is not None:
            raise self._fault
        return self._answer

    def end(self) -> RawAnswer:
        """The answer that ends with the connection. Raises: `httpx.RemoteProtocolError`."""
        if not self._is_in_body:
            raise httpx.RemoteProtocolError("the connection was closed without an answer")
        if not self._ends_with_connection:
            raise httpx.RemoteProtocolError("the connection was closed inside the answer")
        return self._take()

    # -- the parser's side --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.kept = False  # a second answer, which nobody requested, makes the connection unusable
        if self._answer is None:
            self._headers.clear()  # of an interim answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_body:  # otherwise it is a trailer
            self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._answer is not None or (100 <= status < 200 and status != 101):
            return
        if status <= 101:
            self._refuse(f"the server answered {status}")
            return
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(f"the server speaks HTTP/{version}")
        lengths, codings = self._values(b"content-length"), self._values(b"transfer-encoding")
        if codings and (lengths or len(codings) > 1 or codings[0].lower() != b"chunked" or version != "1.1"):
            self._refuse("the answer's length is ambiguous")
        self._is_in_body = True
        self._ends_with_connection = not lengths and not codings
        if self._bodiless:
            self._settle()
        elif lengths and status not in (204, 304) and int(lengths[0]) > self._max_bytes:
            self._refuse_size()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._answer is not None:
            return  # it belongs to a second answer
        if self._size > self._max_bytes:
            self._refuse_size()
        else:
            self._body += body

    def on_message_complete(self) -> None:
        if self._is_in_body and self._answer is None:
            self._settle()
            self.kept = self._parser.should_keep_alive()

    # -- the end ------------------------------------------------------------------------------------------------------

    def _values(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self._headers if len(name) == len(wanted) and name.lower() == wanted]

    def _settle(self) -> None:
        self._answer = self._take()

    def _take(self) -> RawAnswer:
        body, self._body = bytes(self._body), bytearray()
        return RawAnswer(self._parser.get_status_code(), tuple(self._headers), body)

    def _refuse(self, reason: str) -> None:
        self._fault = self._fault or httpx.RemoteProtocolError(reason)

    def _refuse_size(self) -> None:
        self._fault = self._fault or AnswerTooLarge(f"the answer is larger than {self._max_bytes:,} bytes")
