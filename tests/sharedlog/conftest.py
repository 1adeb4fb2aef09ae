"""One server of each kind for all tests of this folder."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.fakes.memory_log import MemoryLog, Objects
from tests.sharedlog.servers import SERVERS, Place
from wfdeploy.log_ports import LogBackend


@pytest.fixture(scope="session")
def places() -> Iterator[Callable[[str], Place]]:
    """Starts the server of a kind when it is first needed."""
    with ExitStack() as stack:
        started: dict[str, Place] = {}

        def start(kind: str) -> Place:
            if kind not in started:
                started[kind] = stack.enter_context(SERVERS[kind]())
            return started[kind]

        yield start


@pytest.fixture(params=["memory", *SERVERS])
def place(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Place | MemoryPlace:
    """Each kind of place in turn. That in memory is of the tests: it must do what the others do."""
    return MemoryPlace() if request.param == "memory" else places(request.param)


class MemoryPlace:
    """A place in this process."""

    def __init__(self) -> None:
        self._objects = Objects()

    def open(self, prefix: str = "", **_: object) -> LogBackend:
        return MemoryLog(self._objects, prefix.rstrip("/") or secrets.token_hex(8))


@pytest.fixture
def logs() -> Iterator[Callable[..., LogBackend]]:
    """Opens logs as `Place.open` does, ready to be used, and closes them."""
    with ExitStack() as stack:

        def open_one(place: Place | MemoryPlace, *arguments: Any, prepared: bool = True, **options: Any) -> LogBackend:
            backend = place.open(*arguments, **options)
            stack.callback(backend.close)
            if prepared:
                backend.prepare()
            return backend

        yield open_one


@pytest.fixture
def backend(place: Place | MemoryPlace, logs: Callable[..., LogBackend]) -> LogBackend:
    """A log that is ready and empty, in each kind of place."""
    return logs(place)
