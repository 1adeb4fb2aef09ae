"""What a whole process costs: time, processor time and peak memory, from the kernel's own books."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One process, from its start to its end. `own`: what it says that the part of interest took, wall clock and
    processor time."""

    wall_s: float
    user_s: float
    system_s: float
    peak_kib: int
    own: tuple[float, float] | None = None

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s if self.own is None else self.own[1]

    @property
    def seconds(self) -> float:
        """Wall clock."""
        return self.wall_s if self.own is None else self.own[0]


class TooSlow(Exception):
    """A process was not done in time."""


def run(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float, tells: bool = False
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
    return Sample(wall_s, usage.ru_utime, usage.ru_stime, usage.ru_maxrss, own)
