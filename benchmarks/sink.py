"""A server that takes every run and does nothing with it: `python -m benchmarks.sink`.

It speaks as much of the API as an apply needs, over HTTP/1.1 on a loopback socket, so fast that the client is what is
measured. It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re
import sys
import time
from email.utils import formatdate

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
# Looked for, not parsed: parsing would be most of what the machine does, and the harness counts what was found.
_RUN_ID = re.compile(rb'"Upstash-Workflow-RunId":"([^"]*)"')
_RUN_ID_OF_SDK = re.compile(rb'"upstash-workflow-runid":"([^"]*)"')
_LOGS = b'{"cursor":"","runs":[]}'


class Counts:
    """What came in, over all connections."""

    def __init__(self) -> None:
        self.requests = 0
        self.runs = 0


class Sink(asyncio.Protocol):
    """One connection. Every answer is held back for `latency_s`."""

    _transport: asyncio.Transport

    def __init__(self, counts: Counts, latency_s: float) -> None:
        self._counts = counts
        self._latency_s = latency_s
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[: end + 2])
            match = _LENGTH.search(head)
            whole = end + 4 + (int(match[1]) if match else 0)
            if len(self._buffer) < whole:
                return
            body = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            reply = self._answer(head, body)
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._send, reply)
            else:
                self._transport.write(reply)

    def _send(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST /v2/batch/trigger "):
            return _response(201, self._take(_RUN_ID.findall(body)))
        if head.startswith(b"POST /v2/batch "):  # what the official SDKs use
            return _response(201, self._take(_RUN_ID_OF_SDK.findall(body)))
        if head.startswith(b"GET /v2/workflows/logs"):
            return _response(200, _LOGS)
        if head.startswith(b"GET /counts "):
            return _response(200, json.dumps(vars(self._counts)).encode())
        return _response(404, b'{"error":"not found"}')

    def _take(self, ids: list[bytes]) -> bytes:
        self._counts.requests += 1
        self._counts.runs += len(ids)
        between = b'","workflowCreatedAt":%d},{"workflowRunId":"' % (time.time_ns() // 1_000_000)
        middle = between.join(ids)
        return b'[{"workflowRunId":"' + middle + between[: between.index(b"}") + 1] + b"]" if ids else b"[]"


@functools.lru_cache(maxsize=2)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()


def _response(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d OK\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, _date(int(time.time())), len(body)) + body


async def serve(latency_s: float) -> None:
    """Answer until standard input ends."""
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(counts, latency_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().latency_ms / 1000))
