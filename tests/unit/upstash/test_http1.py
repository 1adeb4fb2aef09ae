"""Reading responses: the same whatever the pieces they come in, and nothing doubtful let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.upstash.http1 import Chunks, Head, MalformedError, take_head


def head(data: bytes) -> Head | None:
    return take_head(bytearray(data))


def test_a_head_is_taken_off_the_buffer() -> None:
    buffer = bytearray(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-A:  b c \r\n\r\n[]rest")
    taken = take_head(buffer)
    assert taken == Head(201, [(b"content-length", b"2"), (b"x-a", b"b c")], 2, chunked=False, kept=True)
    assert buffer == b"[]rest"


@given(st.integers(0, 60))
def test_half_a_head_is_not_taken(size: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"a" * 40 + b"\r\n\r\n"
    buffer = bytearray(data[:size])
    assert take_head(buffer) is None
    assert buffer == data[:size]


@pytest.mark.parametrize(
    ("data", "length", "chunked", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5, False, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", 5, False, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", 5, False, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 5, False, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", None, True, True),
        (b"HTTP/1.1 200 OK\r\n\r\n", None, False, False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 0, False, True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, False, True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
            1,
            False,
            True,
        ),
    ],
)
def test_how_long_the_body_is(data: bytes, length: int | None, chunked: bool, kept: bool) -> None:
    taken = head(data)
    assert taken is not None
    assert (taken.length, taken.chunked, taken.kept) == (length, chunked, kept)
    assert taken.ends_with_connection == (length is None and not chunked)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo-Colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSpace : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_plainly_right_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        head(data)


def chunked(parts: list[bytes], *, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n" + trailer + b"\r\n"


@given(
    st.lists(st.binary(max_size=30), max_size=6),
    st.lists(st.integers(1, 9), min_size=1),
    st.booleans(),
    st.binary(max_size=5),
)
def test_chunks_come_out_whole_in_whatever_pieces_they_come_in(
    parts: list[bytes], sizes: list[int], trailer: bool, rest: bytes
) -> None:
    data = chunked(parts, trailer=b"X-A: b\r\n" if trailer else b"") + rest
    buffer, chunks, out, at = bytearray(), Chunks(), bytearray(), 0
    while not chunks.done:
        for size in sizes:
            buffer += data[at : at + size]
            at += size
            out += chunks.take(buffer)
    assert bytes(out) == b"".join(parts)
    assert bytes(buffer) + data[at:] == rest


@pytest.mark.parametrize(
    "data", [b"zz\r\n", b"-1\r\n", b"\r\n", b"0x1\r\na\r\n", b"1\r\nab\r\n", b"1" * 5000, b"fffffffffffff\r\n"]
)
def test_bad_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Chunks().take(bytearray(data))
