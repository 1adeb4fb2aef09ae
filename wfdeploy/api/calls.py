"""One call of the API: it works in a thread of its own, and calls back in the thread that called."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple, TypeAlias, TypeVar

from wfdeploy.model.event import Event, Notice
from wfdeploy.model.options import StopFlag

T = TypeVar("T")

OnEvent: TypeAlias = Callable[[Event], object]
"""A receiver of events as they happen."""


_LONGEST_SLEEP_S = 0.5
"""A signal that comes just before the thread sleeps is only noticed when it wakes up."""


class _Callback(NamedTuple):
    """A call to be made in the caller's thread."""

    do: Callable[[], object]
    answer: Future[bool] | None = None
    """Awaited by the work, if it is."""


class Call:
    """A listener to an operation's events, a reporter, and the thread in which the operation works.

    An event loop that runs in the caller's thread is in nobody's way, ^C is a request to stop, and what is in flight is
    recorded before it is raised. A slow callback doesn't make the work wait.
    """

    def __init__(self, on_event: OnEvent | None = None, stop: StopFlag | None = None) -> None:
        self._on_event = on_event
        self._callers_stop = stop
        self.stop = StopFlag()
        """Of this call alone: it is raised too when a callback fails."""
        self._callbacks: SimpleQueue[_Callback | None] = SimpleQueue()
        self._is_abandoned = False

    # --- in the thread of the work ---

    def __call__(self, event: Event, /) -> None:
        """Pass an event on."""
        on_event = self._on_event
        if on_event is not None:
            self._callbacks.put(_Callback(lambda: on_event(event)))

    def warn(self, message: str, hint: str | None = None) -> None:
        """See `Reporter.warn`."""
        self(Notice(message, hint))

    def detail(self, message: str) -> None:
        """See `Reporter.detail`. A program has no use for it."""

    def ask(self, question: Callable[[], bool]) -> bool:
        """Have the caller's thread answer a question. Raises: what the question raises."""
        answer: Future[bool] = Future()
        self._callbacks.put(_Callback(question, answer))
        if self._is_abandoned:
            raise KeyboardInterrupt
        return answer.result()

    # --- in the thread of the caller ---

    def run(self, work: Callable[[], T]) -> T:
        """Do the work, and call back while it is done. Raises: what the work raises, or a callback."""
        result: Future[T] = Future()

        def job() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)
            finally:
                self._callbacks.put(None)  # wakes the caller up

        if self._callers_stop is not None:
            self._callers_stop.on_request(self._request_stop)
        thread = Thread(target=copy_context().run, args=(job,), name="wfdeploy")
        try:
            thread.start()
        except BaseException:  # ^C while it starts, or no thread is left
            self._request_stop()
            raise
        failure: BaseException | None = None
        while True:
            try:
                self._call_back(result, failure)
                thread.join()
                break
            except BaseException as error:  # of a callback, or ^C
                if failure is not None:  # another ^C: the caller does not want to wait
                    self._abandon()
                    raise
                failure = error
                self._request_stop()
        if failure is not None:
            raise failure
        return result.result()

    def _call_back(self, result: Future[T], failure: BaseException | None) -> None:
        """Call back until there is a result."""
        while not (result.done() and self._callbacks.empty()):
            with contextlib.suppress(Empty):
                callback = self._callbacks.get(timeout=_LONGEST_SLEEP_S)
                if callback is not None:
                    _call(callback, failure)

    def _abandon(self) -> None:
        """Let the work go without its caller: whoever waits for an answer gets none."""
        self._is_abandoned = True
        with contextlib.suppress(Empty):
            while True:
                _call(self._callbacks.get_nowait() or _Callback(lambda: None), KeyboardInterrupt())

    def _request_stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the work is done already, and its event loop closed
            self.stop.request()


def _call(callback: _Callback, failure: BaseException | None) -> None:
    """Call back, unless something failed before: then there is no other answer than this failure."""
    if failure is not None:
        if callback.answer is not None:
            callback.answer.set_exception(failure)
        return
    try:
        answer = callback.do()
    except BaseException as error:
        if callback.answer is not None:
            callback.answer.set_exception(error)
        raise
    if callback.answer is not None:
        callback.answer.set_result(bool(answer))
