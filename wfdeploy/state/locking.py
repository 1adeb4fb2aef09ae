"""Lock a state for one writer, and tell everybody else who that is."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from wfdeploy import __version__
from wfdeploy.errors import StateLocked, StateUnusable
from wfdeploy.files.access import read_own, replace_file, user_name
from wfdeploy.files.databases import StrangeFileError, require_regular

_LONGEST_NOTE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInfo:
    """Who holds a state's lock."""

    pid: int
    host: str
    user: str
    since_ms: int
    command: str
    version: str


@contextmanager
def lock(
    state: Path, *, command: str, timeout_s: float = 0.0, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock of a state file.

    It is a lock of the operating system on `<state>.lock`, so it ends with the process that holds it, however that
    ends. `<state>.lock.json` says who holds it, for people only. `on_wait` gets the holder, once, when it must wait.

    Raises: `StateLocked` when another process holds it for longer than `timeout_s`; `StateUnusable` when the lock
    file can't be made.
    """
    from filelock import FileLock, Timeout

    # Two names of one file must meet at one lock.
    state = state.resolve()
    try:
        require_regular(state.with_name(f"{state.name}.lock"))
    except StrangeFileError as error:
        raise StateUnusable(f"cannot lock the state {state}: {error}", hint="take it away") from error
    guard = FileLock(f"{state}.lock", mode=0o600, thread_local=False)
    info = state.with_name(f"{state.name}.lock.json")
    try:
        try:
            guard.acquire(timeout=0)
        except Timeout:
            if timeout_s <= 0:
                raise
            if on_wait is not None:
                on_wait(_describe(info))
            guard.acquire(timeout=timeout_s, poll_interval=0.1)
    except Timeout:
        raise StateLocked(
            f"the state {state} is locked by {_describe(info)}",
            hint="wait for it to end, or let this command wait with --lock-timeout SECONDS",
        ) from None
    except OSError as error:
        raise StateUnusable(
            f"cannot lock the state {state}: {error.strerror or error}",
            hint="the directory must exist and be writable",
        ) from error
    try:
        with contextlib.suppress(OSError):
            replace_file(info, json.dumps(asdict(_current(command))).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            info.unlink()
        guard.release()


def holder_of(state: Path) -> str | None:
    """Who holds the lock of a state file, for people; None: nobody.

    The lock itself is only tried where a note names a holder, which a process that was killed leaves behind: a command
    that begins meanwhile must not find it taken.
    """
    from filelock import FileLock, Timeout

    state = state.resolve()
    info = state.with_name(f"{state.name}.lock.json")
    if not info.exists():
        return None
    described = _describe(info)
    guard = FileLock(f"{state}.lock", mode=0o600, thread_local=False)
    try:
        guard.acquire(timeout=0)
    except (Timeout, OSError):
        return described
    guard.release()
    return None


def require_locks(folder: Path) -> None:
    """Try whether a lock in a folder keeps a second one out: on some network file systems it doesn't.

    Raises: `StateUnusable`, also where nothing can be written there.
    """
    from filelock import FileLock, Timeout

    file = folder / f".{os.urandom(8).hex()}.lock"
    first, second = (FileLock(file, mode=0o600, thread_local=False) for _ in range(2))
    try:
        with first.acquire(timeout=0), contextlib.suppress(Timeout):
            second.acquire(timeout=0)
            second.release()
            raise StateUnusable(
                f"two locks of one file are held at once in {folder}, so nothing keeps two commands apart",
                hint="keep the state on a local disk, or share it: in a bucket or a database",
            )
    except OSError as error:
        raise StateUnusable(
            f"the directory {folder} can't be written: {error.strerror or error}",
            hint="make it writable, or name another state with --state",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


def _current(command: str) -> LockInfo:
    return LockInfo(
        pid=os.getpid(),
        host=socket.gethostname(),
        user=user_name(),
        since_ms=time.time_ns() // 1_000_000,
        command=command,
        version=__version__,
    )


def _describe(info: Path) -> str:
    """The holder in words; vague if its note can't be read (it is written just after the lock is taken)."""
    try:
        holder = LockInfo(**json.loads(read_own(info, most=_LONGEST_NOTE)))
        since = datetime.fromtimestamp(holder.since_ms / 1000, UTC)
        return (
            f"process {holder.pid} of {holder.user} on {holder.host} since {since:%Y-%m-%d %H:%M:%S} UTC "
            f"({holder.command})"
        )
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return "another wfdeploy process"
