"""What a client has given up, it doesn't send: not when its process was killed, and not when the path has stalled."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.chaos_server import ChaosServer
from tests.fakes.stalling_relay import StallingRelay
from tests.fakes.tunnel import Tunnel
from tests.support.two_requests import BODY_BYTES, KINDS

PEM = Path(__file__).parents[1] / "fakes" / "tls" / "server.pem"

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="nothing else tells what a kernel holds")

ROUTES = [
    ("trigger", "plain"),
    ("trigger", "tls"),
    ("trigger", "proxy"),
    ("trigger", "tls proxy"),
    ("deliver", "plain"),
]


class Route:
    """A server, the way to it, and the stretch right behind the client, which can stall."""

    def __init__(self, stack: ExitStack, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for scheme in ("http", "https", "all", "no"):
            monkeypatch.delenv(f"{scheme}_proxy", raising=False)
            monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
        self.server = stack.enter_context(ChaosServer(tls=None if way == "plain" else _identity()))
        if way in ("plain", "tls"):
            self.relay = stack.enter_context(StallingRelay(self.server.port))
            scheme, host = ("http", "127.0.0.1") if way == "plain" else ("https", "localhost")
            self.url = f"{scheme}://{host}:{self.relay.port}"
        else:
            tls = _identity() if way == "tls proxy" else None
            proxy = stack.enter_context(Tunnel(self.server.port, tls=tls))
            self.relay = stack.enter_context(StallingRelay(proxy.port))
            monkeypatch.setenv("HTTPS_PROXY", f"{'https' if tls else 'http'}://localhost:{self.relay.port}")
            self.url = "https://qstash.test"

    def check_that_only_the_first_arrived(self) -> None:
        """Let flow what still flows."""
        self.relay.release()
        ending = self.relay.wait_for_an_end()
        self.server.wait_until(lambda: self.server.live_connections == 0)
        assert self.server.started == {"wfr_first": 1}
        assert ending == "reset"


def _identity() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


@pytest.fixture(params=ROUTES, ids=" over ".join)
def kind_and_route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Route]]:
    kind, way = request.param
    with ExitStack() as stack:
        yield kind, Route(stack, way, monkeypatch)


def test_a_request_given_up_never_arrives(kind_and_route: tuple[str, Route]) -> None:
    kind, route = kind_and_route
    ended = asyncio.run(_run(kind, route))
    assert ended == "Lost" if kind == "trigger" else "no answer" in ended
    route.check_that_only_the_first_arrived()


async def _run(kind: str, route: Route) -> str:
    return await KINDS[kind](route.url, route.relay.hold, timeout_s=0.3)


def test_a_request_of_a_process_that_was_killed_never_arrives(kind_and_route: tuple[str, Route]) -> None:
    kind, route = kind_and_route
    command = [sys.executable, "-m", "tests.support.two_requests", kind, route.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "first\n"
            route.relay.hold()
            process.stdin.write("go on\n")
            process.stdin.flush()
            route.relay.wait_until_unsent(BODY_BYTES * 9 // 10, is_alive=lambda: process.poll() is None)
        finally:
            process.kill()
    route.check_that_only_the_first_arrived()
