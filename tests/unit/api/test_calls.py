"""Where the work of a call happens, and what becomes of callbacks that fail."""

from __future__ import annotations

import contextvars
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from wfdeploy.api.calls import Call
from wfdeploy.model.event import Event, Notice
from wfdeploy.model.options import StopFlag


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """SIGINT raises `KeyboardInterrupt`, also where the tests were started in the background, which ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


VARIABLE = contextvars.ContextVar("VARIABLE", default="")


def test_callbacks_are_called_where_the_call_was_made() -> None:
    heard: list[tuple[Event, str]] = []
    call = Call(lambda event: heard.append((event, threading.current_thread().name)))

    def work() -> str:
        assert threading.current_thread().name == "wfdeploy"
        call.warn("careful", "look")
        call.detail("never heard")
        assert call.ask(lambda: threading.current_thread().name == "MainThread")
        return VARIABLE.get()

    token = VARIABLE.set("the caller's")
    try:
        assert call.run(work) == "the caller's"
    finally:
        VARIABLE.reset(token)
    assert heard == [(Notice("careful", "look"), "MainThread")]


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Call().run(lambda: 1 / 0)


def test_a_callback_that_fails_stops_the_work_and_is_heard_once_it_has_ended() -> None:
    stages: list[str] = []

    def fail(_: Event) -> None:
        stages.append("called")
        raise ZeroDivisionError

    call = Call(fail)

    def work() -> None:
        call.warn("first")
        stopped = threading.Event()
        call.stop.on_request(stopped.set)
        assert stopped.wait(10)
        call.warn("second")
        with pytest.raises(ZeroDivisionError):
            call.ask(lambda: True)
        stages.append("ended")

    with pytest.raises(ZeroDivisionError):
        call.run(work)
    assert stages == ["called", "ended"]


def test_a_question_that_fails_is_no_answer() -> None:
    call = Call()

    def fail() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call.run(lambda: call.ask(fail))


def test_the_callers_stop_is_passed_on_and_none_is_passed_back() -> None:
    stop = StopFlag()
    call = Call(lambda _: stop.request(), stop)

    def work() -> bool:
        stopped = threading.Event()
        call.stop.on_request(stopped.set)
        call.warn("now")
        return stopped.wait(10)

    assert call.run(work)
    another = StopFlag()
    failing = Call(lambda _: 1 / 0, another)
    with pytest.raises(ZeroDivisionError):
        failing.run(lambda: failing.warn("now"))
    assert not another.requested


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_stops_the_work_and_is_raised_once_it_has_ended() -> None:
    ended: list[bool] = []
    called = threading.Event()
    call = Call(lambda _: called.set())

    def work() -> None:
        call.warn("the caller is there")
        assert called.wait(10)
        stopped = threading.Event()
        call.stop.on_request(stopped.set)
        os.kill(os.getpid(), signal.SIGINT)
        ended.append(stopped.wait(10))

    with pytest.raises(KeyboardInterrupt):
        call.run(work)
    assert ended == [True]


@pytest.mark.usefixtures("_interruptible")
def test_another_interrupt_is_raised_at_once_and_leaves_no_question_open() -> None:
    asked: list[bool] = []
    left, ended = threading.Event(), threading.Event()

    def fail(_: Event) -> None:
        raise ZeroDivisionError

    call = Call(fail)

    def work() -> None:
        stopped = threading.Event()
        call.stop.on_request(stopped.set)
        call.warn("fail")
        assert stopped.wait(10)
        os.kill(os.getpid(), signal.SIGINT)
        assert left.wait(10)
        try:
            asked.append(call.ask(lambda: True))
        except KeyboardInterrupt:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        call.run(work)
    left.set()
    assert ended.wait(10)
    assert asked == []
