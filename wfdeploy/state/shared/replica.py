"""This machine's copy of a shared state, and its commits: staged here, appended to the log, then committed here."""

from __future__ import annotations

import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.model.edits import Edit, is_about_triggers
from wfdeploy.model.run import Tally, sum_of
from wfdeploy.model.shared_log import Detached, NumberTaken, Stored, Undecided, digest_of
from wfdeploy.model.state import Binding
from wfdeploy.state.database import connect, create_file, translated
from wfdeploy.state.edits import Editor, renumber
from wfdeploy.state.moved import MoveMark, read_mark, write_mark
from wfdeploy.state.shared.edits_codec import NEWER, decode, encode
from wfdeploy.state.shared.entries import SEMANTICS, Entry, EntryKind, NewerSemantics
from wfdeploy.state.sqlite_store import SqliteStore

_AT_ONCE = 64
"""Entries replayed in one transaction."""


class Appender(Protocol):
    """The right to append to a log: what a holder of the lease has."""

    @property
    def writer(self) -> str:
        """Who appends: another text for each time that the lease was taken."""

    def append(self, serial: int, data: bytes, before: str) -> None:
        """Make this entry durable, after the entry with the digest `before`.

        Returns when it is surely there, and ours. Raises: `StateUnusable` in any other case; then it may be there or
        may still arrive.
        """


@dataclass(frozen=True, slots=True)
class _Staged:
    entry: Entry

    is_about_triggers: bool


