"""A proxy that loses, breaks and delays requests and answers on their way to a real server.

It stands in front of any HTTP/1.1 server. What goes wrong is decided request by request, by a script or by chance with
a seed; `done` counts it, so that a test knows what the client lived through.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.fakes.loop_thread import LoopThread, reset
from tests.fakes.raw_http import RawRequest, read_request, response


class Fault(Enum):
    """What happens to one request. The server acted in the second group and did not in the first."""

    REFUSE = "reset before anything is read"
    DROP_REQUEST = "read, then closed: never forwarded"
    HANG_REQUEST = "read, then silence: never forwarded"
    UNAVAILABLE = "503 of the proxy's own: never forwarded"
    THROTTLE = "429 of the proxy's own: never forwarded"

    PASS = "forwarded, and the answer given"
    DELAY = "the answer given late"
    DROP_ANSWER = "forwarded, the answer dropped and the connection closed"
    RESET_ANSWER = "forwarded, the connection reset in the middle of the answer"
    HANG_ANSWER = "forwarded, the answer never given"
    GARBLE_ANSWER = "forwarded, the answer's body garbled"
    CUT_ANSWER = "forwarded, the answer's body cut short, its length corrected"
    BAD_GATEWAY = "forwarded, then 502 with a page of HTML"
    ANSWER_TWICE = "forwarded, and the answer given twice"
    TWICE = "forwarded twice, and the second answer given"


ACTED = frozenset(
    {
        Fault.PASS,
        Fault.DELAY,
        Fault.DROP_ANSWER,
        Fault.RESET_ANSWER,
        Fault.HANG_ANSWER,
        Fault.GARBLE_ANSWER,
        Fault.CUT_ANSWER,
        Fault.BAD_GATEWAY,
        Fault.ANSWER_TWICE,
        Fault.TWICE,
    }
)

Policy: TypeAlias = Callable[[RawRequest], Fault]
"""What to do with a request; `Fault.REFUSE` is asked for separately, see `FaultProxy.refuse_next`."""


def scripted(faults: Iterable[Fault], *, only: str = "") -> Policy:
    """One fault per request whose path begins with `only`, then `PASS`."""
    left = iter(tuple(faults))

    def policy(request: RawRequest) -> Fault:
        return next(left, Fault.PASS) if request.path.startswith(only) else Fault.PASS

    return policy


def by_chance(seed: int, weights: Mapping[Fault, float], *, only: str = "") -> Policy:
    """A fault drawn for each request whose path begins with `only`; the same seed draws the same faults."""
    chance = random.Random(seed)
    faults, shares = tuple(weights), tuple(weights.values())

    def policy(request: RawRequest) -> Fault:
        if not request.path.startswith(only):
            return Fault.PASS
        return chance.choices(faults, shares)[0]

    return policy


class FaultProxy(LoopThread):
    """A proxy in front of `upstream`; `url` stands for it. Change `policy` at any time.

    `delay_s` is how late `DELAY` is. `log` holds (fault, request) in the order of arrival; `done` counts the faults.
    """

    def __init__(self, upstream: str, policy: Policy | None = None, *, delay_s: float = 0.05) -> None:
        super().__init__()
        parts = urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._delay_s = delay_s
        self._refusals = 0
        self.policy = policy or scripted(())
        self.done: Counter[Fault] = Counter()
        self.log: list[tuple[Fault, RawRequest]] = []

    def refuse_next(self, connections: int = 1) -> None:
        """Reset that many new connections before a byte of them is read."""
        self._refusals += connections

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusals:
            self._refusals -= 1
            self.done[Fault.REFUSE] += 1
            reset(writer)
            return
        while not writer.is_closing() and (request := await read_request(reader)) is not None:
            fault = self.policy(request)
            self.done[fault] += 1
            self.log.append((fault, request))
            self.changed()
            await self._carry_out(fault, request, reader, writer)

    async def _carry_out(
        self, fault: Fault, request: RawRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if fault is Fault.TWICE:
            await self._forward(request)
        answer = await self._forward(request) if fault in ACTED else b""
        head, _, body = answer.partition(b"\r\n\r\n")
        match fault:
            case Fault.PASS | Fault.TWICE:
                writer.write(answer)
            case Fault.ANSWER_TWICE:
                writer.write(answer * 2)
            case Fault.DELAY:
                await asyncio.sleep(self._delay_s)
                writer.write(answer)
            case Fault.UNAVAILABLE:
                writer.write(response(503, {"error": "try later"}))
            case Fault.THROTTLE:
                writer.write(response(429, {"error": "slow down"}, {"Retry-After": "0"}))
            case Fault.BAD_GATEWAY:
                writer.write(response(502, "<html><title>502 Bad Gateway</title></html>"))
            case Fault.GARBLE_ANSWER:
                writer.write(head + b"\r\n\r\n" + bytes(255 - octet for octet in body))
            case Fault.CUT_ANSWER:
                writer.write(response(201, body[: len(body) // 2]))
            case Fault.RESET_ANSWER:
                writer.write(answer[: len(head) + 4 + len(body) // 2])
                await writer.drain()
                reset(writer)
                return
            case Fault.DROP_REQUEST | Fault.DROP_ANSWER:
                writer.close()
                return
            case Fault.HANG_REQUEST | Fault.HANG_ANSWER:
                while await reader.read(65536):
                    pass
                return
            case Fault.REFUSE:
                reset(writer)
                return
        await writer.drain()

    async def _forward(self, request: RawRequest) -> bytes:
        """The server's whole answer, with a length and without a word about the connection."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(request.raw)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].split(b"\r\n")
            fields = [(line, *line.lower().partition(b":")[::2]) for line in lines]
            said = {name: value.strip() for _, name, value in fields}
            if said.get(b"transfer-encoding") == b"chunked":
                body = await _unchunked(reader)
            elif b"content-length" in said:
                body = await reader.readexactly(int(said[b"content-length"]))
            else:
                body = b""
            dropped = (b"connection", b"transfer-encoding", b"content-length", b"keep-alive")
            kept = [line for line, name, _ in fields if name not in dropped]
            return b"\r\n".join([first, *kept, b"Content-Length: %d" % len(body), b"", body])
        finally:
            writer.close()


async def _unchunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return bytes(body)
