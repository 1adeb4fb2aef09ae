"""Two applies on one state: one works, the other is told who does, or waits."""

from __future__ import annotations

import getpass
import socket

from tests.support.command import Checkout, ended, once_each
from tests.support.local_server import LocalServer
from tests.support.turnstile import Hold, Turnstile, is_trigger
from tests.support.workbench import group, run

RUNS = 5
APPLY = ("apply", "--yes", "-o", "json")


def declare(checkout: Checkout) -> None:
    checkout.write(group("g", [run(f"r{n}", body=n) for n in range(RUNS)]))


def test_the_second_one_is_told_who_works(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    declare(checkout)
    gate.hold = lambda request: Hold.ANSWER if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as first:
        gate.wait_held()
        second = checkout.run(*APPLY)
        assert second.code == 5
        for word in (str(first.process.pid), getpass.getuser(), socket.gethostname(), "apply --yes", "--lock-timeout"):
            assert word in second.stderr
        assert second.stdout == ""
        # Looking needs no lock.
        assert checkout.here("state", "list").code == 0
        gate.release()
        assert first.result().counts == {"triggered": RUNS}
    assert checkout.here(*APPLY).counts == {"kept": RUNS}
    once_each(server.accepted_counts(), RUNS)


def test_the_second_one_waits_and_finds_nothing_to_do(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    declare(checkout)
    gate.hold = lambda request: Hold.ANSWER if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as first:
        gate.wait_held()
        with ended(checkout.start(*APPLY, "--lock-timeout", "60")) as second:
            second.wait_for_words(f"process {first.process.pid} ")
            gate.release()
            assert first.result().counts == {"triggered": RUNS}
            result = second.result()
    assert (result.code, result.counts) == (0, {"kept": RUNS})
    once_each(server.accepted_counts(), RUNS)


def test_waiting_ends_when_its_time_is_up(checkout: Checkout, gate: Turnstile) -> None:
    declare(checkout)
    gate.hold = lambda request: Hold.ANSWER if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as first:
        gate.wait_held()
        second = checkout.here(*APPLY, "--lock-timeout", "0.3")
        assert second.code == 5
        assert f"process {first.process.pid} " in second.stderr
        gate.release()
        assert first.result().code == 0


def test_who_waits_goes_on_where_a_killed_one_ended(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    declare(checkout)
    gate.hold = lambda request: Hold.ANSWER if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as first:
        gate.wait_held()
        with ended(checkout.start(*APPLY, "--lock-timeout", "60")) as second:
            second.wait_for_words(f"process {first.process.pid} ")
            first.kill()
            gate.release(lets_pass=False)
            result = second.result()
    assert result.code == 0, result.stderr
    assert result.counts == {"triggered": RUNS}  # found in the logs
    once_each(server.accepted_counts(), RUNS)


def test_a_killed_holder_leaves_no_lock(checkout: Checkout, server: LocalServer, gate: Turnstile) -> None:
    declare(checkout)
    gate.hold = lambda request: Hold.REQUEST if is_trigger(request) else None
    with ended(checkout.start(*APPLY)) as first:
        gate.wait_held()
        first.kill()
    gate.release(lets_pass=False)
    gate.wait_quiet()
    after = checkout.here(*APPLY)
    assert (after.code, after.counts) == (0, {"triggered": RUNS})
    once_each(server.accepted_counts(), RUNS)


def test_two_started_together(checkout: Checkout, server: LocalServer) -> None:
    declare(checkout)
    for _ in range(3):
        with ended(checkout.start(*APPLY)) as one, ended(checkout.start(*APPLY, "--batch-size", "1")) as other:
            codes = {one.result().code, other.result().code}
        assert 0 in codes
        assert codes <= {0, 5}
    once_each(server.accepted_counts(), RUNS)
