"""One HTTP request to an endpoint, over kept connections, and what came back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from wfdeploy.localserver.lane import BadAnswer, BrokenExchange, ConnectError, Lane, Unsendable

MAX_ANSWER_BYTES = 50_000_000
"""The largest message of any plan; a longer answer counts as a failed attempt."""

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
    """Sends parcels, each over one of `max_connections` lanes, which keep their connections for the next."""

    def __init__(self, *, max_connections: int) -> None:
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._places = asyncio.Semaphore(max_connections)
        self._tls: ssl.SSLContext | None = None

    async def send(self, parcel: Parcel) -> Reply:
        """Never raises for what the far end does; redirects are answers like any other."""
        async with self._places:
            # The lane used last is taken first: its connection is the one most likely to be still open.
            lane = self._idle.pop() if self._idle else self._new_lane()
            try:
                async with asyncio.timeout(parcel.timeout_s):
                    answer = await lane.exchange(
                        parcel.method, parcel.url, parcel.headers, parcel.body, most=MAX_ANSWER_BYTES
                    )
            except TimeoutError:
                return Reply(None, error=f"no answer within {parcel.timeout_s:g}s")
            except (ConnectError, BrokenExchange, BadAnswer, Unsendable, httpx.InvalidURL, ValueError) as error:
                return Reply(None, error=f"{type(error).__name__}: {error}".rstrip(": "))
            finally:
                self._idle.append(lane)
            return Reply(None, error="the answer is too large") if answer is None else Reply(*answer)

    def _new_lane(self) -> Lane:
        if self._tls is None:
            # At the first delivery: reading the certificates takes longer than the rest of the server's start.
            self._tls = httpx.create_ssl_context(trust_env=False)
        lane = Lane(self._tls)
        self._lanes.append(lane)
        return lane

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
        self._lanes.clear()
        self._idle.clear()
