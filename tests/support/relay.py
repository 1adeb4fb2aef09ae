"""The chaos server's behaviours, in front of a real server: what one of them starts is really started."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.chaos_server import Behaviour, ChaosServer, Exchange, accept
from tests.fakes.raw_http import RawRequest, read_request, response
from tests.support.turnstile import is_listing, is_trigger

_PASSED_ON = ("date", "wfdeploy-log-lag", "wfdeploy-server-id")


@dataclass(slots=True)
class RelayExchange(Exchange):
    """Acts by asking the real server."""

    def act(self) -> list[dict[str, Any]]:
        return self.act_on(self.request.items)

    def act_on(self, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Start these runs of the request alone."""
        assert isinstance(self.server, Relay)
        _, _, body = self.server.ask(replace(self.request, body=json.dumps(list(items)).encode()))
        answer = json.loads(body)
        assert isinstance(answer, list), answer
        return answer


class Relay(ChaosServer):
    """`script` is for triggers, one entry each, `listings` for the logs, `cancels` for cancels, and `bulk_actions` for
    what is asked of them afterwards; everything else is passed on."""

    def __init__(self, upstream: str, script: Iterable[Behaviour] = (), *, otherwise: Behaviour | None = None) -> None:
        super().__init__(script, otherwise=otherwise or pass_on())
        parts = urlsplit(upstream)
        assert parts.hostname
        self._upstream = (parts.hostname, parts.port)
        self.listings: list[Behaviour] = []
        self.cancels: list[Behaviour] = []
        self.bulk_actions: list[Behaviour] = []
        self.token: str | None = None  # the real server's, where clients come with one of their own

    def ask(self, request: RawRequest) -> tuple[int, dict[str, str], bytes]:
        """The real server's answer. It works in a thread of its own, so that waiting here is no deadlock."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=20)
        try:
            kept_out = ("host", "connection", "content-length")
            headers = {name: value for name, value in request.headers.items() if name not in kept_out}
            if self.token is not None:
                headers["authorization"] = f"Bearer {self.token}"
            connection.request(request.method, request.target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body
        finally:
            connection.close()

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing() and (request := await read_request(reader)) is not None:
            self.requests.append(request)
            behaviour = pass_on()
            if is_trigger(request):
                behaviour = self._next()
            elif is_listing(request) and self.listings:
                behaviour = self.listings.pop(0)
            elif request.method == "DELETE" and self.cancels:
                behaviour = self.cancels.pop(0)
            elif "/bulkActions/" in request.path and self.bulk_actions:
                behaviour = self.bulk_actions.pop(0)
            self.changed()
            await behaviour(RelayExchange(self, request, reader, writer))

    def _next(self) -> Behaviour:
        entry = self._script.popleft() if self._script else self._otherwise
        assert callable(entry)
        return entry

    @property
    def triggers(self) -> list[RawRequest]:
        return [request for request in self.requests if is_trigger(request)]


def pass_on() -> Behaviour:
    """The real server's own answer."""

    async def behave(exchange: Exchange) -> None:
        assert isinstance(exchange.server, Relay)
        status, headers, body = exchange.server.ask(exchange.request)
        kept = {name: headers[name] for name in _PASSED_ON if name in headers}
        await exchange.send(response(status, body, kept))

    return behave


__all__ = ["Relay", "accept", "pass_on"]
