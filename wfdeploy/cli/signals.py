"""Handlers of ^C and SIGTERM.

Everywhere: they end the command by an exception, so that files and locks are released. While an apply sends: the
first one asks the engine to stop (no new batch; those in flight are finished and recorded), a second one ends it at
once.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType

from wfdeploy.errors import ExitCode
from wfdeploy.model.options import StopFlag


class Terminated(SystemExit):
    """SIGTERM came. A `SystemExit`, since an event loop lets only that and `KeyboardInterrupt` through: anything else
    that is raised in one of its callbacks is logged and forgotten."""

    def __init__(self) -> None:
        super().__init__(int(ExitCode.SIGTERM))


def _raise_terminated(_signum: int, _frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def terminate_politely() -> Iterator[None]:
    """SIGTERM unwinds the program as ^C does, instead of killing it on the spot."""
    try:
        before = signal.signal(signal.SIGTERM, _raise_terminated)
    except ValueError:  # not the main thread: somebody else's program, and signals are theirs
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Stopper:
    """The user's request to stop: a flag for the engine, and an exit code for the command."""

    def __init__(self) -> None:
        self.flag = StopFlag()
        self.exit_code: ExitCode | None = None
        self._patient = True
        self._received = count()

    def handle(self, signum: int, _frame: FrameType | None = None) -> None:
        """The signal handler."""
        # A second signal may come while the first one is being handled: only one of them is the first, and the counter
        # that decides it can't be interrupted.
        if self._patient and not self.flag.requested and next(self._received) == 0:
            self.exit_code = ExitCode.SIGTERM if signum == signal.SIGTERM else ExitCode.SIGINT
            self.flag.request()
            return
        if signum == signal.SIGTERM:
            raise Terminated
        raise KeyboardInterrupt

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """While a question is open a signal is the answer: it ends the command at once."""
        self._patient = False
        try:
            yield
        finally:
            self._patient = True


@contextmanager
def stop_on_signal() -> Iterator[Stopper]:
    """Take signals as requests to stop. An event loop started inside must not install its own SIGINT handler;
    `asyncio.run` doesn't, since it only replaces Python's default one."""
    stopper = Stopper()
    try:
        before = {signum: signal.signal(signum, stopper.handle) for signum in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread
        yield stopper
        return
    try:
        yield stopper
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
