"""^C and SIGTERM, once and twice, wherever an apply may be: nothing is lost, and the next apply goes on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.fakes.fault_proxy import Fault, scripted
from tests.support.command import Checkout, ended, once_each
from tests.support.local_server import LocalServer
from tests.support.turnstile import Hold, Turnstile, is_listing, is_trigger
from tests.support.workbench import group, run
from wfdeploy.state.sqlite_store import SqliteStore

RUNS = 9
APPLY = ("apply", "--yes", "-o", "json", "--batch-size", "1", "--concurrency", "2")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

both = pytest.mark.parametrize("number", CODES, ids=["SIGINT", "SIGTERM"])


@pytest.fixture(autouse=True)
def _declared(checkout: Checkout) -> None:
    checkout.write(group("g", [run(f"r{n}", body=n) for n in range(RUNS)]))


def converge(checkout: Checkout, server: LocalServer) -> None:
    result = checkout.here("apply", "--yes", "-o", "json")
    assert result.code == 0, result.stderr
    once_each(server.accepted_counts(), RUNS)
    assert checkout.here("apply", "--yes", "-o", "json").counts == {"kept": RUNS}
    once_each(server.accepted_counts(), RUNS)


def attempts(checkout: Checkout) -> int:
    with SqliteStore.open_existing(checkout.state_file, None, readonly=True) as store:
        return len(list(store.attempts()))


@both
def test_once_while_sending_finishes_what_is_in_flight(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals
) -> None:
    gate.hold = lambda request: Hold.ANSWER if is_trigger(request) else None
    with ended(checkout.start(*APPLY, die="never")) as child:
        gate.wait_held(2)
        child.signal(number)
        gate.release()
        result = child.result()
    assert result.code == CODES[number], result.stderr
    assert result.counts == {"triggered": 2, "pending": RUNS - 2}
    assert sum(server.accepted_counts().values()) == 2
    assert attempts(checkout) == 0
    converge(checkout, server)


@both
@pytest.mark.parametrize("where", Hold)
def test_twice_while_sending_ends_it_at_once(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals, where: Hold
) -> None:
    gate.hold = lambda request: where if is_trigger(request) else None
    with ended(checkout.start(*APPLY, die="never")) as child:
        gate.wait_held(2)
        child.signal(number)
        child.signal(number)
        result = child.result(timeout_s=20)
    assert result.code == CODES[number], result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    # Two were under way; the intents of two more may have been written meanwhile.
    assert 2 <= attempts(checkout) <= 4, "their intents stand until the logs tell"
    gate.release(lets_pass=where is Hold.ANSWER)
    gate.wait_quiet()
    converge(checkout, server)


@both
def test_while_the_server_asks_for_a_pause(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals
) -> None:
    gate.policy = scripted([Fault.PASS, Fault.PASS, Fault.THROTTLE, Fault.THROTTLE], only="/v2/batch")
    gate.pause = {"Retry-After": "60"}
    with ended(checkout.start(*APPLY, die="never")) as child:
        child.wait_for_words("asks for a pause")
        child.signal(number)
        result = child.result(timeout_s=20)
    assert result.code == CODES[number], result.stderr
    assert result.counts == {"triggered": 2, "pending": RUNS - 2}
    assert attempts(checkout) == 0, "a refused request left nothing open"
    gate.policy = scripted([])  # the second pause may not have been asked for yet
    converge(checkout, server)


@both
def test_while_it_waits_for_the_logs_to_tell(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals
) -> None:
    checkout.configure(logLag=30)
    with ended(checkout.start(*APPLY, "--timeout", "1000", die="never")) as child:
        child.wait_for_words("this state is new: waiting")
        child.signal(number)
        result = child.result(timeout_s=20)
    assert result.code == CODES[number], result.stderr
    assert server.accepted() == []
    assert not checkout.state_file.exists()
    checkout.configure(logLag=0)
    converge(checkout, server)


@both
def test_while_lost_answers_wait_for_the_logs(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals
) -> None:
    checkout.write(group("g", [run("first", body="x")]))
    assert checkout.here(*APPLY).code == 0  # so that this state is known to be the whole story
    checkout.configure(logLag=30)
    checkout.write(group("g", [run("first", body="x"), *(run(f"r{n}", body=n) for n in range(RUNS - 1))]))
    gate.policy = scripted([Fault.DROP_ANSWER, Fault.DROP_REQUEST], only="/v2/batch")
    with ended(checkout.start(*APPLY, die="never")) as child:
        child.wait_for_words("answers were lost")
        child.signal(number)
        result = child.result(timeout_s=20)
    assert result.code == CODES[number], result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert result.counts == {"triggered": RUNS - 3, "unknown": 2, "kept": 1}
    assert attempts(checkout) == 2
    once_each(server.accepted_counts(), RUNS - 1)
    checkout.configure(logLag=0)
    converge(checkout, server)


@both
def test_while_the_logs_are_asked(
    checkout: Checkout, server: LocalServer, gate: Turnstile, number: signal.Signals
) -> None:
    gate.hold = lambda request: Hold.ANSWER if is_listing(request) else None
    with ended(checkout.start(*APPLY, die="never")) as child:
        gate.wait_held()
        child.signal(number)
        child.signal(number)
        result = child.result(timeout_s=20)
    assert result.code == CODES[number], result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert not checkout.state_file.exists()
    gate.release(lets_pass=False)
    converge(checkout, server)


@both
def test_while_the_question_is_open(checkout: Checkout, server: LocalServer, number: signal.Signals) -> None:
    ours, theirs = os.openpty()
    try:
        with ended(checkout.start("apply", die="never", stdin=theirs)) as child:
            child.wait_for_words("Apply these changes?")
            child.signal(number)
            result = child.result(timeout_s=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert result.code == CODES[number], result.stderr
    assert server.accepted() == []
    assert not checkout.state_file.exists()
    converge(checkout, server)
