"""Running the server: in a background thread for tests and `--local`, or in the foreground for `wfdeploy dev`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from wfdeploy.localserver import database
from wfdeploy.localserver.app import create_app
from wfdeploy.localserver.clock import Clock, SystemClock
from wfdeploy.localserver.courier import Courier
from wfdeploy.localserver.delivery import Delivery
from wfdeploy.localserver.demo import DemoWorkflow
from wfdeploy.localserver.engine import MAX_OPEN, Engine
from wfdeploy.localserver.instance import Occupancy, find_running
from wfdeploy.localserver.ledger import Ledger, Run, RunState
from wfdeploy.localserver.listener import Listener, bind, url_of
from wfdeploy.localserver.problems import PortTaken
from wfdeploy.localserver.scenario import Scenario
from wfdeploy.localserver.services import Services
from wfdeploy.localserver.tenants import DEFAULT_TENANT, Tenant

__all__ = ["DEFAULT_PORT", "DEMO_PORT", "AcceptedRun", "LocalServer", "find_running", "serve_forever"]

DEFAULT_PORT = 8080
"""Where the JavaScript SDK looks with `QSTASH_DEV=true`."""

DEMO_PORT = 8081

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """One run that the server accepted, whatever became of it."""

    run_id: str
    created_at_ms: int
    state: str
    destination: str
    body: bytes
    headers: dict[str, str]
    """The user's headers, as they are forwarded to the endpoint."""
    labels: tuple[str, ...]
    starts_at_ms: int
    tenant: str
    response: str | None
    error: str | None
    """Why it failed."""
    failure_callback: str | None
    """The state of its failure callback: CALLBACK_INPROGRESS, CALLBACK_SUCCESS or CALLBACK_FAIL."""

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            run_id=run.run_id,
            created_at_ms=run.created_at,
            state=run.state.value,
            destination=run.url,
            body=run.payload,
            headers=dict(run.settings.headers),
            labels=run.labels,
            starts_at_ms=run.starts_at,
            tenant=run.tenant,
            response=run.response,
            error=run.failure["error"] if run.failure else None,
            failure_callback=run.failure.get("state") if run.failure else None,
        )


