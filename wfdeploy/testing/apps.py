"""A web application served in a thread, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from weakref import WeakSet
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import uvicorn

from wfdeploy.localserver.listener import bind, url_of

START_TIMEOUT_S = 30.0


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The URL of the application: an ASGI one (FastAPI, Starlette, ...) or a WSGI one (Flask, Django, ...).

    Raises: RuntimeError when it does not start.
    """
    call = app if inspect.isroutine(app) else type(app).__call__
    with (_asgi if inspect.iscoroutinefunction(call) else _wsgi)(app) as url:
        yield url


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that closes what the application left open. The SDK's clients can't be closed, and each of their
    connections would fail a test suite that turns warnings into errors."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: WeakSet[asyncio.BaseTransport] = WeakSet()

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        transport, protocol = await super().create_connection(*args, **options)
        self._opened.add(transport)
        return transport, protocol

    async def drop_connections(self) -> None:
        for transport in list(self._opened):
            transport.close()
        await asyncio.sleep(0)


class _Server(uvicorn.Server):
    """A server with a future that is done once it answers."""

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        self.ready: Future[None] = Future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready.set_result(None)

    def run_in(self, listening: socket.socket) -> None:
        """Serve until `should_exit` is set; the body of the thread."""
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._serve_and_tidy(listening))
        except BaseException as caught:
            error = caught
        if not self.ready.done():
            refusal = RuntimeError("the application did not start; is there an error in its lifespan?")
            refusal.__cause__ = error
            self.ready.set_exception(refusal)

    async def _serve_and_tidy(self, listening: socket.socket) -> None:
        await self.serve(sockets=[listening])
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        await loop.drop_connections()


@contextmanager
def _asgi(app: Any) -> Iterator[str]:
    listening = bind("127.0.0.1", 0)
    server = _Server(app)
    thread = threading.Thread(target=server.run_in, args=(listening,), name="wfdeploy-testing-app", daemon=True)
    thread.start()
    try:
        server.ready.result(START_TIMEOUT_S)
        yield url_of(listening)
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
        listening.close()


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    # Head and body of an answer would leave as two packets, the second one 40 ms late.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _wsgi(app: Callable[..., Any]) -> Iterator[str]:
    server = _Threads(("127.0.0.1", 0), _Quiet)
    server.set_app(app)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="wfdeploy-testing-app", daemon=True
    )
    thread.start()
    try:
        yield url_of(server.socket)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
