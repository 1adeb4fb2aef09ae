"""Entries of the catalogue: written file by file, their groups as JSON, authenticated with a key of the state.

Whoever can put a file where the cache is kept, a pull request or a CI cache say, can make no entry of it, and change
none: an entry's code (HMAC-SHA256, RFC 2104) covers all of it, its runs by the digests of their chunks.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wfdeploy.catalogue import chunks
from wfdeploy.catalogue.database import raising_busy, raising_damaged
from wfdeploy.model.address import Address
from wfdeploy.model.run import (
    DesiredRun,
    FailureAction,
    Group,
    Identity,
    OnCancelled,
    OnChange,
    OnFailure,
    OnRemove,
    Policy,
    ReplaceRunning,
    Source,
    Tally,
    sum_of,
)

if TYPE_CHECKING:
    from wfdeploy.model.blocking import Dependency, Rollout, Schedule

_PURPOSE = b"wfdeploy: cache of manifests"


class Cache(NamedTuple):
    """Where entries are kept for later commands, and the key that they are made and known by."""

    folder: Path
    key: bytes

    @classmethod
    def of(cls, folder: Path, secret: bytes) -> Cache:
        """The cache of a state with this secret."""
        return cls(folder, hmac.digest(secret, _PURPOSE, "sha256"))


class StoredGroup(NamedTuple):
    """A group of an entry as the database has it."""

    id: int
    name: str
    settings: str
    runs: int
    total: bytes
    respelled: int
    chunks: tuple[chunks.Chunk, ...]


class LoadedGroup(NamedTuple):
    """A group of this command.

    file: the position of its file among those loaded.
    fresh: identified by this very process, so beyond doubt.
    """

    id: int
    group: Group
    tally: Tally
    file: int
    name_of_file: str
    fresh: bool
    respelled: bool
    chunks: tuple[chunks.Chunk, ...]


class EntryWriter:
    """Writes the entry of one file, the `file`th, called `name`. Raises: `CacheBusy`.

    key: stands for all that the entry depends on but the files in `reads`; None where no later command may use it.
    reads: the files that the manifest names, with their digests.
    notes: what else its maker wants to read again, as JSON.
    has_duplicates: whether some of its runs have one address.
    """

    def __init__(self, connection: sqlite3.Connection, file: int, name: str) -> None:
        self._connection = connection
        self._file = file
        self._name = name
        with raising_busy():
            id_ = connection.execute(
                "INSERT INTO entries (key, reads, notes, runs, used_on, code) "
                "VALUES (hex(randomblob(16)), '{}', '{}', 0, 0, x'')"
            ).lastrowid
        assert id_ is not None
        self.id = id_
        self.key: str | None = None
        self.reads: Mapping[str, str] = {}
        self.notes: Mapping[str, Any] = {}
        self.groups: list[LoadedGroup] = []
        self.has_duplicates = False
        self._stored: list[StoredGroup] = []
        self._refused: list[tuple[DesiredRun, DesiredRun]] = []

    @property
    def count(self) -> int:
        """How many runs it has."""
        return sum(group.tally.count for group in self.groups)

    def stored(self) -> list[StoredGroup]:
        """Its groups as the database has them."""
        listed = chunks.listed
        return [
            group if group.name else group._replace(chunks=listed(self._connection, group.id)) for group in self._stored
        ]

    def add_group(
        self,
        group: Group,
        parts: Iterable[tuple[chunks.PieceRef, Iterable[DesiredRun] | Sequence[chunks.Chunk]]],
        respelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a group with the runs of a file, or of its pieces one after the other, in any order.

        A piece that the cache has is given as its chunks. `respelled` is called at the end: whether some text of the
        runs was another one while numbers were written otherwise.
        """
        place = len(self._stored)
        begun = self._begin(group.name, group_to_text(group))
        loaded = LoadedGroup(begun.id, group, Tally(), self._file, self._name, fresh=True, respelled=False, chunks=())

        def refused(row: chunks.Row, first: chunks.Row) -> None:
            self.has_duplicates = True
            if len(self._refused) < 100:
                run, other = runs_of(loaded, [row, first])
                self._refused.append((run, other))

        writer = chunks.Writer(self._connection, begun.id, group.name, refused)
        for piece, runs in parts:
            if isinstance(runs, list):
                writer.copy(runs, piece)
            else:
                writer.write(map(_row, cast("Iterable[DesiredRun]", runs)), piece)
        written = writer.end(lambda: self._begin("", "").id)
        tally = sum_of(chunk.tally for chunk in written)
        loaded = loaded._replace(tally=tally, respelled=respelled(), chunks=written)
        columns = tally.count, tally.to_bytes(), int(loaded.respelled)
        self._connection.execute(
            "UPDATE groups SET count = ?, total = ?, respelled = ? WHERE id = ?", (*columns, begun.id)
        )
        self._stored[place] = StoredGroup(*begun[:3], *columns, written)
        self.groups.append(loaded)

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


