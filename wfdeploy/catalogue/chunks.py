"""The runs of a group as a few rows of a database: five hundred to a row, in the order of their names.

A row for each run took most of the time that a catalogue takes. A chunk is JSON, column by column: quick, and harmless
to read whatever became of the file.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import merge
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeAlias, cast

from wfdeploy.catalogue.guards import busy, sound
from wfdeploy.errors import CacheDamaged
from wfdeploy.model.tally import Tally, term

Row: TypeAlias = tuple[str, str, str, int, int, int, str | None, int | None, str | None, int | None, int | None, bool]
"""A run without what it shares with its group: name (the address without the group), fingerprint, delivery, number,
line, entry, data, row, run id, delay, start, whether there are secrets."""


class Chunk(NamedTuple):
    """One chunk of a group, without its runs."""

    id: int
    first: str
    own_ids: int
    digest: bytes


SIZE = 500
SORTED_AT_ONCE = 20_000
"""Rows that are sorted in memory; a longer group that isn't in order comes in pieces, which are merged."""

_RUN_ID = 8
_name = itemgetter(0)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Writer:
    """Writes the rows of the group with this id. `refused` hears of each row whose name another one has."""

    def __init__(
        self, connection: sqlite3.Connection, group: int, name: str, refused: Callable[[Row, Row], None]
    ) -> None:
        self._connection = connection
        self._group = group
        self._prefix = f"{name}/"
        self._refused = refused

    def write(self, rows: Iterable[Row]) -> Tally:
        """Write them all, in whatever order they come. Of two with one name, the one that came first stays. Raises:
        `CacheBusy`."""
        stream = iter(rows)
        tally, last = Tally(), ""
        pieces: list[int] = []  # in ids that no group has
        while piece := list(islice(stream, SORTED_AT_ONCE)):
            piece.sort(key=_name)
            if not pieces and (piece[0][0] > last or not tally.count):
                kept = self._distinct(piece)
                tally, last = self._put(self._group, kept, tally), kept[-1][0]
            else:
                pieces.append(-1 - len(pieces))
                self._put(pieces[-1], piece)
        return self._merged([self._group, *pieces]) if pieces else tally

    def _merged(self, pieces: list[int]) -> Tally:
        whole = min(0, *pieces) - 1
        # Equal names come in the order of the pieces, which is that of the rows.
        stream = merge(*(rows(self._connection, listed(self._connection, piece)) for piece in pieces), key=_name)
        tally, last = Tally(), None
        while piece := list(islice(stream, SORTED_AT_ONCE)):
            kept = self._distinct(piece if last is None else [last, *piece])
            tally, last = self._put(whole, kept if last is None else kept[1:], tally), kept[-1]
        self._connection.execute(f"DELETE FROM chunks WHERE grp IN ({','.join('?' * len(pieces))})", pieces)  # noqa: S608
        self._connection.execute("UPDATE chunks SET grp = ? WHERE grp = ?", (self._group, whole))
        return tally

    def _distinct(self, piece: list[Row]) -> list[Row]:
        if len(set(map(_name, piece))) == len(piece):
            return piece
        kept = piece[:1]
        for row in piece[1:]:
            if row[0] == kept[-1][0]:
                self._refused(row, kept[-1])
            else:
                kept.append(row)
        return kept

    def _put(self, group: int, piece: list[Row], tally: Tally = Tally()) -> Tally:  # noqa: B008 - a value
        prefix = self._prefix
        with busy():
            self._connection.executemany(
                "INSERT INTO chunks (grp, first, own_ids, digest, runs) VALUES (?, ?, ?, ?, ?)", _chunks(group, piece)
            )
        return tally.plus(len(piece), sum([term(prefix + name, text, delivery) for name, text, delivery, *_ in piece]))


def _chunks(group: int, piece: list[Row]) -> Iterator[tuple[int, str, bool, bytes, str]]:
    for start in range(0, len(piece), SIZE):
        columns = list(zip(*piece[start : start + SIZE], strict=True))
        own_ids = any(run_id is not None for run_id in columns[_RUN_ID])
        text = _encode(columns)
        yield group, columns[0][0], own_ids, sha256(text.encode()).digest(), text


def listed(connection: sqlite3.Connection, group: int) -> tuple[Chunk, ...]:
    """The chunks of a group, by the names that they begin with."""
    query = "SELECT id, first, own_ids, digest FROM chunks WHERE grp = ? ORDER BY first, id"
    return tuple(map(Chunk._make, connection.execute(query, (group,))))


def rows(connection: sqlite3.Connection, chunks: Iterable[Chunk], *, with_own_ids: bool = False) -> Iterator[Row]:
    """The rows of these chunks. `with_own_ids`: those whose run id the author fixed. Raises: `CacheDamaged`."""
    for chunk in chunks:
        if not with_own_ids:
            yield from _read(connection, chunk)
        elif chunk.own_ids:
            yield from (row for row in _read(connection, chunk) if row[_RUN_ID] is not None)


def find(connection: sqlite3.Connection, chunks: Sequence[Chunk], names: Collection[str]) -> Iterator[Row]:
    """Those of a group's rows that have one of these names, by name. Raises: `CacheDamaged`."""
    known: tuple[int, dict[str, Row]] = (-1, {})
    for name in sorted(names):
        position = bisect_right(chunks, name, key=attrgetter("first")) - 1
        if position < 0:
            continue
        if position != known[0]:
            known = position, {row[0]: row for row in _read(connection, chunks[position])}
        row = known[1].get(name)
        if row is not None:
            yield row


def identities(connection: sqlite3.Connection, chunk: Chunk) -> tuple[list[str], list[str], list[str]]:
    """Names, fingerprints and deliveries of a chunk's rows. Raises: `CacheDamaged`."""
    names, fingerprints, deliveries, *_ = _columns(connection, chunk)
    return names, fingerprints, deliveries


def _read(connection: sqlite3.Connection, chunk: Chunk) -> Iterator[Row]:
    return cast("Iterator[Row]", zip(*_columns(connection, chunk), strict=True))


def _columns(connection: sqlite3.Connection, chunk: Chunk) -> list[list[Any]]:
    """The columns of a chunk's rows, once they are known to be those that were written. Raises: `CacheDamaged`."""
    with sound():
        found = connection.execute("SELECT runs FROM chunks WHERE id = ?", (chunk.id,)).fetchone()
        text = None if found is None else found[0]
        if not isinstance(text, str) or sha256(text.encode()).digest() != chunk.digest:
            raise CacheDamaged("the cache of manifests is damaged (some of its runs are other ones)")
        return cast("list[list[Any]]", json.loads(text))
