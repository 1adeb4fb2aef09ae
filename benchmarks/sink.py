"""A server that takes every run and does nothing with it: `python -m benchmarks.sink`.

It speaks as much of the API as the commands need, over HTTP/1.1 on a loopback socket, so fast that the client is what
is measured. It lists what it took, by account (a token is one), all in the state that it was told to give. It prints
its port, and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qsl

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
# Looked for, not parsed: parsing would be most of what the machine does, and the harness counts what was found.
_RUN_ID = re.compile(rb'"Upstash-Workflow-RunId":"([^"]*)"')
_RUN_ID_OF_SDK = re.compile(rb'"upstash-workflow-runid":"([^"]*)"')
_TOKEN = re.compile(rb"\r\nauthorization: *bearer +([^\r]*)\r\n", re.IGNORECASE)
_LETTERS = 100
"""Dead letters a page, the most there are."""


@dataclass(slots=True)
class Account:
    """What came in with one token. `runs`: ids and times of creation; the first `shown` are listed."""

    runs: list[tuple[str, int]] = field(default_factory=list)
    shown: int | None = None
    state: str = "RUN_STARTED"

    def page(self, query: dict[str, str], what: str, size: int) -> bytes:
        """A page of a listing, the latest first; the cursor is a position."""
        found = self.runs[: self.shown]
        if wanted := query.get("workflowRunId"):
            found = [run for run in found if run[0] == wanted]
        end = int(query.get("cursor") or len(found))
        start = max(end - size, 0)
        since_ms = int(query.get("fromDate", 0))
        shown = [self._entry(run, query) for run in reversed(found[start:end]) if run[1] >= since_ms]
        cursor = str(start) if start and len(shown) == end - start else ""
        return json.dumps({"cursor": cursor, what: shown}).encode()

    def _entry(self, run: tuple[str, int], query: dict[str, str]) -> dict[str, object]:
        run_id, created_at_ms = run
        entry: dict[str, object] = {"workflowRunId": run_id, "labels": [query.get("label", "")]}
        entry |= {"workflowRunCreatedAt": created_at_ms, "workflowCreatedAt": created_at_ms}
        entry |= {"workflowState": self.state, "workflowUrl": "https://app.example.com/api/workflow/onboard"}
        return entry | ({"dlqId": f"dlq-{run_id}"} if self.state == "RUN_FAILED" else {})


class Taken:
    """What came in over all connections."""

    def __init__(self) -> None:
        self.count = 0
        self.accounts: defaultdict[str, Account] = defaultdict(Account)


class Sink(asyncio.Protocol):
    """One connection. Every answer is held back for `latency_s`."""

    _transport: asyncio.Transport

    def __init__(self, taken: Taken, latency_s: float) -> None:
        self._taken = taken
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
        method, target, _ = head.decode("latin-1").split(" ", 2)
        path, _, query = target.partition("?")
        token = _TOKEN.search(head)
        account = self._taken.accounts[token[1].decode("latin-1") if token else ""]
        match method, path:
            case "POST", "/v2/batch/trigger":
                return _response(201, self._take(account, _RUN_ID.findall(body)))
            case "POST", "/v2/batch":  # what the official SDKs use
                return _response(201, self._take(account, _RUN_ID_OF_SDK.findall(body)))
            case "GET", "/v2/workflows/logs":
                asked = dict(parse_qsl(query))
                return _response(200, account.page(asked, "runs", int(asked["count"])))
            case "GET", "/v2/workflows/dlq":
                return _response(200, account.page(dict(parse_qsl(query)), "messages", _LETTERS))
            case "DELETE", "/v2/workflows/runs":
                return _response(200, b'{"cancelled":%d}' % query.count("workflowRunIds="))
            case "POST", _ if path.startswith("/v2/workflows/dlq/resume/"):
                self._taken.count += 1
                again = {"workflowRunId": f"wfr_again-{self._taken.count}", "workflowCreatedAt": _now_ms()}
                return _response(200, json.dumps(again).encode())
            case "GET", "/taken":
                return _response(200, b"%d" % self._taken.count)
            case "GET", "/remembered":
                return _response(200, b"%d" % len(account.runs))
            case "POST", "/forget":
                del account.runs[int(query) :]
                account.shown = None
                return _response(200, b"")
            case "POST", "/show":
                count, account.state = query.split("&")
                account.shown = int(count)
                return _response(200, b"")
        return _response(404, b'{"error":"not found"}')

    def _take(self, account: Account, ids: list[bytes]) -> bytes:
        self._taken.count += len(ids)
        now_ms = _now_ms()
        account.runs.extend((run_id.decode(), now_ms) for run_id in ids)
        between = b'","workflowCreatedAt":%d},{"workflowRunId":"' % now_ms
        middle = between.join(ids)
        return b'[{"workflowRunId":"' + middle + between[: between.index(b"}") + 1] + b"]" if ids else b"[]"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@functools.lru_cache(maxsize=2)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()


def _response(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d OK\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, _date(int(time.time())), len(body)) + body


async def serve(latency_s: float) -> None:
    """Answer until standard input ends."""
    taken = Taken()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(taken, latency_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().latency_ms / 1000))
