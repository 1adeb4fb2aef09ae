"""A proxy that keeps answers: what the logs say is asked of the server, each time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.raw_http import RawRequest, read_request, response
from tests.support.command import Checkout, once_each
from tests.support.local_server import LocalServer
from tests.support.relay import Relay, RelayExchange, pass_on
from tests.support.scratch import scratch
from tests.support.workbench import group, run


class CachingProxy(Relay):
    """Answers a GET from memory, unless it says that the answer must be asked for (RFC 9111, 5.2.1.4)."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._kept: dict[str, bytes] = {}

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing() and (request := await read_request(reader)) is not None:
            exchange = RelayExchange(self, request, reader, writer)
            if request.method != "GET":
                await pass_on()(exchange)
                continue
            if request.target not in self._kept or request.headers.get("cache-control") == "no-cache":
                self._kept[request.target] = self._asked(request)
            await exchange.send(self._kept[request.target])

    def _asked(self, request: RawRequest) -> bytes:
        status, headers, body = self.ask(request)
        return response(status, body, {"date": headers["date"]})


def declare(checkout: Checkout, runs: int) -> None:
    checkout.write(group("g", [run(f"r{number}", body=number) for number in range(runs)]))


def counts(checkout: Checkout) -> dict[str, Any]:
    return checkout.here("apply", "--yes", "-o", "json").counts


def test_a_listing_is_never_an_old_one() -> None:
    with LocalServer() as server, CachingProxy(server.url) as proxy, scratch() as root:
        server.faults.instant_finish = True
        one, other = (Checkout(root / name, proxy.url, server.token) for name in ("one", "other"))
        declare(one, 3)
        assert counts(one) == {"triggered": 3}
        declare(one, 4)
        declare(other, 4)
        assert one.here("plan").code == 0
        assert counts(other) == {"adopted": 3, "triggered": 1}
        assert counts(one) == {"adopted": 1, "kept": 3}
        once_each(server.accepted_counts(), 4)