def runs_of(loaded: LoadedGroup, rows: Iterable[chunks.Row]) -> Iterator[DesiredRun]:
    """Rows of a group as runs."""
    prefix, group, manifest, file = f"{loaded.group.name}/", loaded.group, loaded.name_of_file, loaded.file
    with raising_damaged():
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


# --- authentication ------------------------------------------------------------------------------------------


def name_of(key: bytes, wanted: str) -> str:
    """The name of an entry. It reveals nothing without the key, and another state's entries aren't found."""
    return hmac.digest(key, f"name\0{wanted}".encode(), "sha256").hex()


def code_of(key: bytes, name: str, reads: str, notes: str, groups: Iterable[StoredGroup]) -> bytes:
    """The code of an entry with these columns and groups. Raises: `TypeError` for values that no entry has."""
    # Without their numbers, which are those of one database.
    whole = [name, reads, notes, [(*group[1:-1], [chunk[1:] for chunk in group.chunks]) for group in groups]]
    return hmac.digest(key, b"entry\0" + json.dumps(whole, default=bytes.hex).encode(), "sha256")


def is_code(code: object, expected: bytes) -> bool:
    """Compare in constant time."""
    return isinstance(code, bytes) and hmac.compare_digest(code, expected)


# --- groups as JSON ------------------------------------------------------------------------------------------


def group_to_text(group: Group) -> str:
    """All of a group but its name and its runs: each value as a list of its fields."""
    return _encode(_plain(group)[1:])


def _plain(value: Any) -> Any:
    """What JSON has no form for: enums by value, dataclasses as lists, as named tuples are."""
    return value.value if isinstance(value, Enum) else [getattr(value, name) for name in value.__slots__]


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def group_from_text(name: str, text: str) -> Group:
    """The group again. Raises: `ValueError` or `TypeError` for what `group_to_text` didn't write."""
    policy, (include, exclude), schedule, history, depends_on, rollout = json.loads(text)
    on_change, on_remove, (action, max_attempts, backoff_s), on_cancelled, replace_running = policy
    return Group(
        name=name,
        policy=Policy(
            OnChange(on_change),
            OnRemove(on_remove),
            OnFailure(FailureAction(action), max_attempts, backoff_s),
            OnCancelled(on_cancelled),
            ReplaceRunning(replace_running),
        ),
        identity=Identity(tuple(include), tuple(exclude)),
        schedule=None if schedule is None else _schedule(schedule),
        history=history,
        depends_on=tuple(_dependency(*one) for one in depends_on),
        rollout=None if rollout is None else _rollout(*rollout),
    )


def _schedule(values: list[Any]) -> Schedule:
    from wfdeploy.model.blocking import CatchUp, Concurrency, Schedule

    cron, timezone, start_s, end_s, catch_up, concurrency, deadline_s = values
    return Schedule(
        cron=cron,
        timezone=timezone,
        start_s=start_s,
        end_s=end_s,
        catch_up=CatchUp(catch_up),
        concurrency=Concurrency(concurrency),
        deadline_s=deadline_s,
    )


def _dependency(group: str, condition: str, line: int) -> Dependency:
    from wfdeploy.model.blocking import Condition, Dependency

    return Dependency(group, Condition(condition), line)


def _rollout(steps: list[Any], max_failures: list[Any] | None) -> Rollout:
    from wfdeploy.model.blocking import Amount, Rollout, RolloutStep, StepGate

    return Rollout(
        steps=tuple(RolloutStep(Amount(*amount), StepGate(gate), bake_s) for amount, gate, bake_s in steps),
        max_failures=None if max_failures is None else Amount(*max_failures),
    )
