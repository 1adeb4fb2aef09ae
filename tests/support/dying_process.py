"""`python -m wfdeploy` that kills itself at a chosen point, without a chance to tidy up.

`DIE_AT=<point>:<n>` names the n-th time that the process comes by a point; `WHERE` lists them.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

WHERE = (
    "create:before",  # the state file is about to be made
    "create:linked",  # it has its name, the directory was not synced
    "create:after",  # it is there and open
    "commit:before",
    "commit:written",  # every row is written, the transaction is open
    "commit:torn",  # a few bytes of it are in the write-ahead log
    "commit:after",
    "trigger:before",  # its intents are on disk, nothing has left
    "trigger:after",  # the answer is here, nothing of it is on disk
    "resume:before",  # its intent is on disk, nothing has left
    "resume:after",  # the answer is here, nothing of it is on disk
    "cancel:before",
    "cancel:after",
    "page:before",  # the logs are about to be asked
    "page:after",
    "marker:before",  # the freshness marker is about to be written
    "marker:after",
)
NEVER = "never"


def main() -> int:
    """Arm the point, then be `wfdeploy`."""
    place = os.environ["DIE_AT"]
    if place == NEVER:
        _tell_signals()
    else:
        point, _, count = place.rpartition(":")
        assert point in WHERE, point
        _arm(point, int(count))
    from wfdeploy.__main__ import main as wfdeploy

    return wfdeploy()


def _arm(point: str, count: int) -> None:
    place, _, when = point.partition(":")
    left = [count]

    def come_by() -> bool:
        left[0] -= 1
        return left[0] == 0

    if place in ("trigger", "resume", "cancel"):
        _request(place, when, come_by)
    else:
        {"create": _create, "commit": _commit, "page": _page, "marker": _marker}[place](when, come_by)


def _tell_signals() -> None:
    """Say on standard error that a signal is being handled: what is sent after that comes second."""
    from wfdeploy.cli import signals

    whole = signals.Stopper.handle

    def hear(self: signals.Stopper, signum: int, frame: FrameType | None = None) -> None:
        os.write(2, b"[heard a signal]\n")
        whole(self, signum, frame)

    signals.Stopper.handle = hear  # type: ignore[method-assign, assignment]


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _around(owner: Any, name: str, when: str, come_by: Callable[[], bool]) -> None:
    whole = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        dies = come_by()
        if dies and when == "before":
            _die()
        result = whole(*args, **kwargs)
        if dies:
            _die()
        return result

    setattr(owner, name, dying)


def _create(when: str, come_by: Callable[[], bool]) -> None:
    from wfdeploy.state import database, sqlite_store

    if when == "linked":
        _around(database, "sync_folder", "before", come_by)
        return
    whole = sqlite_store.SqliteStore.create

    def create(_: type, *args: Any, **kwargs: Any) -> sqlite_store.SqliteStore:
        dies = come_by()
        if dies and when == "before":
            _die()
        store = whole(*args, **kwargs)
        if dies:
            _die()
        return store

    sqlite_store.SqliteStore.create = classmethod(create)  # type: ignore[method-assign, assignment]


def _commit(when: str, come_by: Callable[[], bool]) -> None:
    from wfdeploy.state import sqlite_store

    if when == "written":
        from wfdeploy.state.edits import Editor

        _around(Editor, "apply", "after", come_by)
    elif when == "torn":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        whole = sqlite_store.SqliteStore.finish

        def finish(self: sqlite_store.SqliteStore) -> int:
            if come_by():
                # The kernel kills the process in the middle of a write that would make a file longer than this.
                log = Path(f"{self._name}-wal")
                size = log.stat().st_size if log.exists() else 0
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, size + 5000))
                whole(self)
                _die()  # the log was long enough already
            return whole(self)

        sqlite_store.SqliteStore.finish = finish  # type: ignore[method-assign]
    else:
        _around(sqlite_store.SqliteStore, "finish", when, come_by)


def _request(name: str, when: str, come_by: Callable[[], bool]) -> None:
    from wfdeploy.upstash.client import UpstashGateway

    whole = getattr(UpstashGateway, name)

    async def request(self: UpstashGateway, *args: Any, **kwargs: Any) -> Any:
        dies = come_by()
        if dies and when == "before":
            _die()
        reply = await whole(self, *args, **kwargs)
        if dies:
            _die()
        return reply

    setattr(UpstashGateway, name, request)


def _page(when: str, come_by: Callable[[], bool]) -> None:
    _request("_log_page", when, come_by)


def _marker(when: str, come_by: Callable[[], bool]) -> None:
    from wfdeploy.state.user_files import FreshnessMarker

    _around(FreshnessMarker, "write", when, come_by)


if __name__ == "__main__":
    sys.exit(main())
