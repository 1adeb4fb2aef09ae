"""A path through the network that loses what a test chooses: a request, its answer, or half of it; or delivers late.

It knows no protocol, and so stands before any server. What it looks for are bytes of a request.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Self


class Cut(Enum):
    """What becomes of the connection on which the bytes come."""

    BEFORE = "cut before they are passed on: the server never acts"
    AFTER = "cut when the answer comes: the server acted"
    MIDDLE = "cut in the middle of the answer: the server acted"
    SILENT = "the answer is held back until the client gives up: the server acted"
    LATE = "cut at once, and passed on when the test says so: the server acts later"
    SLOW = "passed on after a while, and nothing is cut"


class CuttingRelay:
    """Passes connections on to a port of this machine."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._planned: list[tuple[bytes, Cut]] = []
        self._guard = threading.Lock()
        self._late: list[tuple[socket.socket, bytes]] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.done: Counter[Cut] = Counter()
        self.choose: Callable[[bytes], Cut | None] = lambda _: None
        """Asked for each piece that comes from a client, where nothing is planned."""
        self.slow_s = 0.2

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._threads[0].join(10)
        for sock in self._sockets:
            _shut(sock)
        for thread in self._threads[1:]:
            thread.join(10)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def plan(self, wanted: bytes, *cuts: Cut) -> None:
        """Cut the next connections on which these bytes come, one after the other."""
        with self._guard:
            self._planned += [(wanted, cut) for cut in cuts]

    def deliver(self) -> None:
        """Pass on what is late, and wait until the server has answered it."""
        while self._late:
            server, data = self._late.pop()
            with contextlib.suppress(OSError):  # a goodbye has no answer
                server.sendall(data)
                server.settimeout(10)
                server.recv(65536)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            thread = threading.Thread(target=self._pass_on, args=(client, server), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        seen = b""
        with contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if server in ready:
                    answer = server.recv(65536)
                    if not answer:
                        break
                    client.sendall(answer)
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        break
                    seen = (seen + data)[-70_000:]
                    kind = self._next(seen, data)
                    if kind is Cut.SLOW:
                        time.sleep(self.slow_s)
                        kind = None
                    if kind is Cut.LATE:
                        self._late.append((server, data))
                        _shut(client)
                        return
                    if kind is not None:
                        _cut(kind, client, server, data)
                        break
                    server.sendall(data)
        _shut(server)
        _shut(client)

    def _next(self, seen: bytes, data: bytes) -> Cut | None:
        with self._guard:
            for index, (wanted, cut) in enumerate(self._planned):
                if wanted in seen:
                    del self._planned[index]
                    self.done[cut] += 1
                    return cut
            chosen = self.choose(data)
            if chosen is not None:
                self.done[chosen] += 1
            return chosen


def _cut(kind: Cut, client: socket.socket, server: socket.socket, data: bytes) -> None:
    if kind is Cut.BEFORE:
        return
    server.sendall(data)
    server.settimeout(10)
    answer = server.recv(65536)
    if kind is Cut.MIDDLE:
        client.sendall(answer[: len(answer) // 2])
    if kind is Cut.SILENT:
        while client.recv(65536):
            pass


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
