"""Desired runs in a database, file by file; a file that hasn't changed is not read again."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from wfdeploy.catalogue import chunks, database
from wfdeploy.catalogue.database import CacheBusy, raising_busy, raising_damaged
from wfdeploy.catalogue.entries import (
    Cache,
    EntryWriter,
    LoadedGroup,
    StoredGroup,
    code_of,
    group_from_text,
    is_code,
    name_of,
    runs_of,
)
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.run import DesiredGroup, DesiredRun, Tally

KEPT_RUNS = 2_500_000
"""Of entries that this command doesn't use, the cache keeps no more runs than this; a run takes about 150 bytes."""

KEPT_DAYS = 30


class CacheEntry(NamedTuple):
    """An entry of the cache.

    reads: the files that the manifest names, with their digests.
    notes: what else its maker wanted to read again, as JSON.
    """

    id: int
    reads: Mapping[str, str]
    notes: Mapping[str, Any]
    groups: Sequence[StoredGroup]


class Catalogue:
    """The desired runs of one command. Without a cache, they are gone with it.

    Entries are added or taken from the cache, file by file; `seal` ends that, and from then on it is read.
    """

    def __init__(self, cache: Cache | None) -> None:
        self._connection, self._lasting = database.connect(None if cache is None else cache.folder)
        self._key = b"" if cache is None else cache.key
        # One transaction from the first look on: what other processes do to the cache is not seen.
        self._connection.execute("BEGIN")
        self._loaded: dict[str, LoadedGroup] = {}
        self._used: list[int] = []
        self._private: list[int] = []
        self._has_swept = False
        self.duplicates = False
        """Whether some group or address is declared more than once. A file that does so by itself has no entry that a
        later command could use, for it would not hold what is to be reported."""

    # --- filling ---------------------------------------------------------------------------------------------

    def cached(self, key: str) -> CacheEntry | None:
        """The entry that was made under this key; none that somebody else made, or changed. Raises: `CacheDamaged`."""
        if not self._lasting:
            return None
        with raising_damaged():
            return self._authentic("key", name_of(self._key, key))

    def take(self, entry: CacheEntry, file: int, name: str) -> None:
        """Use an entry as it is, for the `file`th file, called `name`."""
        self._used.append(entry.id)
        with raising_damaged():
            for id_, group, text, count, total, respelled, chunks_ in entry.groups:
                if not group:
                    continue  # it only holds chunks
                tally = Tally(count, int.from_bytes(total))
                declared = group_from_text(group, text)
                self._join(LoadedGroup(id_, declared, tally, file, name, False, bool(respelled), chunks_))

    def pieces(self, keys: Collection[bytes]) -> dict[bytes, list[chunks.Chunk]]:
        """The chunks of these pieces that the cache has. Raises: `CacheDamaged`."""
        if not self._lasting:
            return {}
        entries: set[int] = set()
        with raising_damaged():
            for some in _batched(sorted(keys)):
                query = f"SELECT DISTINCT grp FROM chunks WHERE piece <> x'' AND piece IN ({_marks(some)})"  # noqa: S608
                query = f"SELECT DISTINCT entry FROM groups WHERE id IN ({query})"  # noqa: S608
                entries.update(entry for (entry,) in self._connection.execute(query, some))
            found: dict[bytes, list[chunks.Chunk]] = {}
            for entry in sorted(entries, reverse=True):  # the newest one has the most, as a rule
                known = self._authentic("id", entry)
                for group in () if known is None else known.groups:
                    own: dict[bytes, list[chunks.Chunk]] = {}
                    for chunk in group.chunks:
                        if chunk.piece in keys:
                            own.setdefault(chunk.piece, []).append(chunk)
                    found = own | found
        return found

    @contextmanager
    def new_entry(self, file: int, name: str) -> Iterator[EntryWriter]:
        """Write the entry of a file. Left by an exception, nothing of it is kept."""
        connection = self._connection
        if not self._has_swept:
            self._sweep()
        connection.execute("SAVEPOINT entry")
        try:
            writer = EntryWriter(connection, file, name)
            yield writer
        except BaseException:
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            raise
        if writer.key is None or writer.has_duplicates:
            self._private.append(writer.id)
        else:
            key, reads, notes = name_of(self._key, writer.key), _json(writer.reads), _json(writer.notes)
            code = code_of(self._key, key, reads, notes, writer.stored())
            # An older entry may be of no use any more: the newer one stays.
            for (older,) in connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchall():
                self._drop(older)
            connection.execute(
                "UPDATE entries SET key = ?, reads = ?, notes = ?, runs = ?, used_on = ?, code = ? WHERE id = ?",
                (key, reads, notes, writer.count, _today(), code, writer.id),
            )
            self._used.append(writer.id)
        connection.execute("RELEASE entry")
        self.duplicates = self.duplicates or writer.has_duplicates
        for group in writer.groups:
            self._join(group)

    def seal(self) -> None:
        """End the filling: from now on the catalogue is read, whatever other processes do to the cache.

        Raises: `CacheBusy` when another process took away what is needed, or can't be waited for.
        """
        connection = self._connection
        if self._lasting:
            self._touch()
        if not connection.total_changes:
            return
        self._evict()
        with raising_busy():
            connection.execute("COMMIT")
        connection.execute("BEGIN")
        used = (*self._used, *self._private)
        query = f"SELECT count(*) FROM entries WHERE id IN ({_marks(used)})"  # noqa: S608
        if connection.execute(query, used).fetchone()[0] != len(used):
            raise CacheBusy

    def close(self) -> None:
        """Close the database; drop what only this command could use."""
        connection = self._connection
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._private and self._lasting:
                for id_ in self._private:
                    self._drop(id_)
        except (sqlite3.Error, UnicodeDecodeError):
            pass  # a later command evicts it
        finally:
            connection.close()

    # --- reading ---------------------------------------------------------------------------------------------

    @property
    def groups(self) -> Mapping[str, DesiredGroup]:
        """The groups, by name."""
        return {
            name: DesiredGroup(loaded.group, loaded.tally, loaded.respelled) for name, loaded in self._loaded.items()
        }

    @property
    def is_fresh(self) -> bool:
        """Whether all of it was made by this very command, so that no run of it has to be checked."""
        return all(loaded.fresh for loaded in self._loaded.values())

    def file_of(self, group: str) -> int:
        """The position of the file that declares a group, among those loaded."""
        return self._loaded[group].file

    def __len__(self) -> int:
        return sum(loaded.tally.count for loaded in self._loaded.values())

    def runs(self, groups: Collection[str] | None = None) -> Iterator[DesiredRun]:
        """The runs of these groups (None: of all) in address order.

        Raises: `CacheDamaged`, before it yields anything that wasn't written by a command with the same key.
        """
        names = self._loaded if groups is None else groups
        # Addresses are ordered with the slash after the group's name.
        for name in sorted(names, key=lambda name: f"{name}/"):
            loaded = self._loaded.get(name)
            if loaded is not None:
                yield from runs_of(loaded, chunks.rows(self._connection, loaded.chunks))

    def find(self, addresses: Collection[str]) -> Mapping[Address, DesiredRun]:
        """The declared runs among these addresses."""
        found: dict[Address, DesiredRun] = {}
        wanted: dict[str, list[str]] = {}
        for address in addresses:
            wanted.setdefault(group_of(address), []).append(address.partition("/")[2])
        for group, names in wanted.items():
            loaded = self._loaded.get(group)
            if loaded is not None:
                rows = chunks.find(self._connection, loaded.chunks, names)
                found.update((run.address, run) for run in runs_of(loaded, rows))
        return found

    def differing(self, group: str, recorded: Callable[[str, str], Iterable[tuple[str, str, str]]]) -> set[Address]:
        """The addresses of a group where declaration and record differ, or that only one of the two has.

        recorded: gives address, fingerprint and delivery of the records from one address up to another.
        """
        loaded = self._loaded[group]
        prefix, found = f"{group}/", set[Address]()
        lows = [prefix, *(prefix + chunk.first for chunk in loaded.chunks[1:])]
        highs = [*lows[1:], f"{group}0"]  # the character after the slash
        for chunk, low, high in zip(loaded.chunks, lows, highs, strict=True):
            names, fingerprints, deliveries = chunks.identities(self._connection, chunk)
            declared = set(zip([prefix + name for name in names], fingerprints, deliveries, strict=True))
            found.update(Address(address) for address, _, _ in declared.symmetric_difference(recorded(low, high)))
        return found

    def with_own_ids(self) -> Iterator[DesiredRun]:
        """The runs whose workflow run id the author fixed."""
        for loaded in self._loaded.values():
            yield from runs_of(loaded, chunks.rows(self._connection, loaded.chunks, with_own_ids=True))

    # --- pieces ----------------------------------------------------------------------------------------------

    def _authentic(self, column: str, value: str | int) -> CacheEntry | None:
        """The entry with this value; None where there is none, or somebody else made it, or changed it."""
        query = f"SELECT id, key, reads, notes, code FROM entries WHERE {column} = ?"  # noqa: S608
        row = self._connection.execute(query, (value,)).fetchone()
        if row is None:
            return None
        id_, name, reads, notes, code = row
        groups = self._stored(id_)
        if not is_code(code, code_of(self._key, name, reads, notes, groups)):
            return None
        return CacheEntry(id_, _mapping(reads), _mapping(notes), groups)

    def _stored(self, entry: int) -> list[StoredGroup]:
        query = "SELECT id, name, settings, count, total, respelled FROM groups WHERE entry = ? ORDER BY id"
        found = self._connection.execute(query, (entry,)).fetchall()
        return [StoredGroup._make((*row, chunks.listed(self._connection, row[0]))) for row in found]

    def _join(self, loaded: LoadedGroup) -> None:
        if self._loaded.setdefault(loaded.group.name, loaded) is not loaded:
            self.duplicates = True

    def _touch(self) -> None:
        """Note that these entries are used, once a day."""
        where = f"id IN ({_marks(self._used)}) AND used_on < ?"
        run, values = self._connection.execute, (*self._used, _today())
        if run(f"SELECT 1 FROM entries WHERE {where}", values).fetchone() is None:  # noqa: S608
            return  # an update would lock others out even where it changes nothing
        with suppress(sqlite3.OperationalError):  # somebody else writes: it is noted next time
            run(f"UPDATE entries SET used_on = {_today()} WHERE {where}", values)  # noqa: S608

    def _evict(self) -> None:
        """Drop what this command doesn't use, but for what was used lately, up to the bound."""
        mine = {*self._used, *self._private}
        kept = 0
        rows = self._connection.execute(
            "SELECT id, runs, used_on FROM entries ORDER BY used_on DESC, id DESC"
        ).fetchall()
        for id_, runs, used_on in rows:
            if id_ in mine:
                continue
            kept += runs
            if kept > KEPT_RUNS or used_on < _today() - KEPT_DAYS:
                self._drop(id_)

    def _drop(self, entry: int) -> None:
        run = self._connection.execute
        run("DELETE FROM chunks WHERE grp IN (SELECT id FROM groups WHERE entry = ?)", (entry,))
        run("DELETE FROM groups WHERE entry = ?", (entry,))
        run("DELETE FROM entries WHERE id = ?", (entry,))

    def _sweep(self) -> None:
        """Delete what belongs to no entry. Numbers can be foretold: somebody may have put it there for one that is to
        come.

        Raises: `CacheBusy`.
        """
        with raising_busy():
            self._connection.execute("DELETE FROM groups WHERE entry NOT IN (SELECT id FROM entries)")
            # The inner query finds all that it looks at in the index.
            strays = "SELECT id FROM chunks WHERE grp NOT IN (SELECT id FROM groups)"
            self._connection.execute(f"DELETE FROM chunks WHERE id IN ({strays})")  # noqa: S608
        self._has_swept = True


def _mapping(text: str) -> dict[str, Any]:
    """Raises: `ValueError` for other JSON, and for what is none."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"no mapping, but {type(value).__name__}")
    return value


def _batched(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(values), 500):
        yield values[start : start + 500]


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))


def _today() -> int:
    return int(time.time() // 86400)


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
