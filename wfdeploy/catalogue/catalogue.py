"""Desired runs in a database, file by file; a file that hasn't changed is not read again."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from wfdeploy.catalogue import chunks, database, settings
from wfdeploy.catalogue.authentication import StoredGroup, code_of, is_code, name_of
from wfdeploy.catalogue.guards import CacheBusy, busy, sound
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.run import DesiredGroup, DesiredRun, Group, Source
from wfdeploy.model.tally import Tally, sum_of

KEPT_RUNS = 2_500_000
"""Of entries that this command doesn't use, the cache keeps no more runs than this; a run takes about 150 bytes."""

KEPT_DAYS = 30


class Kept(NamedTuple):
    """An entry of the cache. `reads`: the files that the manifest names, with their digests; `notes`: what its maker
    wanted to be told (JSON)."""

    id: int
    reads: Mapping[str, str]
    notes: Mapping[str, Any]
    groups: Sequence[StoredGroup]


@dataclass(slots=True)
class Draft:
    """An entry in the making. `key`: None for one that no later command may use."""

    key: str | None = None
    reads: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class _Member(NamedTuple):
    """A group of this command. `fresh`: identified by this very process, so beyond doubt."""

    id: int
    group: Group
    tally: Tally
    file: int
    name_of_file: str
    fresh: bool
    respelled: bool
    chunks: tuple[chunks.Chunk, ...]


