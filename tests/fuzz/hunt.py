"""Examples of a format, from a seed: made, held to what must be true of each, and told how to be had again."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""Of processor time, for each test; 0: so many examples as are in the test, the same each time."""

_SEED = os.environ.get("FUZZ_SEED")
_EXAMPLE = os.environ.get("FUZZ_EXAMPLE")
_MOST_CPU_S = 20.0
"""For one example, on a machine that has other things to do. What takes more than linear time takes minutes."""

_MOST_MIB = 600
"""That the process may grow by in one hunt."""


@dataclass
class Hunt:
    """One format's examples. `outcomes` counts what became of them, for whoever wants to know what a hunt covers;
    `input` is what the present example is about, and is kept when that fails."""

    name: str
    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: int = 0
    input: object = None

    def note(self, outcome: str) -> None:
        self.outcomes[outcome] += 1


def hunt(name: str, examples: int, example: Callable[[random.Random, Hunt], None], *, allowed: Path) -> Hunt:
    """Try `examples` examples, or as many as fit into FUZZ_SECONDS. Nothing may be written but below `allowed`."""
    seed = int(_SEED) if _SEED else time.time_ns() % 1_000_000_000 if _SECONDS else 0
    done = Hunt(name, seed)
    print(f"FUZZ_SEED={seed}")
    until = time.process_time() + _SECONDS
    before = _peak_mib()
    number = int(_EXAMPLE) if _EXAMPLE else 0
    while True:
        rng = random.Random(f"{name}/{seed}/{number}")  # text: the same on every machine
        done.input = None
        try:
            with _bounded(), _watched(allowed):
                example(rng, done)
        except BaseException as error:
            error.add_note(f"again: FUZZ_SEED={seed} FUZZ_EXAMPLE={number} (the example {number} of {name})")
            error.add_note(_kept(done.input, f"{name.replace(': ', '-').replace(' ', '-')}-{seed}-{number}"))
            raise
        done.examples += 1
        number += 1
        if _EXAMPLE or (time.process_time() > until if _SECONDS else done.examples >= examples):
            break
    assert _peak_mib() - before < _MOST_MIB, f"{name}: too much memory, seed {seed}"
    print(f"{name}: {done.examples} examples, {dict(done.outcomes)}")
    return done


def _kept(given: object, name: str) -> str:
    """Keep what failed, for those who have no checkout of this very commit; say where, and how it begins."""
    content = (
        given
        if isinstance(given, bytes)
        else (given if isinstance(given, str) else repr(given)).encode(errors="backslashreplace")
    )
    folder = Path(tempfile.gettempdir(), "wfdeploy-fuzz")
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return f"its input, {len(content):,} bytes, is kept as {folder / name}: {content[:2000]!r}"


def _peak_mib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


@contextmanager
def _bounded() -> Iterator[None]:
    """Processor time, not the clock's: the machine may have other things to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, _MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)


def _too_long(*_: object) -> None:
    raise AssertionError(f"an example takes more than {_MOST_CPU_S:g} s of processor time")


_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn",
           "socket.connect", "socket.bind", "webbrowser.open", "ctypes.dlopen", "urllib.Request")  # fmt: skip
_WRITES = ("os.remove", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.chown",
           "os.truncate", "os.utime", "shutil.rmtree", "shutil.move")  # fmt: skip


_ABANDONED = str(Path(tempfile.gettempdir()).absolute() / "wfdeploy-scratch-")
"""Folders of killed commands, which any command that reads manifests removes."""


class _Watch:
    """Python's own audit events (PEP 578), while an example is tried. A hook can't be taken off again."""

    def __init__(self) -> None:
        self.allowed: str | None = None
        self.broken: list[str] = []
        self.is_on = False

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.allowed is None or threading.current_thread() is not threading.main_thread():
            return
        if event in _STARTS:
            self.broken.append(f"{event} {args!r:.200}")
        elif event == "open":
            path, _, flags = args
            if isinstance(path, str) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._held(event, path)
        elif event in _WRITES:
            for path in args[:2] if event in ("os.rename", "os.link", "os.symlink") else args[:1]:
                if isinstance(path, str | bytes | os.PathLike):
                    self._held(event, os.fsdecode(path))

    def _held(self, event: str, path: str) -> None:
        whole = os.path.abspath(path)  # noqa: PTH100 - links are to stay
        if os.path.dirname(path) and not f"{whole}/".startswith((f"{self.allowed}/", "/dev/null", _ABANDONED)):  # noqa: PTH120
            self.broken.append(f"{event} {path!r}")


_watch = _Watch()


@contextmanager
def _watched(allowed: Path) -> Iterator[None]:
    if not _watch.is_on:
        _watch.is_on = True
        sys.addaudithook(_watch)
    sys.dont_write_bytecode, wrote = True, sys.dont_write_bytecode
    _watch.broken.clear()
    _watch.allowed = str(allowed)
    # What is too much for the memory goes to an unnamed file there (model/spool.py).
    tempfile.tempdir, usual = str(allowed), tempfile.tempdir
    try:
        yield
    finally:
        _watch.allowed, tempfile.tempdir = None, usual
        sys.dont_write_bytecode = wrote
    assert not _watch.broken, f"an example may start nothing, and write nothing elsewhere: {_watch.broken}"
