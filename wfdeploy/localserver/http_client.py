"""HTTP requests to endpoints, over kept connections, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from http import HTTPStatus

import httpx

from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import AnswerTooLarge, request_bytes
from wfdeploy.http.pool import HttpOrigin, Pool

MAX_ANSWER_BYTES = 50_000_000
"""The largest message of any plan. A longer answer counts as a failed attempt."""

DEFAULT_TIMEOUT_S = 900.0
"""The free plan's limit for an HTTP response (Upstash Workflow pricing page)."""

_TIMEOUTS = Timeouts(connect=10.0)

_KEEP_ALIVE_S = 4.0
"""Less than the 5 s after which uvicorn closes an idle connection, so that a request never meets the closing."""


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A request to an endpoint, ready to send."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_answer_bytes: int = MAX_ANSWER_BYTES


@dataclass(frozen=True, slots=True)
class Reply:
    """An endpoint's answer (`status` is set), or the reason why there was none (`error`). Header names as received."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def status_line(self) -> str:
        """Status and phrase, `400 Bad Request`: the service's words for an answer that is an error."""
        try:
            return f"{self.status} {HTTPStatus(self.status or 0).phrase}"
        except ValueError:  # one that no standard names
            return str(self.status)

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def lower_headers(self) -> dict[str, str]:
        return {key.lower(): value for key, value in self.headers}

    def header_lists(self) -> dict[str, list[str]]:
        return header_lists(self.headers)


def header_lists(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Headers as canonical names with lists of values: the SDKs expect `Content-Type`, not `content-type`."""
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    return lists


class HttpClient:
    """Sends requests, at most `max_connections` at once."""

    def __init__(self, *, max_connections: int) -> None:
        # Lazy: reading the certificates takes longer than the rest of the start.
        tls = cache(partial(httpx.create_ssl_context, trust_env=False))
        self._pool = Pool(connections=max_connections, idle_s=_KEEP_ALIVE_S, tls=tls)

    async def send(self, request: EndpointRequest) -> Reply:
        """Send a request. Never raises for an endpoint's failure; redirects are answers like any other."""
        try:
            origin, target, host = _parts(request.url)
            headers = {**request.headers, "Host": host, "Content-Length": str(len(request.body))}
            data = request_bytes(request.method, target, headers.items(), request.body)
            async with asyncio.timeout(request.timeout_s):
                answer = await self._pool.exchange(
                    origin, data, _TIMEOUTS, max_bytes=request.max_answer_bytes, bodiless=request.method == "HEAD"
                )
        except TimeoutError:
            return Reply(None, error=f"no answer within {request.timeout_s:g}s")
        except AnswerTooLarge:
            return Reply(None, error="the answer is too large")
        except (httpx.TransportError, httpx.InvalidURL, ValueError) as error:
            return Reply(None, error=f"{type(error).__name__}: {error}".rstrip(": "))
        decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
        return Reply(answer.status, tuple(decoded), answer.body)

    async def close(self) -> None:
        await self._pool.aclose()


@lru_cache(maxsize=1024)
def _parts(url: str) -> tuple[HttpOrigin, str, str]:
    """(origin, request target, host header)

    Raises: `httpx.InvalidURL`.
    """
    parsed = httpx.URL(url)
    return HttpOrigin.of(parsed), parsed.raw_path.decode("ascii"), parsed.netloc.decode("ascii")


def url_at(host: str, port: int | None) -> str:
    """The URL of a server at an address of this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