class Catalogue:
    """The desired runs of one command. `folder`: where the cache is kept (None: nowhere); `key`: of its entries, one
    that nobody else has (None: a new one, so that no entry of another command is known).

    Entries are added or taken from the cache, file by file; `seal` ends that, and from then on it is read.
    """

    def __init__(self, folder: Path | None, key: bytes | None = None) -> None:
        self._connection, self._lasting = database.connect(folder)
        self._key = os.urandom(32) if key is None else key
        # One transaction from the first look on: what other processes do to the cache is not seen.
        self._connection.execute("BEGIN")
        self._members: dict[str, _Member] = {}
        self._used: list[int] = []
        self._private: list[int] = []
        self.duplicates = False
        """Whether some group or address is declared more than once. A file that does so by itself has no entry that a
        later command could use, for it would not hold what is to be told."""

    # --- filling ---------------------------------------------------------------------------------------------

    def cached(self, key: str) -> Kept | None:
        """The entry that was made under this key; none that somebody else made, or changed. Raises: `CacheDamaged`."""
        if not self._lasting:
            return None
        name = name_of(self._key, key)
        with sound():
            query = "SELECT id, reads, notes FROM entries WHERE key = ?"
            row = self._connection.execute(query, (name,)).fetchone()
            if row is None:
                return None
            id_, reads, notes = row
            groups = self._authentic(id_)
            return None if groups is None else Kept(id_, _mapping(reads), _mapping(notes), groups)

    def take(self, kept: Kept, file: int, name: str) -> None:
        """Use an entry as it is, for the `file`th file, called `name`."""
        self._used.append(kept.id)
        with sound():
            for id_, group, text, count, total, respelled, chunks_ in kept.groups:
                if not group:
                    continue  # it only holds chunks
                tally = Tally(count, int.from_bytes(total))
                declared = settings.from_text(group, text)
                self._join(_Member(id_, declared, tally, file, name, False, bool(respelled), chunks_))

    def pieces(self, keys: Collection[bytes]) -> dict[bytes, list[chunks.Chunk]]:
        """The rows of these pieces, of those that the cache has, as chunks. Raises: `CacheDamaged`."""
        if not self._lasting:
            return {}
        entries: set[int] = set()
        with sound():
            for some in _batched(sorted(keys)):
                query = f"SELECT DISTINCT grp FROM chunks WHERE piece <> x'' AND piece IN ({_marks(some)})"  # noqa: S608
                query = f"SELECT DISTINCT entry FROM groups WHERE id IN ({query})"  # noqa: S608
                entries.update(entry for (entry,) in self._connection.execute(query, some))
            found: dict[bytes, list[chunks.Chunk]] = {}
            for entry in sorted(entries, reverse=True):  # the newest one has the most, as a rule
                for group in self._authentic(entry) or ():
                    own: dict[bytes, list[chunks.Chunk]] = {}
                    for chunk in group.chunks:
                        if chunk.piece in keys:
                            own.setdefault(chunk.piece, []).append(chunk)
                    found = own | found
        return found

    @contextmanager
    def adding(self, file: int, name: str) -> Iterator[Adding]:
        """Make the entry of a file: give groups and runs to what this yields. Left by an exception, nothing is kept."""
        connection = self._connection
        connection.execute("SAVEPOINT entry")
        with busy():
            cursor = connection.execute(
                "INSERT INTO entries (key, reads, notes, runs, used_on, code) "
                "VALUES (hex(randomblob(16)), '{}', '{}', 0, 0, x'')"
            )
        assert cursor.lastrowid is not None
        # Numbers can be foretold: what somebody may have put there for this entry is none of it.
        connection.execute("DELETE FROM groups WHERE entry = ?", (cursor.lastrowid,))
        connection.execute("DELETE FROM chunks WHERE grp < 0")
        adding = Adding(self, connection, cursor.lastrowid, file, name)
        before, duplicates = dict(self._members), self.duplicates
        try:
            yield adding
        except BaseException:
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            self._members, self.duplicates = before, duplicates
            raise
        draft = adding.draft
        if draft.key is None or adding.has_twins:
            self._private.append(adding.id)
        else:
            # Another process may have made the same entry meanwhile: the newer one stays.
            key, reads, notes = name_of(self._key, draft.key), _json(draft.reads), _json(draft.notes)
            code = code_of(self._key, key, reads, notes, self._stored(adding.id))
            self._drop("SELECT id FROM entries WHERE key = ?", (key,))
            connection.execute(
                "UPDATE entries SET key = ?, reads = ?, notes = ?, runs = ?, used_on = ?, code = ? WHERE id = ?",
                (key, reads, notes, adding.count, _today(), code, adding.id),
            )
            self._used.append(adding.id)
        connection.execute("RELEASE entry")

    def seal(self) -> None:
        """Everything is in: from now on this is read, and stays as it is whatever other processes do to the cache.

        Raises: `CacheBusy` when another process took away what is needed, or can't be waited for.
        """
        connection = self._connection
        if self._lasting:
            self._touch()
        if not connection.total_changes:
            return
        self._evict()
        with busy():
            connection.execute("COMMIT")
        connection.execute("BEGIN")
        used = (*self._used, *self._private)
        query = f"SELECT count(*) FROM entries WHERE id IN ({_marks(used)})"  # noqa: S608
        if connection.execute(query, used).fetchone()[0] != len(used):
            raise CacheBusy

    def close(self) -> None:
        """Give the database back; what only this command could use goes."""
        connection = self._connection
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._private and self._lasting:
                for id_ in self._private:
                    self._drop("SELECT ?", (id_,))
        except (sqlite3.Error, UnicodeDecodeError):
            pass  # a later command evicts it
        finally:
            connection.close()

    # --- reading ---------------------------------------------------------------------------------------------

    @property
    def groups(self) -> Mapping[str, DesiredGroup]:
        """The groups, by name."""
        return {
            name: DesiredGroup(member.group, member.tally, member.respelled) for name, member in self._members.items()
        }

    @property
    def is_fresh(self) -> bool:
        """Whether all of it was made by this very command, so that no run of it has to be checked."""
        return all(member.fresh for member in self._members.values())

    def file_of(self, group: str) -> int:
        """The position of the file that declares a group, among those loaded."""
        return self._members[group].file

    def __len__(self) -> int:
        return sum(member.tally.count for member in self._members.values())

    def runs(self, groups: Collection[str] | None = None) -> Iterator[DesiredRun]:
        """The runs of these groups (None: of all) in address order.

        Raises: `CacheDamaged`, before it yields anything that wasn't written by a command with the same key.
        """
        names = self._members if groups is None else groups
        # Addresses are ordered with the slash after the group's name.
        for name in sorted(names, key=lambda name: f"{name}/"):
            member = self._members.get(name)
            if member is not None:
                yield from _runs(member, chunks.rows(self._connection, member.chunks))

    def find(self, addresses: Collection[str]) -> Mapping[Address, DesiredRun]:
        """Those of these addresses that are declared."""
        found: dict[Address, DesiredRun] = {}
        wanted: dict[str, list[str]] = {}
        for address in addresses:
            wanted.setdefault(group_of(address), []).append(address.partition("/")[2])
        for group, names in wanted.items():
            member = self._members.get(group)
            if member is not None:
                rows = chunks.find(self._connection, member.chunks, names)
                found.update((run.address, run) for run in _runs(member, rows))
        return found

    def differing(self, group: str, recorded: Callable[[str, str], Iterable[tuple[str, str, str]]]) -> set[Address]:
        """The addresses of a group at which what is declared differs from what is recorded, or that only one of the two
        has. `recorded`: gives address, fingerprint and delivery of the records from one address up to another."""
        member = self._members[group]
        prefix, found = f"{group}/", set[Address]()
        lows = [prefix, *(prefix + chunk.first for chunk in member.chunks[1:])]
        highs = [*lows[1:], f"{group}0"]  # the character after the slash
        for chunk, low, high in zip(member.chunks, lows, highs, strict=True):
            names, fingerprints, deliveries = chunks.identities(self._connection, chunk)
            declared = set(zip([prefix + name for name in names], fingerprints, deliveries, strict=True))
            found.update(Address(address) for address, _, _ in declared.symmetric_difference(recorded(low, high)))
        return found

    def with_own_ids(self) -> Iterator[DesiredRun]:
        """The runs whose workflow run id the author fixed."""
        for member in self._members.values():
            yield from _runs(member, chunks.rows(self._connection, member.chunks, with_own_ids=True))

    # --- pieces ----------------------------------------------------------------------------------------------

    def _authentic(self, entry: int) -> Sequence[StoredGroup] | None:
        """The groups of an entry; None where somebody else made it, or changed it."""
        query = "SELECT key, reads, notes, code FROM entries WHERE id = ?"
        name, reads, notes, code = self._connection.execute(query, (entry,)).fetchone()
        groups = self._stored(entry)
        return groups if is_code(code, code_of(self._key, name, reads, notes, groups)) else None

    def _stored(self, entry: int) -> list[StoredGroup]:
        query = "SELECT id, name, settings, count, total, respelled FROM groups WHERE entry = ? ORDER BY id"
        found = self._connection.execute(query, (entry,)).fetchall()
        return [StoredGroup._make((*row, chunks.listed(self._connection, row[0]))) for row in found]

    def _join(self, member: _Member) -> None:
        if self._members.setdefault(member.group.name, member) is not member:
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
        """Of what this command doesn't use, keep what was used lately, and not more than is allowed."""
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
                self._drop("SELECT ?", (id_,))

    def _drop(self, which: str, values: tuple[object, ...]) -> None:
        run = self._connection.execute
        run(f"DELETE FROM chunks WHERE grp IN (SELECT id FROM groups WHERE entry IN ({which}))", values)  # noqa: S608
        run(f"DELETE FROM groups WHERE entry IN ({which})", values)  # noqa: S608
        run(f"DELETE FROM entries WHERE id IN ({which})", values)  # noqa: S608


