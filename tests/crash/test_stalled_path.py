"""An apply that is killed, or gives up, while its request waits in the kernel, and a path that flows again later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.stalling_relay import StallingRelay
from tests.support.command import Checkout, ended, once_each
from tests.support.local_server import LocalServer
from tests.support.scratch import scratch
from tests.support.workbench import group, run

RUNS = 40
APPLY = ("apply", "--yes", "-o", "json")

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="nothing else tells what a kernel holds")


@pytest.fixture
def path(server: LocalServer) -> Iterator[StallingRelay]:
    """It stalls behind the listing that precedes the first trigger."""
    port = urlsplit(server.url).port
    assert port is not None
    with StallingRelay(port) as path:
        path.stalls_behind = b"GET /v2/workflows/logs"
        yield path


@pytest.fixture
def checkout(path: StallingRelay, server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        checkout = Checkout(root / "project", f"http://127.0.0.1:{path.port}", server.token)
        checkout.write(group("g", [run(f"r{n}", body={"n": n, "text": "x" * 2000}) for n in range(RUNS)]))
        yield checkout


def check_that_nothing_comes_after_it(checkout: Checkout, server: LocalServer, path: StallingRelay) -> None:
    """Let flow what still flows over the first connection."""
    once_each(server.accepted_counts(), RUNS)
    path.release()
    ending = path.wait_for_an_end()
    assert checkout.run(*APPLY).counts == {"kept": RUNS}
    once_each(server.accepted_counts(), RUNS)
    assert ending == "reset"


def test_killed(checkout: Checkout, server: LocalServer, path: StallingRelay) -> None:
    with ended(checkout.start(*APPLY)) as child:
        path.wait_until_unsent(RUNS * 2000, is_alive=lambda: child.process.poll() is None)
        child.kill()
    path.reroute()
    result = checkout.run(*APPLY)
    assert result.code == 0, result.stderr
    check_that_nothing_comes_after_it(checkout, server, path)


def test_given_up(checkout: Checkout, server: LocalServer, path: StallingRelay) -> None:
    checkout.configure(timeouts={"read": 0.5})
    with ended(checkout.start(*APPLY)) as child:
        path.wait_until_unsent(RUNS * 2000, is_alive=lambda: child.process.poll() is None)
        path.reroute()
        result = child.result()
    assert result.code == 0, result.stderr
    check_that_nothing_comes_after_it(checkout, server, path)
