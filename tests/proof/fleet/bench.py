"""A project whose applies go over the wire, and may die at any commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from tests.fakes.state_backend import altered, crashing
from tests.proof.fleet.shared import SharedPlace
from tests.proof.fleet.wire import Wire
from tests.support.httpx_network import HttpxNetwork
from tests.support.workbench import Workbench
from wfdeploy.ports import Permit, RunGateway, StateBackend
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber
from wfdeploy.workspace import Workspace


class Inline(ThreadPoolExecutor):
    """Does what it is given at once: with threads, a seed would not say in which order things happen."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class FleetBench(Workbench):
    """`wire`: instead of the network. `round_begins` is called whenever an apply takes the lock; `is_locked`: somebody
    has it."""

    wire: Wire
    round_begins: Callable[[], None]
    is_locked: bool = False
    place: SharedPlace | None = None
    _command: StateBackend | None = None  # of the apply that comes next

    @property
    def workspace(self) -> Workspace:
        usual = super().workspace
        if self.place is None:
            return usual
        shared, self._command = self._command or self.place.command(usual.state_backend.binding), None
        return replace(usual, state_backend=shared, gateway=lambda: self.gateway(shared.permit))

    def gateway(self, permit: Permit | None = None) -> RunGateway:
        return UpstashGateway(
            self.url,
            self.token,
            settings=self.project.server,
            clock=self.clock,
            scrubber=Scrubber([self.token]),
            listener=self.events.append,
            network=HttpxNetwork(self.wire),
            permit=permit,
        )

    def state_backend(self, commit: int = 0, *, after: bool = False) -> StateBackend:
        """A state whose process dies at its n-th commit (0: never), before or after that is durable."""
        whole = self.workspace.state_backend
        self._command = whole

        @contextmanager
        def lock(timeout_s: float, on_wait: Callable[[str], None]) -> Iterator[None]:
            with suppress(RuntimeError):  # where there is nothing to do, no loop runs
                asyncio.get_running_loop().set_default_executor(Inline())
            with whole.lock(timeout_s, on_wait):
                self.round_begins()  # others may apply while it waits
                self.is_locked = True
                try:
                    yield
                finally:
                    self.is_locked = False

        return altered(crashing(whole, [commit], after=after) if commit else whole, lock=lock)

    @contextmanager
    def another_checkout(self) -> Iterator[None]:
        """The same project and state, with manifests in another folder."""
        root, project = self.root, self.project
        self.root = root / "another"
        (self.root / "manifests").mkdir(parents=True, exist_ok=True)
        self.project = replace(project, root=self.root)
        try:
            yield
        finally:
            self.root, self.project = root, project

    def checkpoint(self) -> None:
        """Fold the write-ahead log in, as the end of the last process would have."""
        import sqlite3

        connection = sqlite3.connect(self.state_file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
