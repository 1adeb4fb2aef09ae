"""Signals and an event loop that sleeps."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hearing(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let signals wake the loop. A signal that comes after the interpreter's last look for one, and before the loop
    sleeps, would else be dealt with when something else wakes it (Python documentation: `signal.set_wakeup_fd`).

    In another thread than the main one, and with a loop that watches no sockets, this does nothing.
    """
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        try:
            loop.add_reader(near, near.recv, 4096)
        except NotImplementedError:
            yield
            return
        try:
            before = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        except ValueError:
            before = None
        try:
            yield
        finally:
            if before is not None:
                signal.set_wakeup_fd(before)
            loop.remove_reader(near)
