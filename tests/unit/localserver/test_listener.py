"""Where the server may listen."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.support.local_server import LocalServer
from wfdeploy.localserver.listener import NotLoopback, PortTaken


def test_only_loopback() -> None:
    for host in ("0.0.0.0", "192.168.1.1", "example.com", "::"):
        with pytest.raises(NotLoopback):
            LocalServer(host=host).start()


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            LocalServer(port=port).start()
        assert str(port) in caught.value.message
        # The demo's port is a wish.
        with LocalServer(demo=True, demo_port=port) as server:
            assert server.demo_url not in (None, f"http://127.0.0.1:{port}")


def test_the_port_of_the_demo_is_asked_for_again_while_whoever_has_it_ends() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    ending = threading.Timer(0.1, taken.close)
    ending.start()
    try:
        with LocalServer(demo=True, demo_port=port, demo_patience_s=20.0) as server:
            assert server.demo_url == f"http://127.0.0.1:{port}"
    finally:
        ending.join()
