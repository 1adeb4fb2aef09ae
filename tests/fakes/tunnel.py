"""A forward proxy."""

from __future__ import annotations

import asyncio
import ssl

from tests.fakes.loop_thread import LoopThread


class Tunnel(LoopThread):
    """A forward proxy that knows CONNECT, and leads every tunnel to one port of this machine; port 0 is nowhere."""

    def __init__(
        self, to_port: int, *, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self._to_port = to_port
        self._answer = answer
        self.heads: list[bytes] = []

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self._answer)
        if not self._to_port:
            return
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, upstream_writer))
                group.create_task(_pump(upstream_reader, writer))
        finally:
            upstream_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
