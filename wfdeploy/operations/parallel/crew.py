"""Files shared out to processes, and what came of it."""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from wfdeploy.catalogue import database
from wfdeploy.files.scratch import ScratchFolder
from wfdeploy.model.event import Reading
from wfdeploy.operations.parallel import WORTHWHILE_BYTES
from wfdeploy.operations.parallel.member import MIXED, Task
from wfdeploy.operations.reading import Wanted
from wfdeploy.pipeline.load.parts import Part, cut
from wfdeploy.pipeline.load.sources import Found

MOST = 4
"""Processes at once: each takes memory for the file that it reads."""

_SILENCE_S = 300.0
"""Without a word from any process for so long, all are given up."""


@dataclass(frozen=True, slots=True)
class Work:
    """A file to read, its position among those loaded, its size in bytes, and which part of it (None: all)."""

    position: int
    found: Found
    size: int
    part: Part | None = None


class Crew:
    """Reads files in processes of their own. `catalogues` are then the databases that they filled, `parts` those of a
    file that was read in parts, `stashes` the requests, both by position of the file; some of these are parcels where
    it `has_parcels`, and all where it has `only_parcels`. All is gone when it is closed."""

    def __init__(self) -> None:
        self.catalogues: list[Path] = []
        self.parts: dict[int, list[Part]] = {}
        self.stashes: dict[int, list[Path]] = {}
        self.has_parcels = False
        self.only_parcels = False
        self._scratch = ScratchFolder()

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._scratch.path

    def read(self, wanted: Wanted, files: Sequence[Work], text_of: Callable[[Work], str], *, stashes: bool) -> None:
        """Read these files, or the most of them, where that is worthwhile. Raises: `OSError` when nothing can be
        started."""
        self._read(wanted, shared_out(files) or in_parts(files, text_of), stashes=stashes)

    def _read(self, wanted: Wanted, shares: Sequence[Sequence[Work]], *, stashes: bool) -> None:
        assert wanted.variables is not None
        self.has_parcels = stashes and wanted.encoder is not None
        folders = []
        for number, share in enumerate(shares):
            folder = self.folder / str(number)
            folder.mkdir()
            folders.append(folder)
            task = Task(
                folder=folder,
                project=wanted.project,
                cwd=wanted.cwd,
                variables=wanted.variables,
                shard=wanted.shard,
                files=tuple((work.position, work.found, work.part) for work in share),
                stashes=stashes,
                encoder=wanted.encoder if stashes else None,
                key=wanted.key,
            )
            (folder / "task").write_bytes(pickle.dumps(task))
        whole = sum(work.part.count for share in shares for work in share if work.part is not None)
        whole //= 1 if wanted.shard is None else wanted.shard.count
        done = _run(folders, wanted, whole)
        self.only_parcels = self.has_parcels and not any((folder / MIXED).exists() for folder in folders)
        for folder, share, sound in zip(folders, shares, done, strict=True):
            if sound:
                self.catalogues.append(folder / database.FILE)
            for work in share:
                if work.part is not None:
                    self.parts.setdefault(work.position, []).append(work.part)
                if sound and stashes:
                    self.stashes.setdefault(work.position, []).append(folder / str(work.position))

    def close(self) -> None:
        """Remove all files."""
        self._scratch.close()


def shared_out(files: Sequence[Work]) -> list[list[Work]]:
    """The files in shares of about one size, as many as this machine can read at once; empty where one process does as
    well."""
    total, largest = sum(work.size for work in files), max((work.size for work in files), default=0)
    count = min(_hands(total), len(files))
    if count < 2 or largest > 0.7 * total:  # with one file that outweighs all others there is little to share
        return []
    shares: list[list[Work]] = [[] for _ in range(count)]
    sizes = [0] * count
    for work in sorted(files, key=lambda work: -work.size):
        least = sizes.index(min(sizes))
        shares[least].append(work)
        sizes[least] += work.size
    return [sorted(share, key=lambda work: work.position) for share in shares]


def in_parts(files: Sequence[Work], text_of: Callable[[Work], str]) -> list[list[Work]]:
    """The largest file in parts, each a share; empty where it has none, or one process does as well."""
    work = max(files, key=lambda work: work.size, default=None)
    hands = 0 if work is None else _hands(work.size)
    if work is None or hands < 2:
        return []
    parts = cut(text_of(work), hands)
    return [[replace(work, part=part)] for part in parts] if len(parts) > 1 else []


def _hands(size: int) -> int:
    """How many processes are worthwhile for so many bytes."""
    if os.name == "nt" or getattr(sys, "frozen", False):
        return 0  # a bundled program can't be started again like this, and Windows' pipes can't be waited for
    return min(MOST, _processors(), size // WORTHWHILE_BYTES)


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _run(folders: Sequence[Path], wanted: Wanted, whole: int) -> list[bool]:
    """Run a process for the task in each folder; whether each did all of it. `whole`: how many runs there are, about; 0
    where nobody knows."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.extend(map(_started, folders))
        with suppress(subprocess.TimeoutExpired):
            _follow(processes, wanted, whole)
            for process in processes:
                process.wait(_SILENCE_S)
        return [process.poll() == 0 for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    # Without the working directory on its path, so that no module of the user's is taken for one of ours; in a session
    # of its own, so that an interrupt at the terminal is for this process to deal with.
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-P", "-m", "wfdeploy.operations.parallel.member", str(folder / "task")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _follow(processes: Sequence[subprocess.Popen[bytes]], wanted: Wanted, whole: int) -> None:
    """Pass on how far they are, until all have closed their output. Raises: `subprocess.TimeoutExpired`."""
    runs: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_SILENCE_S)
            if not ready:
                raise subprocess.TimeoutExpired("", _SILENCE_S)
            for key, _ in ready:
                said = os.read(key.fd, 65_536)
                if not said:
                    selector.unregister(key.fileobj)
                    continue
                with suppress(ValueError, IndexError):  # half a line: the next one says more
                    runs[key.fd] = max(runs.get(key.fd, 0), int(said.split()[-1]))
            count = sum(runs.values())
            wanted.listener(Reading(count, part=min(count, whole), whole=whole))
    if any(runs.values()):
        wanted.listener(Reading(sum(runs.values()), done=True))
