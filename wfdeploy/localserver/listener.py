"""Serve an ASGI application on a bound socket, inside an event loop that also does other work."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import uvicorn
from starlette.types import ASGIApp

from wfdeploy.errors import UsageError
from wfdeploy.localserver.http_client import url_at

_GRACE_S = 0.5

KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections. A server that closes first may cut off a request that is just leaving."""


class PortTaken(UsageError):
    """Another program uses the requested port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is in use by another program",
            hint="choose another with --port, or --port 0 for any free one",
        )
        self.port = port


class NotLoopback(UsageError):
    """The requested address is not on loopback. The server's credentials are public, so anybody could use it there."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not a loopback address; the local server's credentials are public, so it stays on this machine",
            hint="use 127.0.0.1",
        )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; `port` 0 takes any free one.

    Raises: NotLoopback, PortTaken.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise NotLoopback(host) from None
    if not parsed.is_loopback:
        raise NotLoopback(host)
    # The protocol is given explicitly, since asyncio turns off Nagle's algorithm only then. With it on, every answer on
    # a kept connection waits 40 ms for an acknowledgement.
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        # Two sockets may be bound to one port as long as neither listens, so only this takes the port.
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise PortTaken(host, port) from error
    return sock


def url_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return url_at(host, port)


class SocketListener:
    """uvicorn's server without its main loop.

    The main loop polls ten times a second and waits a while at the end, for signals and a `Date` header, which this
    server handles itself. Without it, opening and closing take milliseconds, and tests open hundreds of servers.
    """

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._socket = sock
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = uvicorn.Server(config)

    async def open(self) -> None:
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])

    async def close(self) -> None:
        """Accept no new connections, and give requests in progress a moment to finish."""
        for server in self._server.servers:
            server.close()
        state = self._server.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=_GRACE_S)
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0)
        for connection in list(state.connections):
            connection.transport.abort()
        while state.connections:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.001)
        for server in self._server.servers:
            await server.wait_closed()
        self._socket.close()
