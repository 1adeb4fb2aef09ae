"""A state that machines share: its place, where answers get lost and arrive late, and processes that die with the lease
or are stopped while they hold it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fakes.model_server import Crash
from tests.proof.fleet.wire import Clock
from tests.support.shared_logs import MemoryBackend
from wfdeploy.errors import StateError, StateUnreachable
from wfdeploy.model.shared_log import WriteAnswer, WriteOutcome
from wfdeploy.model.state import Binding
from wfdeploy.ports import Permit
from wfdeploy.sharedlog.log import DecidedLog
from wfdeploy.state.shared import backend as backends
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.lease import LIFE_S, Clocks, Lease

_STEP_S = 29.0
"""A lease is renewed about so often."""

_WRITES = ("create_entry", "swap_lease", "create_lease")


class TroubledBackend(MemoryBackend):
    """Loses answers, and carries out writes late."""

    def __init__(self, luck: Random, happened: Callable[[str], None]) -> None:
        super().__init__()
        self.luck = luck
        self.happened = happened
        self.trouble = 0.0
        self._late: list[Callable[[], WriteAnswer]] = []

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        return self._troubled(lambda: super(TroubledBackend, self).create_entry(number, content, previous))

    def create_lease(self, content: bytes) -> WriteAnswer:
        return self._troubled(lambda: super(TroubledBackend, self).create_lease(content))

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        return self._troubled(lambda: super(TroubledBackend, self).swap_lease(content, version))

    def _troubled(self, write: Callable[[], WriteAnswer]) -> WriteAnswer:
        while self._late and self.luck.random() < 0.5:
            self._late.pop(0)()
            self.happened("a write to the log arrived late")
        if self.luck.random() >= self.trouble:
            return write()
        dice = self.luck.random()
        if dice < 0.3:
            raise StateUnreachable("no connection to the log")
        if dice < 0.6:
            write()
            self.happened("an answer of the log was lost")
        elif dice < 0.9:
            self._late.append(write)
        return WriteAnswer(WriteOutcome.UNDECIDED, reason="no answer")


class Mortal(SharedBackend):
    """A command on a machine, whose process may die: then the lease stays."""

    place: SharedPlace
    machine: int

    def _end_tenure(self, lease: Lease) -> None:
        if _is_dying(sys.exc_info()[1]):
            self.place.happened("a process died with the lease")
        else:
            super()._end_tenure(lease)
        self.place.held = None

    def _take(self) -> None:
        super()._take()
        self.place.held = self._lease

    def _keep(self, lease: Lease) -> None:
        """Renewed by `SharedPlace.move`: a thread would go by real time, and outlive the process."""

    @property
    def permit(self) -> Permit:
        return _StoppedAtTimes(super().permit, self.place, self.machine)


def _is_dying(error: BaseException | None) -> bool:
    return isinstance(error, Crash) or (isinstance(error, BaseExceptionGroup) and error.split(Crash)[0] is not None)


@dataclass(frozen=True)
class _StoppedAtTimes:
    """A permit in a process that is stopped now and then, right before it would send, for longer than the lease."""

    permit: Permit
    place: SharedPlace
    machine: int

    async def confirm(self) -> None:
        await self.permit.confirm()
        self.place.maybe_stop(self.machine)

    def remaining_s(self) -> float:
        return self.permit.remaining_s()


@dataclass
class SharedPlace:
    """`folder` has a folder for each machine. `meanwhile`: what others do while a process is stopped."""

    folder: Path
    clock: Clock
    luck: Random
    happened: Callable[[str], None]
    meanwhile: Callable[[], None]
    backend: TroubledBackend = field(init=False)
    held: Lease | None = None
    stopped: int | None = None  # on which machine a process is stopped
    stops: float = 0.02
    machines: int = 3

    def __post_init__(self) -> None:
        self.backend = TroubledBackend(self.luck, self.happened)
        self._move, self.clock.move = self.clock.move, self.move

    def move(self, seconds: float) -> None:
        """Let time pass, and let whoever holds the lease renew it."""
        while True:
            step = min(seconds, _STEP_S)
            self._move(step)
            self.backend.time_ms += round(1000 * step)
            if self.held is not None and self.stopped is None and step == _STEP_S:
                with suppress(StateError):
                    self.held.renew()
            seconds -= step
            if seconds <= 0:
                return

    def command(self, binding: Binding, machine: int | None = None) -> SharedBackend:
        """A command on one of the machines."""
        # On the machine of a process that is stopped, the lock of the operating system keeps all others out.
        others = [one for one in range(self.machines) if one != self.stopped]
        number = self.luck.choice(others) if machine is None else machine
        log = DecidedLog(self.backend, monotonic=self.clock.monotonic, pause=self.move)
        backend = Mortal(
            lambda: log,
            name="memory://log",
            folder=self.folder / f"machine-{number}",
            binding=binding,
            command="test",
            environ={},
            clocks=Clocks(steady=self.clock.monotonic, wall=self._wall, pause=self.move),
            now_ms=self.clock.now_ms,
        )
        backend.place, backend.machine = self, number
        return backend

    def _wall(self) -> float:
        return self.clock.now_ms() / 1000

    def maybe_stop(self, machine: int) -> None:
        """The process is stopped for longer than its lease lasts, and others come meanwhile."""
        if self.stopped is not None or self.luck.random() >= self.stops:
            return
        self.stopped, held = machine, self.held
        self.happened("a process was stopped while it held the lease")
        self._move(2.3 * LIFE_S)
        self.backend.time_ms += round(2300 * LIFE_S)
        self.held = None
        self.meanwhile()
        self._move(self.luck.choice((0.0, 3600.0)))  # by then, what the others triggered has ended
        self.stopped, self.held = None, held

    def be_quiet(self) -> None:
        """From now on, nothing goes wrong."""
        self.backend.trouble, self.stops = 0.0, 0.0

    def befall(self) -> None:
        """Now and then, something is lost that may be lost."""
        dice = self.luck.random()
        if dice < 0.05:
            for file in (self.folder / f"machine-{self.luck.randrange(self.machines)}").glob("*.db*"):
                file.unlink()
            self.happened("a replica was deleted")
        elif dice < 0.08 and self.held is None:
            self.backend.lease = None
            self.happened("the lease was lost")
        self.backend.trouble = self.luck.choice((0.0, 0.0, 0.05, 0.2))


def answer_at_once() -> None:
    """Nobody is asked in these worlds, so no lease is given back for it."""
    backends._ASKED_FOR_S = 3600.0
