"""What a whole process costs, with those that it starts: time, processor time and peak memory, from the kernel's own
books."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.03


@dataclass(frozen=True, slots=True)
class Sample:
    """One process, from its start to its end. `cpu_s`: its own and that of its children. `peak_kib`: of all of them
    together, shared pages counted once. `own`: what it says that the part of interest took, wall clock and processor
    time. `output_bytes`: what it printed."""

    wall_s: float
    cpu_s: float
    peak_kib: int
    output_bytes: int = 0
    own: tuple[float, float] | None = None

    def data(self) -> dict[str, float]:
        """As JSON."""
        told = {"wall_s": self.wall_s, "cpu_s": self.cpu_s, "peak_kib": self.peak_kib}
        return told | {"output_bytes": self.output_bytes}


class TooSlow(Exception):
    """A process was not done in time."""


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    timeout_s: float,
    tells: bool = False,
) -> Sample:
    """Run a command to its end. With `tells`, the last two words of its output are `Sample.own`.

    Raises: `RuntimeError` when it fails; `TooSlow` when it was ended after `timeout_s`.
    """
    # The kernel counts the peak of what a process was forked from, so this one must stay small itself.
    output = cwd / "output.txt"
    with output.open("w+b") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        watchdog = threading.Timer(timeout_s, process.kill)
        watchdog.start()
        with _watched(process.pid) as peak:
            _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)  # reaped already
    if process.returncode == -signal.SIGKILL and wall_s >= timeout_s:
        raise TooSlow(" ".join(command))
    if process.returncode:
        tail = output.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    own: tuple[float, float] | None = None
    if tells:
        wall, cpu = output.read_text(encoding="utf-8").split()[-2:]
        own = float(wall), float(cpu)
    return Sample(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_kib=max(usage.ru_maxrss, peak.kib),
        output_bytes=output.stat().st_size,
        own=own,
    )


class _Peak:
    kib = 0

    def look(self, process_id: int) -> None:
        """One process by itself is left to the kernel, which misses no peak. Of several, what they share is counted
        once, which takes the kernel some time: only where their sum could be a new peak."""
        with suppress(OSError, ValueError):  # it ended meanwhile, or this isn't Linux
            tree = list(_tree(process_id))
            if len(tree) > 1 and sum(map(_resident_kib, tree)) > self.kib:
                self.kib = max(self.kib, sum(map(_proportional_kib, tree)))


@contextmanager
def _watched(process_id: int) -> Iterator[_Peak]:
    peak, done = _Peak(), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY_S):
            peak.look(process_id)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _tree(process_id: int) -> Iterator[int]:
    yield process_id
    for children in Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _resident_kib(process_id: int) -> int:
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _proportional_kib(process_id: int) -> int:
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
