"""Waiting: bounded in total, reported, and ended early by a stop request."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from wfdeploy.model.event import Waiting
from wfdeploy.model.options import StopFlag
from wfdeploy.ports import Clock, Listener

_REPORTED_FROM_S = 1.0
"""Shorter waits are not reported."""

_GRACE_S = 30.0
"""What a request may take in any case, however short the budget."""


def backoff_s(times: int) -> float:
    """The pause after the server has requested one this many times without saying how long."""
    return min(2.0 ** min(times, 6), 60.0)


class Patience:
    """A budget of seconds for all the waits of one apply (`--timeout`)."""

    def __init__(self, clock: Clock, stop: StopFlag, listener: Listener, budget_s: float) -> None:
        self._clock = clock
        self._stop = stop
        self._listener = listener
        self._left_s = budget_s
        self._used_until = clock.monotonic()
        self._stopped: asyncio.Event | None = None

    @property
    def stopped(self) -> bool:
        """Whether the user asked to stop."""
        return self._stop.requested

    async def wait(self, seconds: float, why: str) -> bool:
        """Wait. False: the budget doesn't cover it (then nothing was waited), or the user asked to stop meanwhile."""
        if self.stopped or seconds > self._left_s:
            return False
        self._left_s -= max(seconds, 0.0)
        if seconds >= _REPORTED_FROM_S:
            self._listener(Waiting(why, seconds))
        return await self.pause(seconds)

    def use(self, since: float) -> bool:
        """Take the time since a moment (monotonic) out of the budget: a request went out then, and its answer was lost.
        Requests that went out together count once. False: the budget is exceeded by more than one request takes."""
        now = self._clock.monotonic()
        self._left_s -= max(now - max(since, self._used_until), 0.0)
        self._used_until = now
        return self._left_s + _GRACE_S >= 0

    async def pause(self, seconds: float) -> bool:
        """Wait without touching the budget. False: the user asked to stop meanwhile."""
        if seconds > 0 and not self.stopped:
            stopping = asyncio.ensure_future(self._stop_event().wait())
            sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
            try:
                await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sleeping, stopping):
                    task.cancel()
                await asyncio.gather(sleeping, stopping, return_exceptions=True)
        return not self.stopped

    def _stop_event(self) -> asyncio.Event:
        if self._stopped is None:
            self._stopped = event = asyncio.Event()
            loop = asyncio.get_running_loop()

            def wake_up() -> None:
                loop.call_soon_threadsafe(event.set)

            self._stop.on_request(wake_up)
        return self._stopped


@contextmanager
def signal_wakeup(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let signals wake the loop. A signal that comes after the interpreter's last look for one, and before the loop
    sleeps, would else be dealt with when something else wakes it (Python documentation: `signal.set_wakeup_fd`).

    In another thread than the main one, and with a loop that watches no sockets, this does nothing.
    """
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        try:
            loop.add_reader(near, near.recv, 4096)
        except NotImplementedError:
            yield
            return
        try:
            before = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        except ValueError:
            before = None
        try:
            yield
        finally:
            if before is not None:
                signal.set_wakeup_fd(before)
            loop.remove_reader(near)
