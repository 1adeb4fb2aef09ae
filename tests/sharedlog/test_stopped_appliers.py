"""An apply that is stopped beyond its lease, or whose append lands late, while another machine goes on and prunes what
it read. Ids are free at once here, so that whatever is sent a second time starts a second run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.cutting_relay import Cut
from tests.fakes.stalling_relay import StallingRelay
from tests.sharedlog.appliers import Machine, Site, site
from tests.sharedlog.servers import Place
from tests.support.command import ended
from tests.support.turnstile import Hold, is_listing, is_trigger

RUNS = 4

S3, POSTGRES = "s3", "postgres"


@pytest.fixture
def here(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Iterator[Site]:
    with site(places, request.param) as here:
        yield here


def go_on(here: Site, machine: Machine) -> None:
    """Another machine takes over, and applies until what the first one read is pruned."""
    for _ in range(3):
        result = machine.apply()
        assert result.code == 0, result.stderr
        here.declare(1)
    with closing(here.place.open(here.prefix)) as log:
        numbers = [each.number for each in log.list_entries(0, 1000)]
    assert len(numbers) < numbers[-1], "nothing was pruned"


@pytest.mark.parametrize(("here", "hold"), [(S3, Hold.REQUEST), (POSTGRES, Hold.ANSWER)], indirect=["here"])
def test_stopped_while_its_request_is_under_way(here: Site, hold: Hold) -> None:
    first, second = here.begin(2, RUNS)
    here.gate.hold = lambda request: hold if is_trigger(request) else None
    with ended(first.start()) as child:
        here.gate.wait_held()
        child.process.send_signal(signal.SIGSTOP)
        here.gate.release(lets_pass=False)
        here.gate.wait_quiet()
        go_on(here, second)
        child.process.send_signal(signal.SIGCONT)
        result = child.result()
    assert result.code == 5, result.stderr
    here.converge()


@pytest.mark.parametrize("here", [S3], indirect=True)
def test_stopped_before_it_sends(here: Site) -> None:
    """It wakes up with an answer to read that says that nothing is there yet."""
    first, second = here.begin(2, RUNS)
    here.gate.hold = lambda request: Hold.ANSWER if is_listing(request) else None
    with ended(first.start()) as child:
        here.gate.wait_held()
        child.process.send_signal(signal.SIGSTOP)
        here.gate.hold = None
        go_on(here, second)
        here.gate.release()
        here.gate.wait_quiet()
        child.process.send_signal(signal.SIGCONT)
        result = child.result()
    assert result.code == 5, result.stderr
    here.converge()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="nothing else tells what a kernel holds")
@pytest.mark.parametrize("here", [POSTGRES], indirect=True)
def test_stopped_in_the_middle_of_a_body(here: Site) -> None:
    """Its kernel would go on sending without it."""
    port = urlsplit(here.server.url).port
    assert port is not None
    with StallingRelay(port) as path:
        path.stalls_behind = b"GET /v2/workflows/logs"
        here.front = f"http://127.0.0.1:{path.port}"
        first, second = here.begin(2, 40, body="x" * 2000)
        with ended(first.start("--batch-size", "100")) as child:
            path.wait_until_unsent(40 * 2000, is_alive=lambda: child.process.poll() is None)
            child.process.send_signal(signal.SIGSTOP)
            path.reroute()
            go_on(here, second)
            assert path.unsent() == 0, "its kernel has given up when its lease was over"
            path.release()
            child.process.send_signal(signal.SIGCONT)
            result = child.result()
        assert result.code == 5, result.stderr
        here.converge()


@pytest.mark.parametrize(
    ("here", "first_lands"), [(S3, False), (POSTGRES, False), (S3, True), (POSTGRES, True)], indirect=["here"]
)
def test_an_append_lands_long_after_it_was_given_up(here: Site, first_lands: bool) -> None:
    """Before the next holder's fence it counts, and behind it it is refused."""
    first, second = here.begin(2, RUNS)
    assert first.apply().counts == {"triggered": RUNS}
    here.declare(1)
    appends: list[bytes] = []

    def choose(data: bytes) -> Cut | None:
        if b"wfdeploy-log-1\n" in data:
            appends.append(data)
        if len(appends) < 2:  # its fence
            return None
        return Cut.LATE if len(appends) == 2 and b"wfdeploy-log-1\n" in data else Cut.BEFORE

    first.path.choose = choose
    failed = first.apply()
    assert failed.code == 5, failed.stderr
    assert first.path.done[Cut.LATE] == 1

    if first_lands:
        first.path.deliver()
        taken = second.apply()
    else:
        taken = second.apply()
        first.path.deliver()
    first.path.choose = lambda _: None
    assert taken.code == 0, taken.stderr
    assert taken.counts == {"triggered": 1, "kept": RUNS}
    here.converge()
