"""A workflow endpoint that costs next to nothing: `python -m benchmarks.server.endpoint SERVER_URL TOKEN`.

It speaks the endpoint's side of the step protocol over raw sockets, without looking at signatures, so that the server
is what is measured. `/wf/N` is a workflow of N steps. It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import urlsplit

_HEADER = re.compile(rb"\r\n(content-length|upstash-workflow-runid): *([^\r]*)(?=\r\n)", re.IGNORECASE)
_ENTRY = b'"messageId":'
_DONE = b"HTTP/1.1 200 OK\r\nUpstash-Workflow-Sdk-Version: 1\r\nContent-Length: 2\r\n\r\n{}"


class Upstream:
    """Kept connections to the server, one request at a time over each."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._where = (parts.hostname, parts.port)
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, line: str, body: bytes) -> None:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._where)
        writer.write(f"{line} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [value for name, value in _HEADER.findall(head) if name.lower() == b"content-length"]
        answer = await reader.readexactly(int(lengths[0]) if lengths else 0)
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{line}: {(head + answer).decode()}")
        self._idle.append((reader, writer))


class Endpoint(asyncio.Protocol):
    """One connection, on which the server delivers one message after the other."""

    _transport: asyncio.Transport

    def __init__(self, upstream: Upstream, tasks: set[asyncio.Task[None]]) -> None:
        self._upstream = upstream
        self._tasks = tasks
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[: end + 2])
        headers = {name.lower(): value for name, value in _HEADER.findall(head)}
        whole = end + 4 + int(headers[b"content-length"])
        if len(self._buffer) < whole:
            return
        steps = self._buffer.count(_ENTRY, end, whole) - 1
        del self._buffer[:whole]
        path = head.split(b" ", 2)[1].decode()
        task = asyncio.create_task(self._go_on(path, headers[b"upstash-workflow-runid"].decode(), steps))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_on(self, path: str, run_id: str, done: int) -> None:
        """What an SDK does inside a delivery: submit the next step, or finish."""
        if done < int(path.rpartition("/")[2]):
            host, port = self._transport.get_extra_info("sockname")
            url = f"http://{host}:{port}{path}"
            number = done + 1
            body = (
                f'[{{"destination":"{url}","headers":{{"Upstash-Workflow-RunId":"{run_id}",'
                f'"Upstash-Workflow-Init":"false","Upstash-Workflow-Url":"{url}",'
                '"Upstash-Forward-Upstash-Workflow-Sdk-Version":"1","Content-Type":"application/json"},'
                f'"body":"{{\\"stepId\\":{number},\\"stepName\\":\\"step {number}\\",\\"stepType\\":\\"Run\\",'
                '\\"out\\":\\"1\\",\\"concurrent\\":1}"}]'
            )
            await self._upstream.call("POST /v2/batch", body.encode())
        else:
            await self._upstream.call(f"DELETE /v2/workflows/runs/{run_id}?cancel=false", b'"done"')
        if not self._transport.is_closing():
            self._transport.write(_DONE)


async def serve(server_url: str, token: str) -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    upstream = Upstream(server_url, token)
    tasks: set[asyncio.Task[None]] = set()
    server = await loop.create_server(lambda: Endpoint(upstream, tasks), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
