"""A pool of connections: opened, kept for the next exchange, closed."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

import httpx

from wfdeploy.http.connection import Connection, Timeouts
from wfdeploy.http.message import RawAnswer, request_bytes

_TUNNEL_BYTES = 64 * 1024
"""The limit of a proxy's answer."""


class HttpOrigin(NamedTuple):
    """The target of a connection."""

    secure: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> HttpOrigin:
        secure = url.scheme == "https"
        return cls(secure, url.raw_host.decode("ascii").strip("[]"), url.port or (443 if secure else 80))

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Proxy(NamedTuple):
    """A proxy that opens tunnels (CONNECT), and the headers that it requires."""

    origin: HttpOrigin
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Raises: `ValueError`, `httpx.InvalidURL`. Neither contains the URL, which may hold a password."""
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("a proxy's URL must begin with http:// or https://")
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise ValueError("invalid port")
        if not parsed.userinfo:
            return cls(HttpOrigin.of(parsed))
        credentials = b64encode(unquote(parsed.userinfo.decode("ascii")).encode()).decode("ascii")
        return cls(HttpOrigin.of(parsed), (("Proxy-Authorization", f"Basic {credentials}"),))


class Pool:
    """Runs at most `connections` exchanges at once, and keeps idle connections for `idle_s` seconds.

    `tls` is called for each connection that needs it. Many tasks of one event loop may use the pool.

    The errors say for certain whether a byte of the request may have left: `ConnectError`, `ConnectTimeout`,
    `ProxyError` and `PoolTimeout` are raised before any of it is written, all others after. It is also certain that
    nothing leaves after an exchange has failed or was cancelled: by then its socket is closed, and the kernel's queue
    dropped.

    httpx's transports are not used because they take about three times the CPU per request (most of it in layers for
    other protocols and event loops), don't say for certain whether a byte of a request left, and don't set a socket's
    options behind a proxy.
    """

    def __init__(
        self, *, connections: int, idle_s: float, tls: Callable[[], ssl.SSLContext], proxy: Proxy | None = None
    ) -> None:
        self._connections = connections
        self._slots = asyncio.Semaphore(connections)
        self._idle_s = idle_s
        self._tls = tls
        self._proxy = proxy
        self._idle: list[tuple[HttpOrigin, Connection]] = []
        self._open: set[Connection] = set()

    async def exchange(
        self,
        origin: HttpOrigin,
        request: bytes,
        timeouts: Timeouts,
        *,
        max_bytes: int,
        bodiless: bool = False,
        before_first_byte: Callable[[], float] | None = None,
    ) -> RawAnswer:
        """Send a request once and read its answer; see `Connection.exchange`. Raises: httpx's errors.

        `before_first_byte`: called once the connection stands. Returns for how many seconds the kernel may hold what
        the server doesn't take, whatever becomes of this process. What it raises, this raises, and nothing has left.
        """
        if self._slots.locked():
            await self._wait_for_slot(timeouts.pool)
        else:  # without waiting, so without the cost of a timeout
            await self._slots.acquire()
        connection: Connection | None = None
        try:
            connection = self._reusable(origin) or await self._connected(origin, timeouts.connect)
            held_s = None if before_first_byte is None else before_first_byte()
            try:
                connection.limit_unsent(held_s)
            except OSError as fault:
                connection.close()
                raise httpx.ConnectError(str(fault)) from fault
            return await connection.exchange(request, timeouts, max_bytes=max_bytes, bodiless=bodiless)
        finally:
            try:
                if connection is not None and connection.is_reusable:
                    connection.idle_since = time.monotonic()
                    self._idle.append((origin, connection))
                elif connection is not None:
                    await _close(connection)
            finally:
                self._slots.release()

    async def aclose(self) -> None:
        self._idle.clear()
        await asyncio.gather(*map(_close, tuple(self._open)))

    async def _wait_for_slot(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection") from None

    def _reusable(self, origin: HttpOrigin) -> Connection | None:
        """The most recently used connection to this origin that is still usable."""
        while self._idle and self._idle[0][1].idle_since + self._idle_s <= time.monotonic():
            self._idle.pop(0)[1].close()
        for at in range(len(self._idle) - 1, -1, -1):
            if self._idle[at][0] == origin:
                connection = self._idle.pop(at)[1]
                if connection.is_silent():
                    return connection
                connection.close()
        return None

    async def _connected(self, origin: HttpOrigin, timeout_s: float | None) -> Connection:
        if self._idle and len(self._open) >= self._connections:  # idle connections to other origins
            self._idle.pop(0)[1].close()
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connect(origin if self._proxy is None else self._proxy.origin)
                if self._proxy is not None:
                    await self._tunnel(connection, self._proxy, origin)
        except BaseException as fault:
            if connection is not None:
                connection.close()
            if isinstance(fault, TimeoutError):  # asyncio's own clock or the system's (ETIMEDOUT)
                raise httpx.ConnectTimeout(str(fault) or "no connection in time") from fault
            if isinstance(fault, OSError):  # refused, unreachable, unknown names (gaierror), TLS (SSLError)
                raise httpx.ConnectError(str(fault)) from fault
            raise
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _connect(self, to: HttpOrigin) -> Connection:
        # One address after the other: if asyncio's race between them (happy eyeballs) is cancelled just after one has
        # won, its socket stays open.
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection,
            to.host,
            to.port,
            ssl=self._tls() if to.secure else None,
            server_hostname=to.host if to.secure else None,
        )
        try:
            connection.drop_unsent()
        except OSError:
            connection.close()
            raise
        return connection

    async def _tunnel(self, connection: Connection, proxy: Proxy, to: HttpOrigin) -> None:
        """Open a tunnel through the proxy to `to`. Raises: `httpx.ProxyError`, `OSError`."""
        request = request_bytes("CONNECT", to.authority, (("Host", to.authority), *proxy.headers), b"")
        try:
            answer = await connection.exchange(request, Timeouts(), max_bytes=_TUNNEL_BYTES, bodiless=True)
        except httpx.TransportError as fault:
            raise httpx.ProxyError(str(fault)) from fault
        if not 200 <= answer.status < 300:
            raise httpx.ProxyError(f"the proxy answered {answer.status}")
        if to.secure:
            await connection.secure(self._tls(), to.host)


async def _close(connection: Connection) -> None:
    """Close a connection and wait until its socket is closed."""
    connection.close()
    await asyncio.wait((connection.closed,))
