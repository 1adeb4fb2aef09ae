"""A server that does, request by request, what a script says. Real sockets, raw bytes.

It keeps count of the runs it started (`started`), so that a test can hold what the client believes against what the
server did.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.fakes.loop_thread import LoopThread, reset
from tests.fakes.raw_http import RawRequest, read_request, response

CREATED_AT_MS = 1_795_436_398_723


@dataclass(slots=True)
class Exchange:
    """One request and the means to answer it."""

    server: ChaosServer
    request: RawRequest
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def act(self) -> list[dict[str, Any]]:
        """Start the runs of the request; returns the items of an honest answer."""
        self.server.started.update(self.request.run_ids)
        self.server.changed()
        return [
            {"workflowRunId": run_id, "workflowCreatedAt": CREATED_AT_MS + n}
            for n, run_id in enumerate(self.request.run_ids)
        ]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_client_leaves(self) -> None:
        while await self.reader.read(65536):
            pass


Behaviour: TypeAlias = Callable[[Exchange], Awaitable[None]]


class BeforeReading:
    """Script entry: reset the connection as soon as it is there, nothing of the request read."""


class ChaosServer(LoopThread):
    """Runs `script` one entry per request, then `otherwise`."""

    def __init__(
        self,
        script: Iterable[Behaviour | BeforeReading] = (),
        *,
        otherwise: Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self._script = deque(script)
        self._otherwise = otherwise or accept()
        self.requests: list[RawRequest] = []
        self.started: Counter[str] = Counter()
        self.sent_bytes = 0

    def then(self, *behaviours: Behaviour | BeforeReading) -> None:
        """Add to the script."""
        self._script.extend(behaviours)

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._script and isinstance(self._script[0], BeforeReading):
            self._script.popleft()
            reset(writer)
            return
        while not writer.is_closing() and (request := await read_request(reader)) is not None:
            self.requests.append(request)
            behaviour = self._script.popleft() if self._script else self._otherwise
            self.changed()
            assert not isinstance(behaviour, BeforeReading)
            await behaviour(Exchange(self, request, reader, writer))


def accept(*, headers: Mapping[str, str] | None = None, status: int = 201) -> Behaviour:
    """Start every run and say so."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(response(status, exchange.act(), headers))

    return behave


def answer(
    status: int,
    body: bytes | str | list[Any] | dict[str, Any] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    act: bool = False,
) -> Behaviour:
    """A fixed answer; nothing is started unless `act`."""

    async def behave(exchange: Exchange) -> None:
        if act:
            exchange.act()
        await exchange.send(response(status, body, headers))

    return behave


def answer_with(change: Callable[[list[Any]], Any]) -> Behaviour:
    """Start every run, then answer 201 with what `change` makes of the honest items."""

    async def behave(exchange: Exchange) -> None:
        value = change(exchange.act())
        await exchange.send(response(201, value if isinstance(value, bytes | str) else json.dumps(value)))

    return behave


def bad_item(index: int, error: object) -> Behaviour:
    """201; all runs but one were started, that one has `error` in its place."""

    async def behave(exchange: Exchange) -> None:
        items: list[Any] = exchange.act()
        exchange.server.started[items[index]["workflowRunId"]] -= 1
        items[index] = error
        await exchange.send(response(201, items))

    return behave


def refuse_batch_with(run_id: str, message: str, *, status: int = 400) -> Behaviour:
    """The whole batch is refused when it holds `run_id`, else accepted."""

    async def behave(exchange: Exchange) -> None:
        if run_id in exchange.request.run_ids:
            await exchange.send(response(status, {"error": message}))
        else:
            await exchange.send(response(201, exchange.act()))

    return behave


def hang(*, act: bool) -> Behaviour:
    """Never answer."""

    async def behave(exchange: Exchange) -> None:
        if act:
            exchange.act()
        await exchange.until_client_leaves()

    return behave


def drop(*, act: bool, with_reset: bool = False) -> Behaviour:
    """Read the request, then end the connection without a word."""

    async def behave(exchange: Exchange) -> None:
        if act:
            exchange.act()
        if with_reset:
            reset(exchange.writer)
        else:
            exchange.writer.close()

    return behave


def cut(keep: Callable[[bytes], int], *, with_reset: bool = False, act: bool = True) -> Behaviour:
    """Start the runs, send the first bytes of an honest answer, end the connection."""

    async def behave(exchange: Exchange) -> None:
        data = response(201, exchange.act() if act else [])
        await exchange.send(data[: keep(data)])
        if with_reset:
            reset(exchange.writer)
        else:
            exchange.writer.close()

    return behave


def raw(data: bytes, *, act: bool = True, close: bool = True) -> Behaviour:
    """These very bytes."""

    async def behave(exchange: Exchange) -> None:
        if act:
            exchange.act()
        await exchange.send(data)
        if close:
            exchange.writer.close()

    return behave


def endless(*, chunk: int = 1 << 20, limit: int = 10 * 1024**3) -> Behaviour:
    """An answer of ten gigabytes; `server.sent_bytes` tells how much the client let through."""

    async def behave(exchange: Exchange) -> None:
        exchange.act()
        await exchange.send(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n[" % limit)
        block = b" " * chunk
        while exchange.server.sent_bytes < limit:
            await exchange.send(block)
            exchange.server.sent_bytes += chunk

    return behave


def gzipped(body: bytes, *, act: bool = True) -> Behaviour:
    """A compressed answer that nobody asked for."""
    data = gzip.compress(body, 9)

    async def behave(exchange: Exchange) -> None:
        if act:
            exchange.act()
        await exchange.send(response(201, data, {"Content-Encoding": "gzip"}))

    return behave


def gzip_accept() -> Behaviour:
    """An honest answer, compressed and chunked."""

    async def behave(exchange: Exchange) -> None:
        data = gzip.compress(json.dumps(exchange.act()).encode())
        head = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:7], data[7:]))
        await exchange.send(head + chunks + b"0\r\n\r\n")

    return behave


def drip(*, act: bool, pause_s: float) -> Behaviour:
    """An honest answer, one byte at a time: every single read is quick, the whole never ends in time."""

    async def behave(exchange: Exchange) -> None:
        data = response(201, exchange.act() if act else [])
        for n in range(len(data)):
            await exchange.send(data[n : n + 1])
            await asyncio.sleep(pause_s)

    return behave


def accept_then_close(*, with_reset: bool = False) -> Behaviour:
    """An honest answer that promises a kept connection, which is closed right after."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(response(201, exchange.act()))
        if with_reset:
            reset(exchange.writer)
        else:
            exchange.writer.close()

    return behave