class LocalServer:
    """The server in a thread of its own, with its own event loop. A context manager; `start` and `stop` do the same.

    `database`: the file that keeps everything, or None for memory. `announce`: let other commands find this server by
    its file (`find_running`). `demo`: serve the demo workflow too; `demo_port` is a wish, another free port is taken
    when it is in use.

    Raises (from `start`): DatabaseInUse, PortTaken, NotLoopback, StateUnusable.
    """

    def __init__(
        self,
        database: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        scenario: Scenario | None = None,
        clock: Clock | None = None,
        demo: bool = False,
        demo_port: int = 0,
        announce: bool = False,
        max_open_deliveries: int = MAX_OPEN,
    ) -> None:
        self.database = database
        self.scenario = scenario if scenario is not None else Scenario()
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.tenant: Tenant = DEFAULT_TENANT
        self.url = ""
        self.demo_url: str | None = None
        self.server_id = ""
        self._host, self._port = host, port
        self._wants_demo, self._demo_port = demo, demo_port
        self._announce = announce
        self._max_open = max_open_deliveries
        self._thread: threading.Thread | None = None
        self._occupancy: Occupancy | None = None
        self._stop_asked = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._services: Services | None = None

    @property
    def token(self) -> str:
        """The default user's token, as clients and endpoints use it."""
        return self.tenant.token

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; returns when requests are answered."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        self._stop_asked.clear()
        self._loop = self._stopping = None
        sockets: list[socket.socket] = []
        try:
            if self.database is not None:
                self._occupancy = Occupancy(self.database)
            sockets.append(bind(self._host, self._port))
            self.url = url_of(sockets[0])
            if self._wants_demo:
                sockets.append(_bind_wish(self._host, self._demo_port))
                self.demo_url = url_of(sockets[1])
            ready: Future[None] = Future()
            thread = threading.Thread(target=self._run, args=(sockets, ready), name="wfdeploy-localserver", daemon=True)
            thread.start()
            try:
                ready.result()
            except BaseException:  # an interrupt too, while the thread is still starting
                self._halt(thread)
                raise
            self._thread = thread
            if self._occupancy is not None and self._announce:
                self._occupancy.announce(url=self.url, server_id=self.server_id)
        except BaseException:
            for sock in sockets:
                sock.close()
            self._release()
            raise
        return self

    def stop(self) -> None:
        """Stop listening and delivering, and join the thread; what was not delivered stays in the database."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._halt(thread)
        self._services = None
        self._release()

    def _halt(self, thread: threading.Thread) -> None:
        self._stop_asked.set()
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def _release(self) -> None:
        if self._occupancy is not None:
            self._occupancy.release()
            self._occupancy = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, sockets: list[socket.socket], ready: Future[None]) -> None:
        """The thread: everything that touches the ledger happens in here."""
        try:
            asyncio.run(self._serve(sockets, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, sockets: list[socket.socket], ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        if self._stop_asked.is_set():
            return
        async with contextlib.AsyncExitStack() as stack:
            ledger = Ledger(database.open_database(self.database))
            stack.callback(ledger.close)
            self.server_id = ledger.server_id
            courier = Courier(max_connections=self._max_open)
            stack.push_async_callback(courier.close)
            services = self._services = self._assemble(ledger, courier)
            await self._listen(stack, services, sockets)
            services.engine.schedule(ledger.all_pending())
            engine = asyncio.create_task(services.engine.run())
            stack.push_async_callback(_cancel, engine)
            ready.set_result(None)
            await self._stopping.wait()

    def _assemble(self, ledger: Ledger, courier: Courier) -> Services:
        delivery = Delivery(ledger, courier, self.clock, self.scenario)

        async def deliver(seq: int) -> list[Any]:
            following = await delivery.deliver(seq)
            services.changes.tell()
            return following

        engine = Engine(
            deliver,
            clock=self.clock,
            scenario=self.scenario,
            on_error=lambda error: _LOG.error("a delivery broke", exc_info=error),
            max_open=self._max_open,
        )
        services = Services(ledger, engine, self.clock, self.scenario)
        return services

    async def _listen(self, stack: contextlib.AsyncExitStack, services: Services, sockets: list[socket.socket]) -> None:
        api = Listener(create_app(services), sockets[0])
        await api.open()
        stack.push_async_callback(api.close)
        if self.demo_url is not None:
            workflow = DemoWorkflow(server_url=self.url, tenant=self.tenant)
            stack.push_async_callback(workflow.close)
            listener = Listener(workflow, sockets[1])
            await listener.open()
            stack.push_async_callback(listener.close)

    # -- looking and steering from outside (tests) --------------------------------------------------------------------

    def accepted(self, run_id: str | None = None) -> list[AcceptedRun]:
        """Every run ever accepted under this id (or at all), in order of acceptance, ended ones included."""
        return self._inside(lambda services: _accepted(services, run_id))

    def accepted_counts(self) -> dict[str, int]:
        """How many runs were accepted per id: what exactly-once tests compare with."""

        def count(services: Services) -> dict[str, int]:
            rows = services.ledger.connection.execute("SELECT run_id, COUNT(*) FROM runs GROUP BY run_id")
            return {row[0]: row[1] for row in rows}

        return self._inside(count)

    def end(self, run_id: str, state: str = "RUN_SUCCESS") -> bool:
        """End the run in progress of this id, as its workflow would; False when there is none. Frees the id."""

        def finish(services: Services) -> bool:
            run = services.ledger.run_in_progress(self.tenant.name, run_id)
            if run is None:
                return False
            with services.ledger.transaction():
                ended = services.ledger.end_run(run.seq, RunState(state), now_ms=services.clock.now_ms())
            services.changes.tell()
            return ended

        return self._inside(finish)

    def freeze_logs(self) -> None:
        """From now on accepted runs do not show up in the logs, until `thaw_logs`; older ones go on showing."""
        self.scenario.logs_end_at_seq = self._inside(lambda services: services.ledger.last_seq())

    def thaw_logs(self) -> None:
        self.scenario.logs_end_at_seq = None

    def poke(self) -> None:
        """Have the engine look again, after the scenario's `hold_deliveries` was turned off."""
        self._inside(lambda services: services.engine.poke())

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Return when nothing is being delivered and nothing is due; what is delayed does not count.

        Raises: TimeoutError.
        """

        async def wait(services: Services) -> None:
            await services.engine.wait_idle()

        self._await(wait, timeout_s)

    def wait_until(self, condition: Callable[[list[AcceptedRun]], bool], timeout_s: float = 10.0) -> list[AcceptedRun]:
        """Return all accepted runs as soon as they meet the condition, which is asked in the caller's thread.

        Raises: TimeoutError.
        """
        return self._wait(lambda services: _accepted(services, None), condition, timeout_s)

    def wait_ended(self, run_id: str, timeout_s: float = 10.0) -> AcceptedRun:
        """The newest run of this id, once it has ended.

        Raises: TimeoutError.
        """

        def ended(runs: list[AcceptedRun]) -> bool:
            return bool(runs) and runs[-1].state != RunState.STARTED

        return self._wait(lambda services: _accepted(services, run_id), ended, timeout_s)[-1]

    def wait_all_ended(self, timeout_s: float = 10.0) -> None:
        """Return when no run is in progress.

        Raises: TimeoutError.
        """
        self._wait(lambda services: services.ledger.count_in_progress(), lambda count: count == 0, timeout_s)

    def _wait(self, look: Callable[[Services], T], enough: Callable[[T], bool], timeout_s: float) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            seen, found = self._inside(lambda services: (services.changes.count, look(services)))
            if enough(found):
                return found
            self._await(functools.partial(_change_after, seen), deadline - time.monotonic())

    def _inside(self, look: Callable[[Services], T]) -> T:
        """Run a function in the server's thread, where the ledger may be touched."""

        async def call(services: Services) -> T:
            return look(services)

        return self._await(call, 30.0)

    def _await(self, call: Callable[[Services], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        if self._thread is None or self._loop is None or self._services is None:
            raise RuntimeError("the server is not running")
        services = self._services

        async def bounded() -> T:
            async with asyncio.timeout(timeout_s):
                return await call(services)

        # The second limit is for a server that is stopped at this very moment, which would never answer.
        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result(timeout_s + 5)


def _accepted(services: Services, run_id: str | None) -> list[AcceptedRun]:
    return [AcceptedRun.of(run) for run in services.ledger.runs_of_id(run_id)]


async def _change_after(seen: int, services: Services) -> None:
    await services.changes.wait_beyond(seen)


def _bind_wish(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except PortTaken:
        return bind(host, 0)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def serve_forever(server: LocalServer, *, on_ready: Callable[[LocalServer], None]) -> signal.Signals:
    """Run in the foreground until SIGINT or SIGTERM, and return the signal; call it from the main thread.

    `on_ready` is called once requests are answered: the place to print the banner.
    """
    stop = threading.Event()
    received: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        stop.set()

    with _handlers(note), server:
        on_ready(server)
        stop.wait()
    return received[0]


@contextlib.contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Any:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
