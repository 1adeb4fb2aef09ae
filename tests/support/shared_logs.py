"""Shared logs in memory, for tests of what stands above them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from wfdeploy.errors import StateUnusable
from wfdeploy.model.shared_log import Listed, Stored, WriteAnswer, WriteOutcome, digest_of
from wfdeploy.model.state import Binding
from wfdeploy.sharedlog.log import DecidedLog
from wfdeploy.state.shared.entries import Entry, EntryKind
from wfdeploy.state.shared.lease import Clocks
from wfdeploy.state.shared.replica import Facts, Replica


class MemoryLog:
    """Entries in a list, and the right to append to it."""

    def __init__(self, binding: Binding, *, lineage: str = "1e" * 16) -> None:
        facts = Facts(lineage=lineage, binding=binding, redaction_key=b"k" * 32).to_json()
        genesis = Entry(serial=0, before="", kind=EntryKind.GENESIS, writer="", at_ms=0, facts=facts)
        self.entries = [genesis.to_bytes()]

    @property
    def writer(self) -> str:
        return "writer"

    def append(self, serial: int, data: bytes, before: str) -> None:
        if serial != len(self.entries) or digest_of(self.entries[-1]) != before:
            raise StateUnusable("somebody else has this entry")
        self.entries.append(data)

    def replica(self, path: Path, **more: object) -> Replica:
        """A replica that holds all of the log."""
        if not path.exists():
            Replica.begin(path, self.entries[0])
        replica = Replica.open_existing(path, None, **more)  # type: ignore[arg-type]
        assert isinstance(replica, Replica)
        serial, _ = replica.end
        replica.replay(list(enumerate(self.entries))[serial + 1 :])
        return replica


class MemoryBackend:
    """A `LogBackend` in memory, for any number of threads. Answers can be lost, and times wound on."""

    name = "memory://log"

    def __init__(self) -> None:
        self.entries: dict[int, bytes] = {}
        self.snapshots: dict[int, bytes] = {}
        self.lease: Stored | None = None
        self.time_ms = 1_000_000
        self.identity = "first"
        self.requests: Counter[str] = Counter()
        self.before: Callable[[str], None] = lambda _: None
        """Called at the beginning of each method, with its name; may raise."""
        self._lock = threading.RLock()

    def _begin(self, method: str) -> threading.RLock:
        self.requests[method] += 1
        self.before(method)
        return self._lock

    def prepare(self) -> None:
        self._begin("prepare")

    def check(self) -> None:
        self._begin("check")

    def warnings(self) -> Sequence[tuple[str, str]]:
        return ()

    def incarnation(self) -> str:
        return self.identity

    def now_ms(self) -> int:
        return self.time_ms

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        with self._begin("create_entry"):
            if number in self.entries:
                return WriteAnswer(WriteOutcome.REFUSED)
            self.entries[number] = content
            return WriteAnswer(WriteOutcome.WRITTEN, digest_of(content))

    def list_entries(self, first: int, limit: int) -> Sequence[Listed]:
        with self._begin("list_entries"):
            found = sorted(number for number in self.entries if number >= first)[:limit]
            return [Listed(number, len(self.entries[number]), digest_of(self.entries[number])) for number in found]

    def read_entry(self, number: int) -> Stored | None:
        with self._begin("read_entry"):
            content = self.entries.get(number)
            return None if content is None else Stored(content, digest_of(content))

    def delete_entry(self, number: int) -> None:
        with self._begin("delete_entry"):
            self.entries.pop(number, None)

    def create_snapshot(self, number: int, source: BinaryIO) -> WriteAnswer:
        with self._begin("create_snapshot"):
            if number in self.snapshots:
                return WriteAnswer(WriteOutcome.REFUSED)
            self.snapshots[number] = source.read()
            return WriteAnswer(WriteOutcome.WRITTEN)

    def list_snapshots(self) -> Sequence[Listed]:
        with self._begin("list_snapshots"):
            return [Listed(number, len(self.snapshots[number]), "") for number in sorted(self.snapshots)]

    def read_snapshot(self, number: int, target: BinaryIO) -> bool:
        with self._begin("read_snapshot"):
            content = self.snapshots.get(number)
            if content is None:
                return False
            target.write(content)
            return True

    def delete_snapshot(self, number: int) -> None:
        with self._begin("delete_snapshot"):
            self.snapshots.pop(number, None)

    def read_lease(self) -> Stored | None:
        with self._begin("read_lease"):
            return self.lease

    def create_lease(self, content: bytes) -> WriteAnswer:
        with self._begin("create_lease"):
            if self.lease is not None:
                return WriteAnswer(WriteOutcome.REFUSED)
            return self._write_lease(content)

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        with self._begin("swap_lease"):
            if self.lease is None or self.lease.version != version:
                return WriteAnswer(WriteOutcome.REFUSED)
            return self._write_lease(content)

    def _write_lease(self, content: bytes) -> WriteAnswer:
        self.lease = Stored(content, digest_of(content), self.time_ms)
        return WriteAnswer(WriteOutcome.WRITTEN, self.lease.version)

    def close(self) -> None:
        pass


class ManualClocks:
    """Clocks that only move when somebody waits, or moves them."""

    def __init__(self) -> None:
        self.steady_s = 1000.0
        self.wall_s = 1_800_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.steady_s += seconds
        self.wall_s += seconds

    def clocks(self) -> Clocks:
        return Clocks(steady=lambda: self.steady_s, wall=lambda: self.wall_s, pause=self.pass_by)

    def log(self, backend: MemoryBackend) -> DecidedLog:
        return DecidedLog(backend, monotonic=lambda: self.steady_s, pause=self.pass_by)
