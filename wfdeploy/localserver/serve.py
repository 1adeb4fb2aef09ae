"""Run the server in a background thread (tests, `--local`) or in the foreground (`wfdeploy dev`)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.app import create_app
from wfdeploy.localserver.clock import MachineClock, ManualClock, ServerClock
from wfdeploy.localserver.delivery.delivery import Deliverer
from wfdeploy.localserver.delivery.engine import MAX_OPEN, DeliveryEngine, DueQueue
from wfdeploy.localserver.delivery.flow_keys import FlowKeys
from wfdeploy.localserver.delivery.open_deliveries import OpenDeliveries
from wfdeploy.localserver.demo import DemoWorkflow
from wfdeploy.localserver.fault_plan import FaultPlan
from wfdeploy.localserver.http_client import HttpClient
from wfdeploy.localserver.instance import Occupancy, find_running
from wfdeploy.localserver.listener import PortTaken, SocketListener, bind, url_of
from wfdeploy.localserver.page.routes import Page
from wfdeploy.localserver.runs.quotas import Quotas
from wfdeploy.localserver.store import database
from wfdeploy.localserver.store.run_store import RunStore
from wfdeploy.localserver.tenants import DEFAULT_TENANT, SigningKeys, Tenant

__all__ = ["DEFAULT_PORT", "LocalServer", "find_running", "serve_forever"]

DEFAULT_PORT = 8080
"""The port that the JavaScript SDK uses with `QSTASH_DEV=true`."""


T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_BETWEEN_BINDS_S = 0.05


class LocalServer:
    """The server in its own thread with its own event loop. A context manager; `start` and `stop` do the same.

    `database`: the file that keeps everything, or None for memory.
    `announce`: let other commands find this server by its file (`find_running`).
    `demo`: serve the demo workflow too, on `demo_port` or, if that is still in use after `demo_patience_s`, on another
    free port.

    Raises (from `start`): DatabaseInUse, PortTaken, NotLoopback, StateUnusable.
    """

    def __init__(
        self,
        database: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: FaultPlan | None = None,
        clock: ServerClock | None = None,
        demo: bool = False,
        demo_port: int = 0,
        demo_patience_s: float = 0.0,
        announce: bool = False,
        max_open_deliveries: int = MAX_OPEN,
    ) -> None:
        self.faults = faults if faults is not None else FaultPlan()
        self.tenant: Tenant = DEFAULT_TENANT
        self._loop: asyncio.AbstractEventLoop | None = None
        self._services: Services | None = None
        self.database = database
        self.clock: ServerClock = clock if clock is not None else MachineClock()
        self.url = ""
        self.demo_url: str | None = None
        self.server_id = ""
        self._host, self._port = host, port
        self._wants_demo, self._demo_port, self._demo_patience_s = demo, demo_port, demo_patience_s
        self._announce = announce
        self._max_open = max_open_deliveries
        self._thread: threading.Thread | None = None
        self._occupancy: Occupancy | None = None
        self._stop_requested = threading.Event()
        self._stopping: asyncio.Event | None = None

    @property
    def token(self) -> str:
        """The default user's token, as clients and endpoints use it."""
        return self.tenant.token

    # -- from another thread ------------------------------------------------------------------------------------------

    def pass_time(
        self,
        clock: ManualClock,
        enough: Callable[[Services], bool],
        *,
        until_ms: int | None = None,
        timeout_s: float = 30.0,
    ) -> bool:
        """Move the server's clock to each next due time, whenever nothing is being delivered.

        True once `enough` is true; it is called in the server's thread. False at the moment `until_ms` or, without one,
        when nothing is left to happen. Raises: TimeoutError.
        """
        return self._await(functools.partial(_pass_time, clock, enough, until_ms), timeout_s)

    def inside(self, look: Callable[[Services], T]) -> T:
        """Run a function in the server's thread, the only one that may use the run store."""

        async def call(services: Services) -> T:
            return look(services)

        return self._await(call, 30.0)

    def _await(self, call: Callable[[Services], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        if self._loop is None or self._services is None:
            raise RuntimeError("the server is not running")
        services = self._services

        async def bounded() -> T:
            async with asyncio.timeout(timeout_s):
                return await call(services)

        # The second limit covers a server that is being stopped at this moment and would never answer.
        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result(timeout_s + 5)

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the thread; returns when the server answers requests."""
        if self._thread is not None:
            raise RuntimeError("the server is already running")
        self._stop_requested.clear()
        self._loop = self._stopping = None
        sockets: list[socket.socket] = []
        try:
            if self.database is not None:
                self._occupancy = Occupancy(self.database)
            sockets.append(bind(self._host, self._port))
            self.url = url_of(sockets[0])
            if self._wants_demo:
                sockets.append(_bind_preferably(self._host, self._demo_port, self._demo_patience_s))
                self.demo_url = url_of(sockets[1])
            ready: Future[None] = Future()
            thread = threading.Thread(target=self._run, args=(sockets, ready), name="wfdeploy-localserver", daemon=True)
            thread.start()
            try:
                ready.result()
            except BaseException:  # also an interrupt while the thread is starting
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
        """Stop listening and delivering, and join the thread. Undelivered messages stay in the database."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._halt(thread)
        self._services = None
        self._release()

    def _halt(self, thread: threading.Thread) -> None:
        self._stop_requested.set()
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop is already closed
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
        """The thread's main function. Only this thread uses the run store."""
        try:
            asyncio.run(self._serve(sockets, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, sockets: list[socket.socket], ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        if self._stop_requested.is_set():
            return
        async with contextlib.AsyncExitStack() as stack:
            connection = database.open_database(self.database)
            stack.callback(connection.close)
            with database.reading(self.database):
                store, signing_keys = RunStore(connection), SigningKeys.load(connection)
                self.clock.catch_up(store.latest_ms())
                self.server_id = store.server_id
            stack.callback(self._note_stop, store)
            http_client = HttpClient(max_connections=self._max_open)
            stack.push_async_callback(http_client.close)
            services = self._services = self._assemble(store, signing_keys, http_client)
            await self._listen(stack, services, sockets)
            engine = asyncio.create_task(services.engine.run())
            stack.push_async_callback(_cancel, engine)
            ready.set_result(None)
            await self._stopping.wait()

    def _note_stop(self, store: RunStore) -> None:
        if self.clock.ahead_ms() > 0:
            # On a full disk, say, the next server starts with a slightly earlier time.
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                store.note_stop(self.clock.now_ms())

    def _assemble(self, store: RunStore, signing_keys: SigningKeys, http_client: HttpClient) -> Services:
        self.tenant = signing_keys.tenant(self.tenant.name)
        opened = OpenDeliveries()
        delivery = Deliverer(store, http_client, self.clock, self.faults, signing_keys, opened)

        async def deliver(seq: int) -> list[Any]:
            following = await delivery.deliver(seq)
            services.changes.notify()
            return following

        engine = DeliveryEngine(
            deliver,
            due_queue=DueQueue(store),
            clock=self.clock,
            faults=self.faults,
            on_error=lambda error: _LOG.error("a delivery broke", exc_info=error),
            max_open=self._max_open,
        )
        flow_keys = FlowKeys(store, engine)
        quotas = Quotas(store.accepted_since)
        services = Services(
            store, engine, self.clock, self.faults, flow_keys, signing_keys, quotas, opened
        )  # `deliver` uses it
        return services

    async def _listen(self, stack: contextlib.AsyncExitStack, services: Services, sockets: list[socket.socket]) -> None:
        page = Page(services, self.demo_url)
        api = SocketListener(create_app(services, page), sockets[0])
        await api.open()
        stack.push_async_callback(api.close)
        stack.callback(page.close)
        if self.demo_url is not None:
            workflow = DemoWorkflow(server_url=self.url, tenant=lambda: services.signing_keys.tenant(self.tenant.name))
            stack.push_async_callback(workflow.close)
            listener = SocketListener(workflow, sockets[1])
            await listener.open()
            stack.push_async_callback(listener.close)


async def _pass_time(
    clock: ManualClock, enough: Callable[[Services], bool], until_ms: int | None, services: Services
) -> bool:
    while not enough(services):
        engine = services.engine
        if not engine.is_idle:
            await _idle_or_changed(services)
            continue
        next_at = None if services.faults.hold_deliveries else engine.next_at
        if next_at is None or (until_ms is not None and next_at > until_ms):
            if until_ms is not None:
                clock.advance_to(until_ms)
            return False
        clock.advance_to(next_at)
    return True


async def _idle_or_changed(services: Services) -> None:
    waits = [
        asyncio.ensure_future(services.engine.wait_idle()),
        asyncio.ensure_future(services.changes.wait_beyond(services.changes.count)),
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _bind_preferably(host: str, port: int, patience_s: float) -> socket.socket:
    until = time.monotonic() + patience_s
    while True:
        try:
            return bind(host, port)
        except PortTaken:
            if time.monotonic() >= until:
                return bind(host, 0)
        time.sleep(_BETWEEN_BINDS_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def serve_forever(server: LocalServer, *, on_ready: Callable[[LocalServer], None]) -> signal.Signals:
    """Run in the foreground until SIGINT or SIGTERM, and return the signal. Call it from the main thread.

    `on_ready`: called when the server answers requests, to print the banner.
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