class Replica(SqliteStore):
    """A `StateStore` whose commits are appended to a log before they count.

    Its nonce is the digest of the entry that it ends with. Without an appender it can only be read, and follow the log.
    Any failure from the append onwards ends its life: what the log holds then is not known here.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, now_ms: Callable[[], int]) -> None:
        super().__init__(connection, name, self._entry_time)
        with translated(name):
            # The log is what is durable; after a power loss the replica is behind it, and follows.
            connection.execute("PRAGMA synchronous = NORMAL")
        self._wall_clock_ms = now_ms
        self._at_ms = 0
        self._appender: Appender | None = None
        self._staged: _Staged | None = None
        self._broken: StateUnusable | None = None
        self._sum: Tally | None = None  # of all records, once an editor was made

    @classmethod
    def begin(cls, path: Path, genesis: bytes) -> None:
        """Make the file of a replica that holds entry 0 and nothing else. Raises: `StateUnusable`."""
        entry = read_entry(0, genesis)
        if entry.kind is not EntryKind.GENESIS or entry.serial != 0 or entry.facts is None:
            raise StateUnusable(
                "entry 0 of the log is not the beginning of a state", hint="restore the log from a copy"
            )
        facts = read_facts(entry.facts)
        create_file(path, facts.binding, facts.redaction_key)
        with closing(connect(path, readonly=False)) as connection, translated(str(path)):
            connection.executemany(
                "UPDATE head SET value = ? WHERE key = ?", [(facts.lineage, "lineage"), (digest_of(genesis), "nonce")]
            )
            _note_time(connection, entry.at_ms)

    def _entry_time(self) -> int:
        return self._at_ms

    def note_last(self, entry: Entry) -> None:
        """Note when the entry was written that it ends with, which no snapshot tells."""
        with self._writing, translated(self._name):
            _note_time(self._connection, entry.at_ms)

    def write_with(self, appender: Appender) -> None:
        """From now on, commit by this appender."""
        self._appender = appender

    @property
    def end(self) -> tuple[int, str]:
        """Serial and digest of the entry that it ends with."""
        head = self.head()
        return head.serial, head.nonce

    # --- commits ---------------------------------------------------------------------------------------------

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        self._stage(edits, EntryKind.COMMIT, precedes_request=precedes_request)

    def fence(self) -> int:
        """Append the first entry of a holder: whatever an earlier holder appends late meets it."""
        self._stage((), EntryKind.FENCE, precedes_request=False)
        return self.finish()

    def append_move(self, kind: EntryKind, mark: MoveMark) -> int:
        """Append an entry about a move: that it begins, was aborted, or is done."""
        self._stage((), kind, precedes_request=False, mark=mark)
        return self.finish()

    def _stage(
        self, edits: Sequence[Edit], kind: EntryKind, *, precedes_request: bool, mark: MoveMark | None = None
    ) -> None:
        if self._broken is not None:
            raise self._broken
        if self._appender is None:
            raise StateUnusable(f"the replica {self._name} is only read: nobody holds the lease")
        with self._writing, translated(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._rolled_back():
                serial, before = self._stored_end()
                self._note_move(serial + 1, kind, mark)
                self._at_ms = self._wall_clock_ms()
                editor, sum_before = self._editing()
                changes = self._connection.total_changes
                editor.apply(edits)
                self._sum = sum_before.plus(*editor.take_shift())
                if self._connection.total_changes == changes and not precedes_request and kind is EntryKind.COMMIT:
                    self._staged = None
                    return
                encoded = encode(edits, editor.take_settled())
                entry = Entry(
                    serial=serial + 1,
                    semantics=max((NEWER.get(each[0], 1) for each in encoded), default=1),
                    before=before,
                    kind=kind,
                    writer=self._appender.writer,
                    at_ms=self._at_ms,
                    precedes_request=precedes_request,
                    rows=_rows_digest(self._sum),
                    edits=encoded,
                    facts=None if mark is None else mark.to_json(),
                )
                self._staged = _Staged(entry, any(map(is_about_triggers, edits)))

    def finish(self) -> int:
        assert self._appender is not None
        with self._writing:
            staged, self._staged = self._staged, None
            with translated(self._name), self._rolled_back():
                if staged is not None:
                    entry = staged.entry
                    data = entry.to_bytes()  # in this thread: compressing gives up the interpreter
                    renumber(self._connection, is_about_triggers=staged.is_about_triggers, nonce=digest_of(data))
                    _note_time(self._connection, entry.at_ms)
                    with self._ending_at_failure():
                        self._appender.append(entry.serial, data, entry.before)
                        self._connection.execute("COMMIT")
                    return entry.serial
                self._connection.execute("COMMIT")
        return self._stored_end()[0]

    # --- following the log -----------------------------------------------------------------------------------

    def replay(self, entries: Iterable[tuple[int, bytes]]) -> None:
        """Follow the log by these entries, which begin right after the replica's end.

        Raises: `StateUnusable` when one doesn't follow, can't be read, or leaves other rows than it left its writer.
        """
        pending: list[tuple[int, bytes]] = []
        for each in entries:
            pending.append(each)
            if len(pending) == _AT_ONCE:
                self._replay_some(pending)
                pending.clear()
        self._replay_some(pending)

    def _replay_some(self, entries: Sequence[tuple[int, bytes]]) -> None:
        if not entries:
            return
        with self._writing, translated(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._rolled_back():
                for serial, data in entries:
                    self._replay_one(serial, data)
                self._connection.execute("COMMIT")

    def _replay_one(self, serial: int, data: bytes) -> None:
        own_serial, before = self._stored_end()
        entry = read_entry(serial, data)
        if entry.serial != serial or serial != own_serial + 1 or entry.before != before:
            raise StateUnusable(
                f"entry {serial} of the log doesn't follow entry {own_serial} of the replica",
                hint="the log was cut, restored or replaced; look at it before anything is sent",
            )
        self._note_move(serial, entry.kind, None if entry.facts is None else MoveMark.from_json(entry.facts))
        editor, sum_before = self._editing()
        self._at_ms = entry.at_ms
        about = False

        def each() -> Iterator[Edit]:
            nonlocal about
            for edit in decode(entry.edits, editor.intents_of):
                about = about or is_about_triggers(edit)
                yield edit

        try:
            editor.apply(each())
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise StateUnusable(
                f"entry {serial} of the log is damaged: {error}", hint="restore the log from a copy"
            ) from error
        editor.take_settled()
        self._sum = sum_before.plus(*editor.take_shift())
        if entry.rows != _rows_digest(self._sum):
            raise StateUnusable(
                f"entry {serial} of the log leaves other rows here than where it was written",
                hint="delete the replica and run this again; if that doesn't help, this is a bug in wfdeploy",
            )
        renumber(self._connection, is_about_triggers=about, nonce=digest_of(data))
        _note_time(self._connection, entry.at_ms)

    # --- pieces ----------------------------------------------------------------------------------------------

    def _note_move(self, serial: int, kind: EntryKind, mark: MoveMark | None) -> None:
        """Check that an entry of this kind may follow, and keep what it says of a move."""
        noted = read_mark(self._connection)
        match kind:
            case EntryKind.FENCE:
                is_right = noted is None or not noted.is_done
            case EntryKind.COMMIT:
                is_right = noted is None
            case EntryKind.MOVING:
                is_right = noted is None and mark is not None and not mark.is_done
            case EntryKind.REOPENED | EntryKind.CLOSED:
                is_right = noted is not None and not noted.is_done and mark is not None
            case _:
                is_right = False
        if not is_right:
            raise StateUnusable(
                f"entry {serial} of the log ({kind.value}) can't follow: "
                + ("no state is being moved" if noted is None else f"the state moves to {noted.to}"),
                hint="the log was cut, restored or replaced; look at it before anything is sent",
            )
        if mark is not None:
            write_mark(self._connection, None if kind is EntryKind.REOPENED else mark)

    def _editing(self) -> tuple[Editor, Tally]:
        """The editor, and the tally of all records."""
        if self._editor is None or self._sum is None:
            rows = self._connection.execute("SELECT count, total FROM tallies").fetchall()
            self._sum = sum_of(Tally(count, int.from_bytes(total)) for count, total in rows)
            self._editor = Editor(self._connection, self._now_ms)
        return self._editor, self._sum

    def _stored_end(self) -> tuple[int, str]:
        values = dict(
            self._connection.execute("SELECT key, value FROM head WHERE key IN ('serial', 'nonce')").fetchall()
        )
        return int(values["serial"]), str(values["nonce"])

    @contextmanager
    def _ending_at_failure(self) -> Iterator[None]:
        """End the replica's life when something is raised."""
        try:
            yield
        except BaseException as error:
            words = error.message if isinstance(error, StateUnusable) else str(error)
            self._broken = StateUnusable(
                f"an earlier commit failed, so nothing more is written: {words}", hint="run it again"
            )
            raise


