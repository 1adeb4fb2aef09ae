"""The entry of one file in the making."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from wfdeploy.catalogue import chunks, settings
from wfdeploy.catalogue.authentication import StoredGroup
from wfdeploy.catalogue.guards import busy, sound
from wfdeploy.model.address import Address
from wfdeploy.model.run import DesiredRun, Group, Source, Tally, sum_of


@dataclass(slots=True)
class Draft:
    """An entry in the making. `key`: None for one that no later command may use."""

    key: str | None = None
    reads: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Member(NamedTuple):
    """A group of this command. `fresh`: identified by this very process, so beyond doubt."""

    id: int
    group: Group
    tally: Tally
    file: int
    name_of_file: str
    fresh: bool
    respelled: bool
    chunks: tuple[chunks.Chunk, ...]


class Adding:
    """The entry of one file, the `file`th, called `name`. Raises: `CacheBusy`."""

    def __init__(self, connection: sqlite3.Connection, file: int, name: str) -> None:
        self._connection = connection
        self._file = file
        self._name = name
        with busy():
            id_ = connection.execute(
                "INSERT INTO entries (key, reads, notes, runs, used_on, code) "
                "VALUES (hex(randomblob(16)), '{}', '{}', 0, 0, x'')"
            ).lastrowid
        assert id_ is not None
        self.id = id_
        self.draft = Draft()
        self.members: list[Member] = []
        self.has_twins = False
        """Whether some of its runs have one address."""
        self._stored: list[StoredGroup] = []
        self._refused: list[tuple[DesiredRun, DesiredRun]] = []

    @property
    def count(self) -> int:
        """How many runs it has."""
        return sum(member.tally.count for member in self.members)

    def stored(self) -> list[StoredGroup]:
        """Its groups as the database has them."""
        listed = chunks.listed
        return [
            group if group.name else group._replace(chunks=listed(self._connection, group.id)) for group in self._stored
        ]

    def group(
        self,
        group: Group,
        stretches: Iterable[tuple[chunks.Piece, Iterable[DesiredRun] | Sequence[chunks.Chunk]]],
        respelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a group with its runs: those of a file, or of its pieces one after the other, in any order; of a piece
        that the cache has, its chunks. `respelled` tells at the end whether some text of theirs was another one while
        numbers were written otherwise."""
        place = len(self._stored)
        begun = self._begin(group.name, settings.to_text(group))
        member = Member(begun.id, group, Tally(), self._file, self._name, fresh=True, respelled=False, chunks=())

        def refused(row: chunks.Row, first: chunks.Row) -> None:
            self.has_twins = True
            if len(self._refused) < 100:
                run, other = runs_of(member, [row, first])
                self._refused.append((run, other))

        writer = chunks.Writer(self._connection, begun.id, group.name, refused)
        for piece, runs in stretches:
            if isinstance(runs, list):
                writer.copy(runs, piece)
            else:
                writer.write(map(_row, cast("Iterable[DesiredRun]", runs)), piece)
        written = writer.end(lambda: self._begin("", "").id)
        tally = sum_of(chunk.tally for chunk in written)
        member = member._replace(tally=tally, respelled=respelled(), chunks=written)
        told = tally.count, tally.to_bytes(), int(member.respelled)
        self._connection.execute(
            "UPDATE groups SET count = ?, total = ?, respelled = ? WHERE id = ?", (*told, begun.id)
        )
        self._stored[place] = StoredGroup(*begun[:3], *told, written)
        self.members.append(member)

    def take_refused(self) -> list[tuple[DesiredRun, DesiredRun]]:
        """Runs whose address was taken, each with the run that has it; no more than a hundred of a group."""
        refused, self._refused = self._refused, []
        return refused

    def _begin(self, name: str, text: str) -> StoredGroup:
        """A new group without chunks. One without a name only holds chunks, to be found by their pieces."""
        query = "INSERT INTO groups (entry, name, settings, count, total, respelled) VALUES (?, ?, ?, 0, x'', 0)"
        id_ = self._connection.execute(query, (self.id, name, text)).lastrowid
        assert id_ is not None
        self._stored.append(StoredGroup(id_, name, text, 0, b"", 0, ()))
        return self._stored[-1]


def runs_of(member: Member, rows: Iterable[chunks.Row]) -> Iterator[DesiredRun]:
    """Rows of a group as runs."""
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
