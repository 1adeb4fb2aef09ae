"""The first signal asks, the second insists."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import FrameType
from typing import Any

import pytest

from wfdeploy.cli.signals import Stopper, Terminated, stop_on_signal, terminate_politely
from wfdeploy.errors import ExitCode


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, ExitCode.SIGINT), (signal.SIGTERM, ExitCode.SIGTERM)])
def test_first_signal_only_asks(number: signal.Signals, code: ExitCode) -> None:
    woken: list[str] = []
    with stop_on_signal() as stopper:
        stopper.flag.on_request(lambda: woken.append("before"))
        signal.raise_signal(number)
        assert stopper.flag.requested
    stopper.flag.on_request(lambda: woken.append("after"))
    assert stopper.exit_code is code
    assert woken == ["before", "after"]


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_second_signal_ends_it(number: signal.Signals, error: type[BaseException]) -> None:
    with stop_on_signal() as stopper:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(error):
            signal.raise_signal(number)
    assert stopper.exit_code is ExitCode.SIGINT


def test_while_a_question_is_open_the_first_one_ends_it() -> None:
    stopper = Stopper()
    with pytest.raises(KeyboardInterrupt), stopper.impatient():
        stopper.handle(signal.SIGINT)
    assert not stopper.flag.requested


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with terminate_politely(), stop_on_signal():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_sigterm_unwinds_the_program() -> None:
    with pytest.raises(Terminated), terminate_politely():
        signal.raise_signal(signal.SIGTERM)


def test_sigterm_gets_through_an_event_loop() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGTERM)
        await asyncio.sleep(10)

    with pytest.raises(Terminated), terminate_politely():
        asyncio.run(work())


def test_a_stop_wakes_an_event_loop_that_sleeps() -> None:
    async def work(stopper: Stopper) -> str:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        stopper.flag.on_request(lambda: loop.call_soon_threadsafe(asked.set))
        loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.wait_for(asked.wait(), 10)
        return "finished what was under way"

    with stop_on_signal() as stopper:
        assert asyncio.run(work(stopper)) == "finished what was under way"
    assert stopper.exit_code is ExitCode.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_the_first_is_dealt_with_is_the_second(number: signal.Signals) -> None:
    """Wherever in the handler it falls: exactly one of the two asks to stop, the other one ends it."""
    line = 0
    while True:
        stopper = Stopper()
        raised = []
        left = [line]

        def trace(frame: FrameType, event: str, _: object, stopper: Stopper = stopper, left: list[int] = left) -> Any:
            if frame.f_code.co_filename != Stopper.handle.__code__.co_filename:
                return trace
            frame.f_trace_opcodes = True
            if event == "opcode":
                left[0] -= 1
                if left[0] == -1:
                    sys.settrace(None)  # signals are handled between two opcodes
                    stopper.handle(number)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            stopper.handle(number)
        except (KeyboardInterrupt, Terminated) as error:
            raised.append(error)
        finally:
            sys.settrace(before)
        if left[0] >= 0:
            break  # the handler was through before
        assert stopper.flag.requested or raised
        assert raised, f"both were the first one, at opcode {line}"
        line += 1
    assert line > 10