class Adding:
    """The entry of one file in the making."""

    def __init__(self, catalogue: Catalogue, connection: sqlite3.Connection, id_: int, file: int, name: str) -> None:
        self._catalogue = catalogue
        self._connection = connection
        self._file = file
        self._name = name
        self.id = id_
        self.draft = Draft()
        self.count = 0
        self.has_twins = False
        """Whether some of its runs have one address."""
        self._refused: list[tuple[DesiredRun, DesiredRun]] = []

    def group(
        self,
        group: Group,
        stretches: Iterable[tuple[chunks.Piece, Iterable[DesiredRun] | Sequence[chunks.Chunk]]],
        respelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a group with its runs: those of a file, or of its pieces one after the other, in any order; of a piece
        that the cache has, its chunks. `respelled` tells at the end whether some text of theirs was another one while
        numbers were written otherwise."""
        connection = self._connection
        id_ = self._begun(group.name, settings.to_text(group))
        member = _Member(id_, group, Tally(), self._file, self._name, fresh=True, respelled=False, chunks=())

        def refused(row: chunks.Row, first: chunks.Row) -> None:
            self._catalogue.duplicates = self.has_twins = True
            if len(self._refused) < 100:
                run, other = _runs(member, [row, first])
                self._refused.append((run, other))

        writer = chunks.Writer(connection, id_, group.name, refused)
        for piece, runs in stretches:
            if isinstance(runs, list):
                writer.copy(runs, piece)
            else:
                writer.write(map(_row, cast("Iterable[DesiredRun]", runs)), piece)
        written = writer.end(self._aside)
        tally = sum_of(chunk.tally for chunk in written)
        member = member._replace(tally=tally, respelled=respelled(), chunks=written)
        connection.execute(
            "UPDATE groups SET count = ?, total = ?, respelled = ? WHERE id = ?",
            (tally.count, tally.to_bytes(), member.respelled, id_),
        )
        self.count += tally.count
        self._catalogue._join(member)

    def _aside(self) -> int:
        """A group that only holds chunks, to be found by their pieces."""
        return self._begun("", "")

    def _begun(self, name: str, text: str) -> int:
        """The id of a new group without chunks."""
        run = self._connection.execute
        query = "INSERT INTO groups (entry, name, settings, count, total, respelled) VALUES (?, ?, ?, 0, x'', 0)"
        id_ = run(query, (self.id, name, text)).lastrowid
        assert id_ is not None
        run("DELETE FROM chunks WHERE grp = ?", (id_,))
        return id_

    def take_refused(self) -> list[tuple[DesiredRun, DesiredRun]]:
        """Runs whose address was taken, each with the run that has it; no more than a hundred of a group."""
        refused, self._refused = self._refused, []
        return refused


def _runs(member: _Member, rows: Iterable[chunks.Row]) -> Iterator[DesiredRun]:
    prefix, group, manifest, file = f"{member.group.name}/", member.group, member.name_of_file, member.file
    with sound():
        for name, text, delivery, number, line, entry, data, row, run_id, delay_s, not_before_s, secret in rows:
            source = Source(manifest, line, entry, data, row)
            address = Address(prefix + name)
            yield DesiredRun(
                address, text, delivery, group, source, run_id, file, number, delay_s, not_before_s, bool(secret)
            )


def _row(run: DesiredRun) -> chunks.Row:
    address, fingerprint, delivery, group, source, run_id, _, number, delay_s, not_before_s, has_secrets, _ = run
    _, line, entry, data, row = source
    name = address[len(group.name) + 1 :]
    return name, fingerprint, delivery, number, line, entry, data, row, run_id, delay_s, not_before_s, has_secrets


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
