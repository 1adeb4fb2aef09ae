"""One HTTP request to an endpoint, over one shared client, and what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

MAX_ANSWER_BYTES = 50_000_000
"""The largest message of any plan; a longer answer counts as a failed attempt."""

CONNECT_TIMEOUT_S = 10.0

DEFAULT_TIMEOUT_S = 900.0
"""What the free plan grants an HTTP response (Upstash Workflow pricing page)."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request ready to leave."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer (`status` is set) or the reason why there was none (`error`). Header names as received."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def lower_headers(self) -> dict[str, str]:
        return {key.lower(): value for key, value in self.headers}

    def header_lists(self) -> dict[str, list[str]]:
        """Canonical names with lists of values: the SDKs look for `Content-Type`, not `content-type`."""
        lists: dict[str, list[str]] = {}
        for key, value in self.headers:
            lists.setdefault("-".join(part.capitalize() for part in key.split("-")), []).append(value)
        return lists


class Courier:
    """Sends parcels; keep one per server, since connections are what is dear."""

    def __init__(self, *, max_connections: int) -> None:
        self._limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        self._client: httpx.AsyncClient | None = None

    async def send(self, parcel: Parcel) -> Reply:
        """Never raises for what the far end does; redirects are answers like any other."""
        client = self._client
        if client is None:
            # Made at the first delivery: reading the certificates takes longer than the rest of the server's start.
            client = self._client = httpx.AsyncClient(
                limits=self._limits,
                trust_env=False,  # no proxy between the server and an endpoint on this machine
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            )
        headers = [(name.encode("latin-1", "replace"), value.encode()) for name, value in parcel.headers.items()]
        try:
            async with (
                asyncio.timeout(parcel.timeout_s),
                client.stream(parcel.method, parcel.url, headers=headers, content=parcel.body) as response,
            ):
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        return Reply(None, error="the answer is too large")
                return Reply(response.status_code, tuple(response.headers.multi_items()), bytes(body))
        except TimeoutError:
            return Reply(None, error=f"no answer within {parcel.timeout_s:g}s")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Reply(None, error=f"{type(error).__name__}: {error}".rstrip(": "))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
