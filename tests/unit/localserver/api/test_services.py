"""Reading a request: not beyond the limit, and not what was cut off."""

from __future__ import annotations

import socket

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api


def test_body_is_size_capped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfdeploy.localserver.api.services.MAX_BODY_BYTES", 100)
    assert api.http.post("/v2/batch/trigger", content=b"x" * 101).status_code == 413


def test_client_that_leaves_does_no_harm(api: Api, server: LocalServer) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
        head = "POST /v2/batch/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        raw.sendall(f"{head}Authorization: Bearer {server.token}\r\n\r\n[".encode())
    assert api.trigger("wfr_a").status_code == 201
    assert server.accepted_counts() == {"wfr_a": 1}
