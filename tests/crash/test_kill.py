"""SIGKILL at every point of an apply: afterwards plain applies bring every declared run about, once."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.fakes.raw_http import RawRequest
from tests.support.command import Checkout, Child, ended, once_each
from tests.support.dying_process import WHERE
from tests.support.local_server import LocalServer
from tests.support.turnstile import Hold, Turnstile, is_listing, is_trigger
from tests.support.workbench import group, run

RUNS = 7
SMALL = ("--batch-size", "2", "--concurrency", "2")  # four batches, two at once
APPLY = ("apply", "--yes", "-o", "json", *SMALL)


def declare(checkout: Checkout, runs: int = RUNS, version: int = 1) -> None:
    checkout.write(group("g", [run(f"r{n}", body={"n": n, "v": version}) for n in range(runs)]))


def converge(checkout: Checkout, server: LocalServer, runs: int = RUNS) -> None:
    """What a scheduled job does next: the same command, until there is nothing left to do."""
    result = checkout.apply(*SMALL)
    assert result.code == 0, result.stderr
    once_each(server.accepted_counts(), runs)
    again = checkout.here(*APPLY)
    assert (again.code, again.counts) == (0, {"kept": RUNS}), again.stderr
    assert checkout.here("plan", "--detailed-exitcode").code == 0
    once_each(server.accepted_counts(), runs)
    litter = [file.name for file in checkout.state_file.parent.iterdir() if file.name.endswith(".json")]
    assert litter == [], "the holder's note is gone with the lock"


POINTS = [
    *(f"{point}:1" for point in WHERE if not point.startswith(("page", "marker", "resume", "cancel"))),
    *("commit:before:2", "commit:written:2", "commit:torn:2", "commit:after:2"),
    *("commit:before:3", "commit:written:3", "commit:torn:3", "commit:after:3"),
    *("commit:before:5", "commit:torn:5", "commit:after:5", "trigger:before:2", "trigger:after:2", "trigger:after:4"),
    *("marker:before:1", "marker:after:1", "page:before:1", "page:after:1"),
]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_its_first_apply(checkout: Checkout, server: LocalServer, point: str) -> None:
    declare(checkout)
    dead = checkout.run(*APPLY, die=point)
    assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
    converge(checkout, server)


@pytest.mark.parametrize("point", ["commit:before:2", "commit:torn:2", "commit:after:2", "trigger:after:1"])
def test_killed_when_it_triggers_edited_runs(checkout: Checkout, server: LocalServer, point: str) -> None:
    declare(checkout)
    assert checkout.apply().code == 0
    declare(checkout, version=2)
    dead = checkout.run(*APPLY, die=point)
    assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
    converge(checkout, server, runs=2 * RUNS)


@pytest.mark.parametrize(
    "second", ["page:before:1", "page:after:1", "commit:before:1", "commit:torn:2", "commit:after:2"]
)
def test_killed_again_while_it_recovers(checkout: Checkout, server: LocalServer, second: str) -> None:
    declare(checkout)
    for point in ("trigger:after:2", second):
        dead = checkout.run(*APPLY, die=point)
        assert dead.code in (-signal.SIGKILL, -signal.SIGXFSZ), dead.stderr
    converge(checkout, server)


@pytest.mark.parametrize("arrives", [False, True], ids=["never arrives", "arrives after its death"])
@pytest.mark.parametrize("nth", [1, 3])
def test_killed_after_the_request_left(
    checkout: Checkout, server: LocalServer, gate: Turnstile, nth: int, arrives: bool
) -> None:
    declare(checkout)
    seen: list[RawRequest] = []

    def hold(request: RawRequest) -> Hold | None:
        if is_trigger(request):
            seen.append(request)
            return Hold.REQUEST if len(seen) >= nth else None
        return None

    gate.hold = hold
    with ended(checkout.start(*APPLY)) as child:
        gate.wait_held()
        assert child.kill().code == -signal.SIGKILL
    gate.release(lets_pass=arrives)
    gate.wait_quiet()
    converge(checkout, server)


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_killed_after_the_server_acted(checkout: Checkout, server: LocalServer, gate: Turnstile, nth: int) -> None:
    declare(checkout)
    seen: list[RawRequest] = []

    def hold(request: RawRequest) -> Hold | None:
        if is_trigger(request):
            seen.append(request)
            return Hold.ANSWER if len(seen) >= nth else None
        return None

    gate.hold = hold
    with ended(checkout.start(*APPLY)) as child:
        gate.wait_held()
        assert child.kill().code == -signal.SIGKILL
    assert sum(server.accepted_counts().values()) >= 1
    gate.release(lets_pass=False)
    gate.wait_quiet()
    converge(checkout, server)


def test_killed_while_the_logs_are_asked(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    declare(checkout)
    assert checkout.run(*APPLY, die="trigger:after:1").code == -signal.SIGKILL
    gate.hold = lambda request: Hold.ANSWER if is_listing(request) else None
    with ended(checkout.start(*APPLY)) as child:
        gate.wait_held()
        assert child.kill().code == -signal.SIGKILL
    gate.release(lets_pass=False)
    gate.wait_quiet()
    converge(checkout, server)


def test_a_request_that_arrives_late_is_waited_for(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    """`server.logLag` is how late what a dead process sent may still arrive."""
    checkout.configure(logLag=3)
    declare(checkout)
    gate.hold = lambda request: Hold.REQUEST if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as child:
        gate.wait_held()
        child.kill()
    with ended(checkout.start(*APPLY)) as after:
        after.wait_for_words("waiting")
        gate.release()  # only now does the server hear of it
        gate.wait_quiet()
        assert after.result().code == 0
    converge(checkout, server)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_times_again_and_again(checkout: Checkout, server: LocalServer, seed: int) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    # A killed process's request may still be on its way through the proxy when the next one asks the logs.
    checkout.configure(logLag=0.3)
    expected = 0
    for version in (1, 2):
        declare(checkout, version=version)
        expected += RUNS
        for _ in range(4):
            with ended(checkout.start("apply", "--yes", "--batch-size", "1", "--concurrency", "2")) as child:
                die_within(child, 0.25 + chance.random() * 0.9)
    converge_slowly(checkout, server, expected)


def die_within(child: Child, seconds: float) -> None:
    """Kill it at that moment of its life; nothing is waited for but that moment."""
    deadline = time.monotonic() + seconds
    while child.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.kill()


def converge_slowly(checkout: Checkout, server: LocalServer, most: int) -> None:
    result = checkout.apply()
    assert result.code == 0, result.stderr
    counts = server.accepted_counts()
    once_each(counts, len(counts))
    # A run that was killed before its first trigger was never sent in its first version.
    assert RUNS <= len(counts) <= most
    assert checkout.here(*APPLY).counts == {"kept": RUNS}
