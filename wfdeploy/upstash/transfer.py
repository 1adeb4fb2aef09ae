"""One HTTP exchange, bounded in time and size, whose errors say whether a byte may have left this machine.

The server is reached directly or through the environment's proxy.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.request import getproxies, proxy_bypass

import httpx

from wfdeploy.errors import UsageError
from wfdeploy.http.connection import Timeouts
from wfdeploy.http.message import RawAnswer, request_bytes
from wfdeploy.http.pool import HttpOrigin, Pool, Proxy
from wfdeploy.upstash.endpoint import is_loopback

if TYPE_CHECKING:
    from wfdeploy.ports import Permit

_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""Faults before the first byte of a request: no connection, no TLS, no tunnel. (And no free slot in the pool.)

All others may have happened after it, including the deadline.
"""


class TransferError(Exception):
    """An exchange without a complete answer. `left`: whether a byte of the request may have left."""

    def __init__(self, reason: str, *, left: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.left = left


class Connections(Protocol):
    """Carries requests, like `Pool`; its errors are httpx's."""

    async def exchange(
        self,
        origin: HttpOrigin,
        request: bytes,
        timeouts: Timeouts,
        *,
        max_bytes: int,
        before_first_byte: Callable[[], float] | None = None,
    ) -> RawAnswer: ...

    async def aclose(self) -> None: ...


class Answer(NamedTuple):
    """A complete answer. The body is decoded and within the limit; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transfer:
    """Exchanges with one server. Many tasks of one event loop may use it.

    `headers`: sent with every request.
    `deadline_s`: the limit of a whole exchange. `timeouts` only limit the wait for the next bytes, so a slow answer
    could otherwise take forever.
    `permit`: needed by every request but a GET.

    This uses connections instead of an HTTP client, so that nothing follows a redirect, keeps a cookie, or finds
    credentials in a netrc file. (httpx's requests and URLs also cost more than everything else in a page of a listing.)
    """

    def __init__(
        self,
        connections: Connections,
        url: str,
        *,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        deadline_s: float,
        permit: Permit | None = None,
    ) -> None:
        self._connections = connections
        self._permit = permit
        self._base = httpx.URL(url.rstrip("/"))
        self._origin = HttpOrigin.of(self._base)
        self._path = self._base.raw_path.decode("ascii").rstrip("/")
        self._headers = _ascii({"Host": self._base.netloc.decode("ascii"), **headers})
        self._timeouts = timeouts
        self._deadline_s = deadline_s

    async def exchange(
        self,
        method: str,
        target: str,
        *,
        content: bytes = b"",
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        deadline_s: float = math.inf,
    ) -> Answer:
        """Send one request, once.

        `target`: the path below the base URL and the query, both already quoted.
        `headers`: additional ones.
        `deadline_s`: an earlier deadline than that of all exchanges.
        `max_bytes`: the limit of the answer's body, before and after decompression.

        Raises: `TransferError`; `StateUnusable` without a permit to send, and then nothing has left.
        """
        own = self._headers if headers is None else self._headers + _ascii(headers)
        if method == "POST":  # other methods have no body
            own = [*own, ("Content-Length", str(len(content)))]
        deadline_s = min(self._deadline_s, deadline_s)
        permit = self._permit if method != "GET" else None
        if permit is not None:
            await permit.confirm()
            deadline_s = min(deadline_s, permit.remaining_s())
        try:
            request = request_bytes(method, self._path + target, own, content)
            async with asyncio.timeout(deadline_s):
                raw = await self._connections.exchange(
                    self._origin,
                    request,
                    self._timeouts,
                    max_bytes=max_bytes,
                    # Connecting, or waiting for a free connection, may have taken the rest of it.
                    before_first_byte=None if permit is None else permit.remaining_s,
                )
            fields = _fields(raw.headers)
            return Answer(raw.status, fields, _body(raw, fields, max_bytes))
        except httpx.PoolTimeout as fault:
            raise TransferError(_reason(fault), left=False) from fault
        except _NO_CONNECTION as fault:
            raise TransferError(f"no connection to {self._base}: {_reason(fault)}", left=False) from fault
        except httpx.HTTPError as fault:
            raise TransferError(_reason(fault), left=True) from fault
        except TimeoutError as fault:
            raise TransferError(f"no whole answer within {deadline_s:.3g} s", left=True) from fault
        except (OSError, zlib.error) as fault:
            raise TransferError(_reason(fault), left=True) from fault

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()


def _ascii(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as a list. Raises: `UnicodeEncodeError` for text that is not ASCII."""
    for name, value in headers.items():
        f"{name}{value}".encode("ascii")
    return list(headers.items())


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as a dictionary: names in lower case, values of one name joined."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _body(answer: RawAnswer, headers: Mapping[str, str], max_bytes: int) -> bytes:
    """The decoded body. Raises: `TransferError` if it is too long."""
    inflate = _inflater(headers.get("content-encoding", "identity").strip().lower())
    body = answer.body if inflate is None else inflate.decompress(answer.body, max_bytes + 1)
    if len(body) > max_bytes:
        raise TransferError(f"the answer is larger than {max_bytes:,} bytes", left=True)
    if inflate is not None and not inflate.eof:
        raise TransferError("the compressed answer ends early", left=True)
    return body


def _inflater(encoding: str) -> zlib._Decompress | None:
    """None for an uncompressed body. Compression isn't requested, but a proxy may apply it all the same."""
    match encoding:
        case "identity" | "":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
        case _:
            raise TransferError(f"the answer is encoded as {encoding[:40]!r}, which wasn't requested", left=True)


def _reason(fault: Exception) -> str:
    text = " ".join(str(fault).split())
    name = type(fault).__name__
    return f"{name}: {text}" if text else name


_IDLE_S = 15.0
"""Load balancers close connections that were idle for a minute or so. A request that meets such a close has an unknown
outcome, so idle connections are closed long before."""


def open_pool(url: str, *, connections: int) -> Pool:
    """A pool of connections to the server; it connects later.

    TLS is always verified, against the CAs of `SSL_CERT_FILE` or `SSL_CERT_DIR` if set. Raises: `UsageError` if the
    environment names an unusable proxy.
    """
    parsed = httpx.URL(url)
    tls = cache(httpx.create_ssl_context)
    if parsed.scheme == "https":
        tls()  # now, so that an invalid file of CAs is reported; not for plain HTTP, since it takes long
    return Pool(connections=connections, idle_s=_IDLE_S, tls=tls, proxy=proxy_for(parsed))


def proxy_for(url: httpx.URL) -> Proxy | None:
    """The proxy for a URL by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (in any case), or None.

    Raises: `UsageError`.
    """
    if is_loopback(str(url)):
        return None  # no proxy can reach this machine
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    try:
        return Proxy.of(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL) as fault:
        raise UsageError(
            f"the proxy that the environment names can't be used: {type(fault).__name__}",
            hint="set HTTPS_PROXY to an http:// or https:// proxy, or NO_PROXY to the server's host",
        ) from fault
