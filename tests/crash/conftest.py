"""One server, whose runs end the moment they begin, and one project for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command import Checkout
from tests.support.local_server import LocalServer
from tests.support.scratch import scratch
from tests.support.turnstile import Turnstile


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.faults.instant_finish = True  # ids are free at once: a second request starts a second run
        yield server


@pytest.fixture
def gate(server: LocalServer) -> Iterator[Turnstile]:
    """Stands between the commands of `checkout` and the server."""
    with Turnstile(server.url) as gate:
        yield gate


@pytest.fixture
def checkout(gate: Turnstile, server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        yield Checkout(root / "project", gate.url, server.token)
