"""A shared state without a shard: its own log; or, to read, the logs of all shards together."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import StateUnusable
from wfdeploy.model.state import LockStatus, StorageFacts
from wfdeploy.state.database import connect
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.entries import EntryKind
from wfdeploy.state.shared.following import TRY_S
from wfdeploy.state.shared.replica import read_entry, read_facts
from wfdeploy.state.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.state import Head, StateVersion
    from wfdeploy.ports import StateReader, StateStore

_SHARD = re.compile(r"[1-9][0-9]{0,3}/([1-9][0-9]{0,3})")


class WholeBackend(SharedBackend):
    """A `StateBackend` for commands without `--shard`. Where the state is kept in shards, it can only be read."""

    def __init__(
        self, open_log: Callable[[], SharedLog], *, shard: Callable[[int, int], SharedBackend], **more: Any
    ) -> None:
        """`shard`: the backend of the I-th of N shards."""
        super().__init__(open_log, **more)
        self._shards = shard
        self._opened_shards: list[SharedBackend] = []
        self._count: int | None = None
        self._database: bytes | None = None  # of all shards together
        self._keys: tuple[bytes, ...] = ()
        self._versions: tuple[StateVersion, ...] = ()

    def close(self) -> None:
        super().close()
        for backend in self._opened_shards:
            backend.close()

    def _shard(self, index: int, count: int) -> SharedBackend:
        backend = self._shards(index, count)
        self._opened_shards.append(backend)
        return backend

    def exists(self) -> bool:
        return super().exists() or self.shard_count > 0

    @property
    def versions(self) -> Sequence[StateVersion]:
        return self._versions or super().versions

    def open(self, *, readonly: bool) -> StateStore:
        if not self.is_sharded:
            return super().open(readonly=readonly)
        if not readonly:
            raise self.sharded()
        return self._together()

    @contextmanager
    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> Iterator[None]:
        if self.is_sharded:
            raise self.sharded()
        with super().lock(timeout_s, on_wait):
            yield

    def lock_status(self) -> LockStatus:
        if not self.is_sharded:
            return super().lock_status()
        count = self.shard_count
        found = [self._shard(index, count).lock_status() for index in range(1, count + 1)]
        return next((one for one in found if one.holder is not None), found[0])

    def try_out(self) -> StorageFacts:
        return self._shard(1, self.shard_count).try_out() if self.is_sharded else super().try_out()

    @property
    def is_sharded(self) -> bool:
        """Whether there are only the logs of shards."""
        return not super().exists() and self.shard_count > 0

    @property
    def shard_count(self) -> int:
        """Of how many shards there is a log; 0 for none. Not asked where the state has a log of its own."""
        if self._count is None:
            self._count = division(self._shard(1, 1).log) or 0
        return self._count

    def sharded(self) -> StateUnusable:
        """The error where one log is needed."""
        return StateUnusable(
            f"the state at {self.name} is kept in {self.shard_count} shards, which can only be read together",
            hint=f"name one: --shard 1/{self.shard_count}",
        )

    def _together(self) -> StateStore:
        """One state with what all shards hold; made once."""
        if self._database is None:
            with tempfile.TemporaryDirectory(prefix="wfdeploy-") as folder:
                path = Path(folder, "shards.db")
                import_lines(self._lines(), path, self.binding).close()
                with closing(connect(path, readonly=False)) as connection:
                    connection.execute("PRAGMA journal_mode = DELETE")  # no other is readable in memory
                    self._database = connection.serialize()
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        memory.deserialize(self._database)
        return _Shards(memory, self.name, self._keys)

    def _lines(self) -> Iterator[str]:
        """The shards' exports as one. Runs belong to one shard each; what groups have in common is told once."""
        count = self.shard_count
        stores: list[StateStore] = []
        try:
            for index in range(1, count + 1):
                backend = self._shard(index, count)
                redaction_key = b""
                if backend.exists():  # one that wasn't begun holds nothing
                    stores.append(backend.open(readonly=True))
                    redaction_key = stores[-1].head().redaction_key
                    self._versions += tuple(backend.versions)
                self._keys += (redaction_key,)
            yield json.dumps(_head(stores))
            told: set[tuple[str, str]] = set()
            for store in stores:
                lines = export_lines(store)
                next(lines)
                for line in lines:
                    if (key := _in_common(line)) is not None:
                        if key in told:
                            continue
                        told.add(key)
                    yield line
        finally:
            for store in stores:
                store.close()


class _Shards(SqliteStore):
    """All shards of a state as one, to be read."""

    def __init__(self, connection: sqlite3.Connection, name: str, keys: tuple[bytes, ...]) -> None:
        super().__init__(connection, name, lambda: 0)
        self._keys = keys

    def head(self) -> Head:
        return super().head()._replace(shard_keys=self._keys)


def _head(stores: Sequence[StateReader]) -> dict[str, Any]:
    """The head of several states: it knows of the server what all of them know."""
    heads = [store.head() for store in stores]
    found: dict[str, Any] = json.loads(next(export_lines(stores[0])))
    found.pop("shard", None)
    marks = [head.watermark_ms for head in heads]
    foreign = [head.foreign_ms for head in heads if head.foreign_ms is not None]
    return found | {
        "serial": sum(head.serial for head in heads),
        "watermarkMs": min(mark for mark in marks if mark is not None) if None not in marks else None,
        "foreignMs": max(foreign, default=None),
    }


_COMMON = ('"kind":"group"', '"kind":"schedule"', '"kind":"rollout"', '"kind":"unclaimed"')


def _in_common(line: str) -> tuple[str, str] | None:
    """What a line is about, where several shards may tell of it; None for what belongs to one."""
    if not any(kind in line for kind in _COMMON):
        return None
    values = json.loads(line)
    match values["kind"]:
        case "group" | "schedule":
            return values["kind"], values["name"]
        case "rollout":
            return "rollout", values["group"]
        case "unclaimed":
            return "unclaimed", values["workflowRunId"]
        case _:
            return None


def division(log: SharedLog) -> int | None:
    """Of how many shards this log holds one; 0 for a state as a whole, None where there is none."""
    stored = log.read_entry(0, within_s=TRY_S)
    if stored is None:
        return None
    entry = read_entry(0, stored.content)
    if entry.kind is not EntryKind.GENESIS or entry.facts is None:
        return None
    found = _SHARD.fullmatch(read_facts(entry.facts).binding.shard)
    return 0 if found is None else int(found[1])
