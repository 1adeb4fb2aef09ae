"""What a kernel does with a socket's send queue once the socket is closed, or its process killed.

By default it goes on sending: a path that stalls may deliver a request minutes after it was given up. With a linger
time of zero the queue is dropped, and the far end gets a reset in place of the rest.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

if sys.platform == "linux":
    import fcntl
    import termios

_FORMAT = "hh" if os.name == "nt" else "ii"
_DROP = struct.pack(_FORMAT, 1, 0)
_FINISH = struct.pack(_FORMAT, 0, 0)
_NOTHING = bytes(4)
_SO_NWRITE = 0x1024  # of macOS, for which Python has no name


def drop_unsent(sock: socket.socket) -> None:
    """From now on, send nothing more after a close, whoever closes. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)


def finish_unsent(sock: socket.socket) -> None:
    """From now on, close in the usual way, without a reset. Raises: `OSError`."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FINISH)


def has_unsent(sock: socket.socket) -> bool:
    """Whether the kernel holds bytes that the far end hasn't confirmed, as far as this system tells."""
    unsent = False
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            unsent = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NOTHING) != _NOTHING
        elif sys.platform == "darwin":
            unsent = sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE) != 0
    return unsent
