"""A pool of connections as a transport of httpx."""

from __future__ import annotations

import httpx

from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import request_bytes
from wfdeploy.http.pool import Origin, Pool

MAX_BYTES = "max_bytes"
"""The extension of a request that bounds its answer's body."""

_MAX_BYTES = 8 * 1024 * 1024


class PooledTransport(httpx.AsyncBaseTransport):
    """Takes the timeouts of a request's `timeout` extension (seconds by phase), as httpx's own transports do.

    Why not one of those: they cost about three times the CPU per request, most of it in layers that serve other
    protocols and event loops, can't say for certain whether a byte of a request left, and don't set a socket's options
    where there is a proxy.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, options = request.url, request.extensions
        headers = [(name.decode("ascii"), value.decode("utf-8")) for name, value in request.headers.raw]
        answer = await self._pool.exchange(
            Origin.of(url),
            request_bytes(request.method, url.raw_path.decode("ascii"), headers, await request.aread()),
            Timeouts(**options.get("timeout", {})),
            max_bytes=options.get(MAX_BYTES, _MAX_BYTES),
            bodiless=request.method == "HEAD",
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(answer.body))

    async def aclose(self) -> None:
        await self._pool.aclose()
