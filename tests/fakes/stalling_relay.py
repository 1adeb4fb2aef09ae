"""A path through the network that can stall: what was sent into it stays in the sender's kernel."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self


class StallingRelay:
    """Passes connections on to a port of this machine. While it is held, it reads nothing of what clients send."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._flowing = [threading.Event()]
        self._flowing[-1].set()
        self._changed = threading.Condition()
        self._listener = socket.socket()
        # Inherited by the accepted sockets: nearly all of a request has to wait at its sender.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.stalls_behind = b""
        """It stalls, once, when these bytes come from a client."""
        self._endings: dict[socket.socket, str] = {}

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        for sock in self._sockets:
            _shut(sock)
        for thread in self._threads[1:]:
            thread.join(10)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def hold(self) -> None:
        """Stall."""
        self._flowing[-1].clear()

    def reroute(self) -> None:
        """Let new connections flow, and no others."""
        self._flowing.append(threading.Event())
        self._flowing[-1].set()

    def release(self) -> None:
        """Let everything flow."""
        for flowing in self._flowing:
            flowing.set()

    def wait_for_an_end(self, *, timeout_s: float = 20.0) -> str:
        """How the client ended the first connection ("closed" or "reset"), once all that came over it was passed on."""
        first = self._sockets[0]
        with self._changed:
            assert self._changed.wait_for(lambda: first in self._endings, timeout_s), "the connection goes on"
            return self._endings[first]

    def wait_until_unsent(self, size: int, *, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until some client's kernel holds so many bytes that it can't get rid of."""
        tick = threading.Event()
        for _ in range(1000):
            assert is_alive()
            if self.unsent() >= size:
                return
            tick.wait(0.01)
        raise AssertionError(f"only {self.unsent()} bytes are waiting")

    def unsent(self) -> int:
        """Bytes in the send queues of all sockets whose far end is this relay."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        queues = [int(row[4].partition(":")[0], 16) for row in rows if row[2].endswith(f":{self.port:04X}")]
        return sum(queue for queue in queues if queue > 1)  # a connection's beginning or end counts as one byte

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to_port))
            self._sockets += [client, server]
            for target, args in ((self._up, (client, server)), (_down, (server, client))):
                thread = threading.Thread(target=target, args=args, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        ending, flowing = "closed", self._flowing[-1]
        try:
            while True:
                select.select([client], [], [])  # a read that had begun before would take the first bytes
                flowing.wait()
                data = client.recv(65536)
                if not data:
                    break
                if self.stalls_behind and self.stalls_behind in data:
                    flowing.clear()
                    self.stalls_behind = b""
                server.sendall(data)
        except OSError:
            ending = "reset"
        _shut(server)
        with self._changed:
            self._endings[client] = ending
            self._changed.notify_all()


def _down(server: socket.socket, client: socket.socket) -> None:
    try:
        while data := server.recv(65536):
            client.sendall(data)
    except OSError:
        pass


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
