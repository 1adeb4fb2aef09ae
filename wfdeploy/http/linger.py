"""What the kernel does with a socket's send queue once the socket is closed, or its process killed.

By default it goes on sending: a path that stalls may deliver a request minutes after it was given up. With a linger
time of zero the queue is dropped, and the far end gets a reset in place of the rest.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_DROP = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def drop_unsent(transport: asyncio.BaseTransport) -> None:
    """From now on, send nothing more after a close, whoever closes. Raises: `OSError`."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
