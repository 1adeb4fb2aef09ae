"""What answers requests of httpx, in the place of a pool of connections."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import RawAnswer
from wfdeploy.http.pool import HttpOrigin


class HttpxNetwork:
    """`Connections` on a transport of httpx."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(
        self,
        origin: HttpOrigin,
        request: bytes,
        timeouts: Timeouts,
        *,
        max_bytes: int,
        before_first_byte: Callable[[], float] | None = None,
    ) -> RawAnswer:
        if before_first_byte is not None:
            before_first_byte()
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        url = httpx.URL(f"{'https' if origin.secure else 'http'}://{origin.authority}")
        response = await self._transport.handle_async_request(
            httpx.Request(
                method,
                url.copy_with(raw_path=target.encode()),
                headers=headers,
                stream=httpx.ByteStream(body),
                extensions={"timeout": timeouts._asdict()},
            )
        )
        assert isinstance(response.stream, httpx.AsyncByteStream)  # as it came, not inflated
        raw = b"".join([piece async for piece in response.stream])
        return RawAnswer(response.status_code, tuple(response.headers.raw), raw)

    async def aclose(self) -> None:
        await self._transport.aclose()
