"""An embedded server behind a relay that answers as a test has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.local_server import LocalServer
from tests.support.relay import Relay


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.faults.hold_deliveries = True
        yield server


@pytest.fixture
def relay(server: LocalServer) -> Iterator[Relay]:
    with Relay(server.url) as relay:
        yield relay