def _note_time(connection: sqlite3.Connection, at_ms: int) -> None:
    connection.execute(
        "INSERT INTO head VALUES ('written_at_ms', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (at_ms,)
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What entry 0 says of a state."""

    lineage: str
    binding: Binding
    redaction_key: bytes

    def to_json(self) -> dict[str, Any]:
        """As they stand in the entry."""
        key = b64encode(self.redaction_key).decode()
        return {"lineage": self.lineage, "binding": list(self.binding), "redactionKey": key}


def read_facts(values: Mapping[str, Any]) -> Facts:
    """Read the facts of entry 0. Raises: `StateUnusable`."""
    try:
        binding, key = values["binding"], b64decode(values["redactionKey"], validate=True)
        if not all(isinstance(text, str) for text in (values["lineage"], *binding)):
            raise TypeError("a value has another type")
        return Facts(lineage=values["lineage"], binding=Binding(*binding), redaction_key=key)
    except (KeyError, TypeError, ValueError) as error:
        raise StateUnusable(f"entry 0 of the log is damaged: {error!r}", hint="restore the log from a copy") from error


def read_entry(serial: int, data: bytes) -> Entry:
    """Read a stored entry. Raises: `StateUnusable`."""
    try:
        return Entry.from_bytes(data)
    except NewerSemantics as error:
        raise StateUnusable(
            f"entry {serial} of the log was written by a newer wfdeploy (version {error} of what edits mean, this one "
            f"knows {SEMANTICS})",
            hint="upgrade wfdeploy",
        ) from error
    except ValueError as error:
        raise StateUnusable(
            f"entry {serial} of the log is damaged: {error}", hint="restore the log from a copy"
        ) from error


def not_appended(serial: int, answer: NumberTaken | Detached | Undecided, name: str) -> StateUnusable:
    """The error of an entry that isn't surely there, and ours. `name`: of the log."""
    match answer:
        case NumberTaken() if serial == 0:
            return StateUnusable(f"somebody else has just begun a state at {name}", hint="run it again")
        case NumberTaken(found):
            return StateUnusable(
                f"entry {serial} of the log at {name} was written by somebody else: {_writer_of(found)}",
                hint="run it again when that has ended",
            )
        case Detached():
            return StateUnusable(
                f"the log at {name} has no entry {serial - 1} any more, or another one",
                hint="it was cut, restored or replaced; look at it before anything is sent",
            )
        case Undecided(reason):
            return StateUnreachable(
                f"whether entry {serial} of the log at {name} was written could not be found out: {reason}",
                hint="run it again: it looks first",
            )


def _writer_of(found: Stored | None) -> str:
    try:
        return "unknown" if found is None else read_entry(0, found.content).writer.rpartition(" ")[0]
    except StateUnusable:
        return "unknown"


def _rows_digest(total: Tally) -> str:
    """The digest of all records of a state."""
    return sha256(f"{total.count}:{total.total}".encode()).hexdigest()[:32]
