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
from itertools import chain, islice, pairwise
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeAlias, cast

from wfdeploy.catalogue.database import raising_busy, raising_damaged
from wfdeploy.errors import CacheDamaged
from wfdeploy.model.run import Tally, term

Row: TypeAlias = tuple[str, str, str, int, int, int, str | None, int | None, str | None, int | None, int | None, bool]
"""A run without what it shares with its group: name (the address without the group), fingerprint, delivery, number,
line, entry, data, row, run id, delay, start, whether there are secrets."""


class Chunk(NamedTuple):
    """One chunk of a group, without its runs: those from the names `first` to `last`. See `database.py`."""

    id: int
    first: str
    last: str
    own_ids: int
    size: int
    total: bytes
    digest: bytes
    piece: bytes
    runs_before: int
    lines_before: int

    @property
    def tally(self) -> Tally:
        """The tally of its rows."""
        return Tally(self.size, int.from_bytes(self.total))


class PieceRef(NamedTuple):
    """A stretch of a file whose rows may be used again where it stands elsewhere, or in another version of the file.

    key: stands for all that its rows depend on; empty for what can't be used again.
    runs, lines: how many there are before it in the file. Its rows are kept without them.
    """

    key: bytes = b""
    runs: int = 0
    lines: int = 0


WHOLE_FILE = PieceRef()
"""All of a file."""


SIZE = 500
MAX_SORTED = 20_000
"""Rows that are sorted in memory; a longer group that isn't in order comes in pieces, which are merged."""
_FIRST_SORTED = 5_000
"""The same, of a group that may well be in order."""

_COLUMNS = ", ".join(("grp", *Chunk._fields[1:], "runs"))
_RUN_ID = 8
_DISCARDED = -(2**62)
"""The id of a group for what is thrown away."""
_name = itemgetter(0)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Writer:
    """Writes the rows of the group with this id. `refused` is called with each row whose name another one has."""

    def __init__(
        self, connection: sqlite3.Connection, group: int, name: str, refused: Callable[[Row, Row], None]
    ) -> None:
        self._connection = connection
        self._group = group
        self._prefix = f"{name}/"
        self._refused = refused
        self._segments: list[int] = []  # in order each by itself, but for the first under ids that no group has
        self._must_merge = False

    def write(self, rows: Iterable[Row], piece: PieceRef = WHOLE_FILE) -> None:
        """Write the rows of a file, or of a piece of it, in whatever order they come. Raises: `CacheBusy`."""
        stream = iter(rows)
        last = ""
        begun = False
        most = min(_FIRST_SORTED, MAX_SORTED)
        while some := list(islice(stream, most)):
            some.sort(key=_name)
            if not begun:
                self._begin()
                begun = True
            elif some[0][0] <= last:
                self._begin()
                most = MAX_SORTED
            kept = some
            if len(self._segments) == 1 or piece is not WHOLE_FILE:
                kept = self._distinct(some)
            elif _has_duplicates(some):  # which of them came first is known only when all segments are merged
                self._must_merge = True
            self._put(kept, piece)
            last = kept[-1][0]

    def copy(self, chunks: Iterable[Chunk], piece: PieceRef) -> None:
        """Take over the rows of a piece that were written before. Raises: `CacheBusy`."""
        group = self._begin()
        with raising_busy():
            self._connection.executemany(
                f"INSERT INTO chunks ({_COLUMNS}) "  # noqa: S608
                "SELECT ?, first, last, own_ids, size, total, digest, piece, ?, ?, runs FROM chunks WHERE id = ?",
                [(group, piece.runs, piece.lines, chunk.id) for chunk in chunks],
            )

    def end(self, spare_group: Callable[[], int]) -> tuple[Chunk, ...]:
        """Put everything that was written in order. Of two rows with one name, the one that came first stays.

        `spare_group` gives the id of a group that holds what is kept for its pieces alone, where the group itself has
        to be in another order.
        """
        segments = [listed(self._connection, segment) for segment in self._segments]
        chunks = sorted(chain.from_iterable(segments), key=attrgetter("first"))
        if not self._must_merge and all(before.last < after.first for before, after in pairwise(chunks)):
            self._move(self._segments[1:], self._group)
            return tuple(chunks)
        self._move(self._segments, spare_group() if any(chunk.piece for chunk in chunks) else _DISCARDED)
        self._merge(segments)
        self._connection.execute("DELETE FROM chunks WHERE grp = ?", (_DISCARDED,))
        return listed(self._connection, self._group)

    def _move(self, segments: Sequence[int], group: int) -> None:
        self._connection.executemany("UPDATE chunks SET grp = ? WHERE grp = ?", [(group, one) for one in segments])

    def _begin(self) -> int:
        self._segments.append(-len(self._segments) if self._segments else self._group)
        return self._segments[-1]

    def _merge(self, segments: Sequence[Sequence[Chunk]]) -> None:
        """Write the rows of several segments as one, in order."""
        self._segments = [self._group]
        # Equal names come in the order of the segments, which is that of the rows.
        stream = merge(*(rows(self._connection, chunks) for chunks in segments), key=_name)
        last: Row | None = None
        while some := list(islice(stream, MAX_SORTED)):
            kept = self._distinct(some if last is None else [last, *some])
            self._put(kept if last is None else kept[1:], WHOLE_FILE)
            last = kept[-1]

    def _distinct(self, some: list[Row]) -> list[Row]:
        if not _has_duplicates(some):
            return some
        kept = some[:1]
        for row in some[1:]:
            if row[0] == kept[-1][0]:
                self._refused(row, kept[-1])
            else:
                kept.append(row)
        return kept

    def _put(self, some: list[Row], piece: PieceRef) -> None:
        with raising_busy():
            self._connection.executemany(
                f"INSERT INTO chunks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                self._chunks(self._segments[-1], some, piece),
            )

    def _chunks(self, group: int, some: list[Row], piece: PieceRef) -> Iterator[tuple[object, ...]]:
        prefix = self._prefix
        key, runs, lines = piece
        for start in range(0, len(some), SIZE):
            part = some[start : start + SIZE]
            total = Tally.of([term(prefix + name, text, delivery) for name, text, delivery, *_ in part])
            if runs or lines:
                part = [shifted(row, -runs, -lines) for row in part]
            columns = list(zip(*part, strict=True))
            own_ids = any(run_id is not None for run_id in columns[_RUN_ID])
            text = _encode(columns)
            names = columns[0]
            columns_of_chunk = names[0], names[-1], own_ids, len(part), total.to_bytes(), sha256(text.encode()).digest()
            yield group, *columns_of_chunk, key, runs, lines, text


