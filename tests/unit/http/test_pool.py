"""Connections that are made, kept and given up, against a server that says exactly these bytes."""

from __future__ import annotations

import asyncio
import gc
import socket

import httpx
import pytest

from tests.unit.http.scripted_server import LARGE, Server, ask, deaf, pool, silent
from wfdeploy.http.pool import HttpOrigin, Proxy

CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


def test_a_connection_is_kept_and_closed_without_a_reset() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool()
            for _ in range(3):
                assert (await ask(connections, server)).body == b"ok"
            await connections.aclose()
            assert await server.wait_for_endings(1) == {"closed": 1}

    asyncio.run(main())


def test_an_answer_that_ends_the_connection_is_followed_by_no_reset() -> None:
    async def main() -> None:
        async with Server(CLOSES) as server:
            connections = pool()
            for _ in range(2):
                assert (await ask(connections, server)).body == b"ok"
            assert await server.wait_for_endings(2) == {"closed": 2}
            await connections.aclose()

    asyncio.run(main())


def test_a_connection_that_was_idle_for_long_is_not_used() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool(idle_s=0.0)
            for _ in range(2):
                await ask(connections, server)
            assert server.connections == 2
            await connections.aclose()
            assert await server.wait_for_endings(2) == {"closed": 2}

    asyncio.run(main())


def test_each_server_has_connections_of_its_own_and_all_together_are_bounded() -> None:
    async def main() -> None:
        async with Server() as one, Server() as other, Server() as third:
            connections = pool(connections=2)
            for server in (one, other, one, other):
                await ask(connections, server)
            assert (one.connections, other.connections) == (1, 1)
            await ask(connections, third)
            assert await one.wait_for_endings(1) == {"closed": 1}  # the one that was used least recently
            assert other.endings == {}
            await connections.aclose()

    asyncio.run(main())


def test_a_connection_that_is_given_up_while_it_is_made_is_closed() -> None:
    """Whenever that happens: before the socket connects, between its winning the race and its use, after."""

    async def main() -> None:
        async with Server() as server:
            connections = pool()
            for turns in [*range(20)] * 10:
                asking = asyncio.create_task(ask(connections, server))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
            await connections.aclose()
            await server.wait_for_endings(server.connections)
            gc.collect()  # a socket that was left open is a ResourceWarning, and so an error of this test

    asyncio.run(main())


def test_a_full_pool_gives_up_waiting() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool(connections=1)
            first = asyncio.create_task(ask(connections, server))
            await asyncio.sleep(0)
            with pytest.raises(httpx.PoolTimeout):
                await ask(connections, server, pool=0.05)
            await connections.aclose()
            with pytest.raises(httpx.RemoteProtocolError):
                await first

    asyncio.run(main())


def test_another_event_loop() -> None:
    """Whoever embeds the server may have chosen one."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with Server() as server, Server(serve=silent()) as other:
            connections = pool()
            for _ in range(2):
                assert (await ask(connections, server)).body == b"ok"
            with pytest.raises(httpx.ReadTimeout):
                await ask(connections, other, read=0.05)
            assert await other.wait_for_endings(1) == {"reset": 1}
            await connections.aclose()
            assert await server.wait_for_endings(1) == {"closed": 1}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_proxies() -> None:
    assert Proxy.of("http://proxy.test") == Proxy(HttpOrigin(False, "proxy.test", 80))
    assert Proxy.of("https://proxy.test") == Proxy(HttpOrigin(True, "proxy.test", 443))
    assert Proxy.of("http://[::1]:3128").origin == HttpOrigin(False, "::1", 3128)
    for port in ("0", "99999"):
        with pytest.raises(ValueError, match="invalid port"):
            Proxy.of(f"http://proxy.test:{port}")
    assert Proxy.of("http://a:b@proxy.test").headers == (("Proxy-Authorization", "Basic YTpi"),)
    assert HttpOrigin(True, "::1", 443).authority == "[::1]:443"
    for bad in ("ftp://proxy.test", "http://", "socks5://proxy.test", "http://proxy.test:port"):
        with pytest.raises((ValueError, httpx.InvalidURL)):
            Proxy.of(bad)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel knows no such limit")
def test_what_the_server_does_not_take_in_time_is_dropped_by_the_kernel() -> None:
    """Also while the process is stopped: nothing but the kernel ends this exchange."""

    async def main() -> None:
        dropped = asyncio.Event()
        async with Server(serve=deaf(dropped), receive_buffer=2048) as server:
            connections = pool()
            with pytest.raises(httpx.ReadError, match="timed out"):
                await ask(connections, server, request=LARGE * 50, before_first_byte=lambda: 0.2)
            await connections.aclose()
            dropped.set()

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel knows no such limit")
def test_the_kernels_limit_is_that_of_the_request() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool()
            for limit, expected_ms in ((lambda: 60.0, 60_000), (lambda: 1e-4, 1), (None, 0), (lambda: 1e9, 86_400_000)):
                await ask(connections, server, before_first_byte=limit)
                (connection,) = connections._open
                sock = connection._socket
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == expected_ms
            assert server.connections == 1
            await connections.aclose()

    asyncio.run(main())
