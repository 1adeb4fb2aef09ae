"""A shared log in memory, on which answers are lost and writes land late when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import BinaryIO

from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Listed, Stored, WriteAnswer, WriteOutcome, digest_of
from wfdeploy.sharedlog.probe import probe


class Fate(Enum):
    """What becomes of one request."""

    PASS = "carried out, and answered"
    NEVER = "never carried out, and not answered"
    LOST = "carried out, and not answered"
    LATE = "not answered, and carried out when the test says so"
    FORBIDDEN = "refused for good"


@dataclass(slots=True)
class Objects:
    """What one store keeps, for all that open it. Several threads may use it."""

    content: dict[str, tuple[bytes, int, int]] = field(default_factory=dict)
    """By key: the bytes, their version, and when they were written."""

    late: list[Callable[[], object]] = field(default_factory=list)
    versions: int = 0
    clock_ms: int = 1_800_000_000_000
    guard: threading.RLock = field(default_factory=threading.RLock)

    def deliver(self, index: int = 0) -> None:
        """Carry out a late request."""
        self.late.pop(index)()

    def put(self, key: str, content: bytes, *, version: int | None) -> WriteAnswer:
        """Write if there is nothing (None), or if this version is there."""
        with self.guard:
            stored = self.content.get(key)
            if (None if stored is None else stored[1]) != version:
                return WriteAnswer(WriteOutcome.REFUSED)
            self.versions += 1
            self.clock_ms += 1
            self.content[key] = (content, self.versions, self.clock_ms)
            return WriteAnswer(WriteOutcome.WRITTEN, str(self.versions))


@dataclass(slots=True)
class MemoryLog:
    """A `LogBackend`. `fate` is asked for each request to an entry or the lease."""

    objects: Objects = field(default_factory=Objects)
    prefix: str = "log"
    checks_previous: bool = False
    """Whether it looks at the entry before, as a database does."""

    fate: Callable[[], Fate] = field(default=lambda: Fate.PASS)

    @property
    def name(self) -> str:
        return f"memory://{self.prefix}"

    def prepare(self) -> None:
        self.objects.put(f"{self.prefix}/incarnation", b"", version=None)

    def check(self) -> None:
        key = f"{self.prefix}/scratch"
        probe(
            self.name,
            create=lambda content: self.objects.put(key, content, version=None),
            swap=lambda content, version: self.objects.put(key, content, version=int(version)),
            read=lambda: self._get(key),
        )
        del self.objects.content[key]

    def warnings(self) -> Sequence[tuple[str, str]]:
        return ()

    def incarnation(self) -> str:
        stored = self._get(f"{self.prefix}/incarnation")
        return "" if stored is None else stored.version

    def now_ms(self) -> int:
        return self.objects.clock_ms

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        def act() -> WriteAnswer:
            with self.objects.guard:
                if self.checks_previous and number:
                    before = self._get(self._entry(number - 1))
                    if before is None or digest_of(before.content) != previous:
                        return WriteAnswer(
                            WriteOutcome.REFUSED if self._get(self._entry(number)) else WriteOutcome.DETACHED
                        )
                return self.objects.put(self._entry(number), content, version=None)

        return self._request(act)

    def list_entries(self, first: int, limit: int) -> Sequence[Listed]:
        return list(islice(self._list("entries", first), limit))

    def read_entry(self, number: int) -> Stored | None:
        return self._ask(self._entry(number))

    def delete_entry(self, number: int) -> None:
        self.objects.content.pop(self._entry(number), None)

    def create_snapshot(self, number: int, source: BinaryIO) -> WriteAnswer:
        return self.objects.put(f"{self.prefix}/snapshots/{number:012d}", source.read(), version=None)

    def list_snapshots(self) -> Sequence[Listed]:
        return list(self._list("snapshots", 0))

    def read_snapshot(self, number: int, target: BinaryIO) -> bool:
        stored = self._get(f"{self.prefix}/snapshots/{number:012d}")
        if stored is None:
            return False
        target.write(stored.content)
        return True

    def delete_snapshot(self, number: int) -> None:
        self.objects.content.pop(f"{self.prefix}/snapshots/{number:012d}", None)

    def read_lease(self) -> Stored | None:
        return self._ask(f"{self.prefix}/lease")

    def create_lease(self, content: bytes) -> WriteAnswer:
        return self._request(lambda: self.objects.put(f"{self.prefix}/lease", content, version=None))

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        return self._request(lambda: self.objects.put(f"{self.prefix}/lease", content, version=int(version)))

    def close(self) -> None:
        pass

    def _request(self, act: Callable[[], WriteAnswer]) -> WriteAnswer:
        match self.fate():
            case Fate.PASS:
                return act()
            case Fate.LOST:
                act()
            case Fate.LATE:
                self.objects.late.append(act)
            case Fate.FORBIDDEN:
                raise StateUnusable("permission denied")
            case Fate.NEVER:
                pass
        return WriteAnswer(WriteOutcome.UNDECIDED, reason="no answer")

    def _ask(self, key: str) -> Stored | None:
        fate = self.fate()
        if fate is Fate.FORBIDDEN:
            raise StateUnusable("permission denied")
        if fate is not Fate.PASS:
            raise StateUnreachable("no answer")
        return self._get(key)

    def _get(self, key: str) -> Stored | None:
        stored = self.objects.content.get(key)
        return None if stored is None else Stored(stored[0], str(stored[1]), stored[2])

    def _list(self, folder: str, first: int) -> list[Listed]:
        with self.objects.guard:
            content = dict(self.objects.content)
        start = f"{self.prefix}/{folder}/"
        return [
            Listed(int(key[-12:]), len(content[key][0]), str(content[key][1]))
            for key in sorted(content)
            if key.startswith(start) and int(key[-12:]) >= first
        ]

    def _entry(self, number: int) -> str:
        return f"{self.prefix}/entries/{number:012d}"
