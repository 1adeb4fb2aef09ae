"""One exchange over a connection: how it ends, and that nothing is sent afterwards."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from tests.unit.http.scripted_server import LARGE, OK, REQUEST, Server, ask, pool, silent


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"])
def test_what_was_answered_without_being_read_is_not_sent_afterwards(answer: bytes) -> None:
    """A kept connection, or one that is closed in the usual way, would go on with it."""
    received = bytearray()

    async def main() -> None:
        answered = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()  # asyncio reads before it is asked to
            writer.write(answer)
            await answered.wait()
            writer.transport.resume_reading()
            while data := await reader.read(65_536):
                received.extend(data)

        async with Server(serve=serve, receive_buffer=2048) as server:
            connections = pool()
            await ask(connections, server, LARGE)
            answered.set()
            assert await server.wait_for_endings(1) == {"reset": 1}
            await connections.aclose()

    asyncio.run(main())
    assert len(received) < len(LARGE)


def test_a_request_given_up_resets_its_connection_before_anybody_is_told() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool()
            with pytest.raises(httpx.ReadTimeout, match=r"nothing came for 0\.05 s"):
                await ask(connections, server, read=0.05)
            assert not connections._open
            assert await server.wait_for_endings(1) == {"reset": 1}

    asyncio.run(main())


def test_a_request_that_is_cancelled_resets_its_connection_before_anybody_is_told() -> None:
    async def main() -> None:
        async with Server(serve=silent()) as server:
            connections = pool()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask(connections, server)
            assert not connections._open
            assert await server.wait_for_endings(1) == {"reset": 1}

    asyncio.run(main())


def test_an_answer_that_comes_in_slowly_is_not_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for at in range(len(OK)):
            writer.write(OK[at : at + 1])
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with Server(serve=serve) as server:
            connections = pool()
            assert (await ask(connections, server, read=0.2)).body == b"ok"
            await connections.aclose()

    asyncio.run(main())


def test_a_server_that_takes_no_more_of_a_request() -> None:
    async def main() -> None:
        stop = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await stop.wait()

        async with Server(serve=serve) as server:
            connections = pool()
            with pytest.raises(httpx.WriteTimeout):
                await ask(connections, server, REQUEST + b"a" * 20_000_000, write=0.1)
            stop.set()
            await server.wait_for_endings(1)

    asyncio.run(main())


def test_a_socket_that_can_not_be_set_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError("no such option")

    monkeypatch.setattr("wfdeploy.http.connection.drop_unsent", refuse)

    async def main() -> None:
        async with Server() as server:
            with pytest.raises(httpx.ConnectError, match="no such option"):
                await ask(pool(), server)
            await server.wait_for_endings(1)

    asyncio.run(main())


def test_no_child_process_inherits_a_connection() -> None:
    async def main() -> None:
        async with Server() as server:
            connections = pool()
            await ask(connections, server)
            (connection,) = connections._open
            sock: socket.socket = connection._transport.get_extra_info("socket")
            assert not sock.get_inheritable()
            await connections.aclose()

    asyncio.run(main())