def _has_duplicates(some: Sequence[Row]) -> bool:
    return len(set(map(_name, some))) < len(some)


def shifted(row: Row, runs: int, lines: int) -> Row:
    """A row that stands `runs` runs and `lines` lines further down in its file."""
    name, fingerprint, delivery, number, line, entry, *rest = row
    return (name, fingerprint, delivery, number + runs, line + lines, entry + runs, *rest)  # type: ignore[return-value]


def listed(connection: sqlite3.Connection, group: int) -> tuple[Chunk, ...]:
    """The chunks of a group, by the names that they begin with."""
    query = f"SELECT {', '.join(Chunk._fields)} FROM chunks WHERE grp = ? ORDER BY first, id"  # noqa: S608
    return tuple(map(Chunk._make, connection.execute(query, (group,))))


def rows(connection: sqlite3.Connection, chunks: Iterable[Chunk], *, with_own_ids: bool = False) -> Iterator[Row]:
    """The rows of these chunks; `with_own_ids`: those whose run id the author fixed. Raises: `CacheDamaged`."""
    for chunk in chunks:
        if not with_own_ids:
            yield from _read(connection, chunk)
        elif chunk.own_ids:
            yield from (row for row in _read(connection, chunk) if row[_RUN_ID] is not None)


def find(connection: sqlite3.Connection, chunks: Sequence[Chunk], names: Collection[str]) -> Iterator[Row]:
    """The rows of a group that have one of these names, by name. Raises: `CacheDamaged`."""
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
    read = cast("Iterator[Row]", zip(*_columns(connection, chunk), strict=True))
    runs, lines = chunk.runs_before, chunk.lines_before
    return (shifted(row, runs, lines) for row in read) if runs or lines else read


def _columns(connection: sqlite3.Connection, chunk: Chunk) -> list[list[Any]]:
    """The columns of a chunk's rows, once they are known to be those that were written. Raises: `CacheDamaged`."""
    with raising_damaged():
        found = connection.execute("SELECT runs FROM chunks WHERE id = ?", (chunk.id,)).fetchone()
        text = None if found is None else found[0]
        if not isinstance(text, str) or sha256(text.encode()).digest() != chunk.digest:
            raise CacheDamaged("the cache of manifests is damaged (some of its runs are other ones)")
        return cast("list[list[Any]]", json.loads(text))
