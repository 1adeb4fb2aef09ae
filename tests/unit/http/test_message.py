"""Reading answers: the same whatever the pieces they come in, and nothing doubtful let through."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.http.message import AnswerReader, AnswerTooLarge, RawAnswer, request_bytes

MANY = 1_000_000


def read(*pieces: bytes, max_bytes: int = MANY, bodiless: bool = False) -> tuple[RawAnswer | None, bool]:
    """(the answer, if it is whole; whether the connection may be kept)"""
    reader = AnswerReader()
    reader.expect(max_bytes=max_bytes, bodiless=bodiless)
    answer = None
    for piece in pieces:
        answer = reader.feed(piece)
    return answer, reader.kept


def test_an_answer() -> None:
    answer, kept = read(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-A:  b c \r\n\r\n[]")
    assert answer == RawAnswer(201, ((b"Content-Length", b"2"), (b"X-A", b"b c")), b"[]")
    assert kept


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Long: " + b"a" * 40 + b"\r\n\r\nabc"


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=10).map(sorted))
def test_pieces_of_any_size(cuts: list[int]) -> None:
    ends = [*cuts, len(WHOLE)]
    pieces = [WHOLE[begin:end] for begin, end in zip([0, *cuts], ends, strict=True) if begin < end]
    reader = AnswerReader()
    reader.expect(max_bytes=3)
    *early, last = [reader.feed(piece) for piece in pieces]
    assert early == [None] * len(early)
    assert last is not None
    assert last.body == b"abc"


@pytest.mark.parametrize(
    ("head", "body", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"12345", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", b"12345", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: a, close\r\n\r\n", b"12345", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"12345", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", b"1\r\na\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 100 Continue\r\nB: c\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
            b"a",
            True,
        ),
    ],
)
def test_where_an_answer_ends(head: bytes, body: bytes, kept: bool) -> None:
    """And that what comes behind it belongs to nothing: the connection isn't kept then."""
    answer, may_be_kept = read(head + body)
    assert answer is not None
    assert answer.body == (b"a" if head.lower().count(b"chunked") else body)
    assert may_be_kept == kept
    assert not {b"A", b"B"} & {name for name, _ in answer.headers}
    if body:
        assert read(head + body[:-1])[0] is None
        assert read(head, body)[0] == answer
    for more in (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb", b"HTTP/1.1 200 OK\r\nX: ", b"junk"):
        assert read(head + body + more) == (answer, False)


def test_an_answer_that_ends_with_its_connection() -> None:
    reader = AnswerReader()
    reader.expect(max_bytes=MANY)
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nab") is None
    assert reader.feed(b"c") is None
    assert reader.end().body == b"abc"
    assert not reader.kept


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP",
    ],
)
def test_a_connection_that_ends_too_early(data: bytes) -> None:
    reader = AnswerReader()
    reader.expect(max_bytes=MANY)
    assert reader.feed(data) is None
    with pytest.raises(httpx.RemoteProtocolError):
        reader.end()


def test_an_answer_without_the_body_that_its_headers_tell_of() -> None:
    answer, kept = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", bodiless=True)
    assert answer is not None
    assert (answer.status, answer.body, kept) == (200, b"", False)


REFUSED = [
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nNo-Colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSpace : x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n Space: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n\tfolded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
    b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000,
    b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 12_000 + b"Content-Length: 0\r\n\r\n",
]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = [
    b"zz\r\n",
    b"-1\r\n",
    b"\r\n",
    b" 1\r\na\r\n",
    b"0x1\r\na\r\n",
    b"1\r\nab\r\n",
    b"1\na\r\n",
    b"1\r\na\n0\r\n\r\n",
    b"1\r\na\r\n0\n\r\n",
    b"1\r\na\r\n0\r\n\n",
    b"1" * 5000,
    b"fffffffffffffffff\r\n",
    b"1;" + b"a" * 70_000,
    b"1;a\r\nb\r\n" + (b"1;" + b"a" * 100 + b"\r\nb\r\n") * 1_000,
    b"0\r\n" + b"A: b\r\n" * 12_000,
    b"0\r\nNo-Colon\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
]


@pytest.mark.parametrize("data", [*REFUSED, *(CHUNKED + chunks for chunks in BAD_CHUNKS)], ids=lambda data: data[:60])
def test_what_is_not_plainly_right_is_refused(data: bytes) -> None:
    for piece_size in (65_536, 1_000, 7, 1):
        with pytest.raises(httpx.RemoteProtocolError):
            read(*(data[at : at + piece_size] for at in range(0, len(data), piece_size)))


def test_a_body_of_more_than_was_wanted_is_refused() -> None:
    for data in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",  # not a byte of it has come
        CHUNKED + b"2\r\nab\r\n2\r\ncd\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabcd",
    ):
        with pytest.raises(AnswerTooLarge, match="larger than 3 bytes"):
            read(data, max_bytes=3)
        read(data, max_bytes=4)


@given(
    st.lists(st.binary(max_size=30), max_size=6),
    st.lists(st.integers(1, 9), min_size=1),
    st.booleans(),
)
def test_chunks_come_out_whole_in_whatever_pieces_they_come_in(
    parts: list[bytes], sizes: list[int], trailer: bool
) -> None:
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts if part)
    data = CHUNKED + chunks + b"0\r\n" + (b"X-A: b\r\n" if trailer else b"") + b"\r\n"
    reader, answer, at = AnswerReader(), None, 0
    reader.expect(max_bytes=MANY)
    while at < len(data):
        for size in sizes:
            if at < len(data):
                answer = reader.feed(data[at : at + size])
                at += size
    assert answer is not None
    assert answer == RawAnswer(200, ((b"Transfer-Encoding", b"chunked"),), b"".join(parts))


def test_one_answer_after_another() -> None:
    reader = AnswerReader()
    for body in (b"", b"a", b"bc"):
        reader.expect(max_bytes=2)
        answer = reader.feed(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-%d: a\r\n\r\n%s" % (len(body), len(body), body)
        )
        assert answer is not None
        assert (answer.body, len(answer.headers), reader.kept) == (body, 2, True)


def test_a_request() -> None:
    headers = (("A", "b"), ("X-Team", "größe"))
    assert request_bytes("PUT", "/a%20b?q=1", headers, b"x\r\n") == (
        b"PUT /a%20b?q=1 HTTP/1.1\r\nA: b\r\nX-Team: gr\xc3\xb6\xc3\x9fe\r\n\r\nx\r\n"
    )


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        ("PO ST", "/", ("A", "")),
        ("", "/", ("A", "")),
        ("POST\r\n", "/", ("A", "")),
        ("POST", "/ HTTP/1.1\r\nEvil: c", ("A", "")),
        ("POST", "/a ", ("A", "")),
        ("POST", "", ("A", "")),
        ("POST", "/", ("A", "b\r\nEvil: c")),
        ("POST", "/", ("A", "b\nEvil: c")),
        ("POST", "/", ("A", "b\0")),
        ("POST", "/", ("A\n", "")),
        ("POST", "/", ("A B", "")),
        ("POST", "/", ("A:", "")),
        ("POST", "/", ("", "")),
    ],
)
def test_what_no_request_can_carry_is_refused(method: str, target: str, header: tuple[str, str]) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        request_bytes(method, target, (header,), b"")
