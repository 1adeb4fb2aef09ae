"""Move a state from a file to a shared log, back, or to another log.

The source is marked as *moving*, copied as a draft, and read back. Then one step decides whether the state opens at the
new place: in a log, entry 0, created if absent; in a file, the last entry of the log that it leaves. After that the
source is marked as *moved*. Whoever aborts takes the same step with the other content, so that exactly one of the two
wins. A move that was interrupted anywhere is repeated, or aborted; no place is usable meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy.errors import StateError, StateUnusable, UsageError
from wfdeploy.files.databases import remove_database
from wfdeploy.state.database import open_file, sync_folder, translated
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.moved import MoveMark, parsed, refusal, write_mark
from wfdeploy.state.shared.entries import EntryKind
from wfdeploy.state.shared.following import TRY_S
from wfdeploy.state.shared.genesis import not_empty
from wfdeploy.state.shared.lease_content import COPIED
from wfdeploy.state.shared.replica import Replica, read_entry
from wfdeploy.state.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wfdeploy.ports import StateReader, StateStore
    from wfdeploy.state.backend import SqliteBackend
    from wfdeploy.state.shared.backend import SharedBackend


class Fate(Enum):
    """What has become of a move, as the new place shows."""

    UNDECIDED = "undecided"
    OPEN = "open"
    ABORTED = "aborted"
    ANOTHER = "another"  # something else is there


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Whether the copied state may not hold all that was triggered."""

    why: str = ""
    stray: bool = False  # somebody may still be sending


End: TypeAlias = "FileEnd | SharedEnd"
"""One of the two places of a move."""


def migrate(source: End, target: End, *, timeout_s: float, on_wait: Callable[[str], None]) -> bool:
    """Move a state, or finish a move that was interrupted. Returns False where it had moved already.

    Raises: `StateError`, `UsageError`.
    """
    mark = _peek(source, target)
    if mark is not None and mark.is_done:
        with target.lock(timeout_s, on_wait):
            target.complete(mark)
        return False
    with _both(source, target, timeout_s, on_wait) as store:
        mark = _mark(source, target, store)
        if mark is None:
            target.require_empty()
            mark = MoveMark(
                to=target.name, host=target.host, attempt=secrets.token_hex(16), was_latest=source.is_latest(store)
            )
            source.begin_move(store, mark)
        match target.fate(mark):
            case Fate.UNDECIDED:
                target.fill(store, mark, source.suspicion(mark), origin=source.name)
            case Fate.ABORTED:
                source.reopen(store, mark)
                raise StateError(
                    f"the move to {target.name} was aborted; the state is at {source.name} as before",
                    hint="to move it all the same, choose another place: this one is used up",
                )
            case Fate.ANOTHER:
                raise StateError(
                    f"something else is at {target.name}", hint="abort with --abort, and choose another place"
                )
            case Fate.OPEN:
                pass
        source.end_move(store, mark.done())
        target.complete(mark)
    return True


def abort(source: End, target: End, *, timeout_s: float, on_wait: Callable[[str], None]) -> None:
    """Abort a move: the state is usable where it was. Raises: `StateError`, also when it is too late."""
    mark = _peek(source, target)
    if mark is None:
        raise StateError(f"the state {source.name} is not being moved", hint="nothing needs to be aborted")
    if mark.is_done:
        raise _too_late(mark)
    with _both(source, target, timeout_s, on_wait) as store:
        mark = _mark(source, target, store)
        if mark is None:
            return  # somebody else has just aborted it
        if target.fate(mark) is Fate.OPEN:
            source.end_move(store, mark.done())
            target.complete(mark)
            raise _too_late(mark)
        if target.decides:
            if target.fate(mark) is Fate.UNDECIDED:
                target.refuse(mark)
            source.reopen(store, mark)
        else:
            source.reopen(store, mark)
            target.refuse(mark)


def _too_late(mark: MoveMark) -> StateError:
    return StateError(f"the state has moved to {mark.to}: it is too late to abort", hint="move it back: --from")


def _peek(source: End, target: End) -> MoveMark | None:
    if source.name == target.name:
        raise UsageError(
            f"the state is to move from {source.name} to the same place",
            hint="--to names where it goes, --from where it is now; the other place is the project's",
        )
    if not source.exists():
        raise StateError(f"there is no state {source.name}", hint="check where the state is now")
    mark = source.peek()
    _require_same(mark, source, target)
    return mark


def _mark(source: End, target: End, store: StateStore) -> MoveMark | None:
    text = store.head().moving
    mark = parsed(text) if text else None
    _require_same(mark, source, target)
    return mark


def _require_same(mark: MoveMark | None, source: End, target: End) -> None:
    if mark is not None and (mark.to, mark.host) != (target.name, target.host):
        raise refusal(mark, source.name)


@contextmanager
def _both(source: End, target: End, timeout_s: float, on_wait: Callable[[str], None]) -> Iterator[StateStore]:
    with source.lock(timeout_s, on_wait), target.lock(timeout_s, on_wait), closing(source.open()) as store:
        yield store


@dataclass(slots=True)
class FileEnd:
    """A state in a file of this machine."""

    backend: SqliteBackend
    host: str = field(default_factory=socket.gethostname)

    @property
    def name(self) -> str:
        return str(self.backend.path)

    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        """Keep others out."""
        return self.backend.lock(timeout_s, on_wait)

    def exists(self) -> bool:
        return self.backend.exists()

    def peek(self) -> MoveMark | None:
        """The mark, read without the lock."""
        with closing(self._store(readonly=True)) as store:
            text = store.head().moving
        return parsed(text) if text else None

    def open(self) -> StateStore:
        """The state, also while it is moving; the lock is held."""
        return self._store(readonly=False)

    def _store(self, *, readonly: bool) -> SqliteStore:
        return SqliteStore.open_existing(self.backend.path, self.backend.binding, readonly=readonly)

    def is_latest(self, store: StateStore) -> bool:
        """Whether it surely holds all that was triggered."""
        return self.backend.is_latest(store)

    def suspicion(self, mark: MoveMark) -> Suspicion:
        """What whoever uses the copy must distrust."""
        return Suspicion("" if mark.was_latest else COPIED)

    def begin_move(self, store: StateStore, mark: MoveMark) -> None:
        """Mark it as moving."""
        self.backend.clear_mark(store)  # an earlier copy of the file, which isn't marked, is not the latest
        self._put(mark)

    def end_move(self, store: StateStore, mark: MoveMark) -> None:  # noqa: ARG002
        """Mark it as moved."""
        self._put(mark)

    def reopen(self, store: StateStore, mark: MoveMark) -> None:
        """Take the mark away: the move was aborted."""
        self._put(None)
        if mark.was_latest:
            self.backend.mark_latest(store)

    def _put(self, mark: MoveMark | None) -> None:
        path = self.backend.path
        with closing(open_file(path, readonly=False)) as connection, translated(str(path)):
            connection.execute("BEGIN IMMEDIATE")
            write_mark(connection, mark)
            connection.execute("COMMIT")

    @property
    def decides(self) -> bool:
        """Whether the step that decides is taken at this end, where it is the target. Else the source takes it."""
        return False

    @property
    def _draft(self) -> Path:
        return self.backend.path.with_name(f".{self.backend.path.name}.moving")

    def fate(self, mark: MoveMark) -> Fate:  # noqa: ARG002
        """What has become of the move, as this end shows as its target."""
        return Fate.ANOTHER if self.backend.exists() else Fate.UNDECIDED

    def require_empty(self) -> None:
        """Require that a state can begin here."""
        if self.backend.exists():
            raise StateError(
                f"there is a state {self.name} already", hint="move it away first: a move never replaces a state"
            )

    def fill(self, store: StateReader, mark: MoveMark, suspicion: Suspicion, *, origin: str) -> None:  # noqa: ARG002
        """Copy the state, and read it back; where this end decides, open it too."""
        remove_database(self._draft)
        with closing(import_lines(export_lines(store), self._draft, self.backend.binding)) as copy:
            _require_same_content(copy, store, self._draft)
            if not suspicion.why and not any(attempt.is_open for attempt in store.attempts()):
                self.backend.mark_latest(copy)

    def complete(self, mark: MoveMark) -> None:
        """Do what follows the decision to open the state here."""
        path, draft = self.backend.path, self._draft
        if draft.exists():
            try:
                with contextlib.suppress(FileExistsError):
                    os.link(draft, path)
                sync_folder(path.parent)
            except OSError as error:
                raise StateUnusable(f"cannot create the state {path}: {error.strerror}", hint="run it again") from error
            if not draft.samefile(path):
                raise StateUnusable(f"there is another state {path}", hint="move it away, and run this again")
            remove_database(draft)
        if not self.backend.exists():
            raise StateUnusable(
                f"the state has moved to {mark.to} on {mark.host or 'another machine'}, and is not here",
                hint="find that file, or restore it from a copy",
            )

    def refuse(self, mark: MoveMark) -> None:  # noqa: ARG002
        """Abort: no copy opens here any more, and the draft is removed."""
        remove_database(self._draft)


@dataclass(slots=True)
class SharedEnd:
    """A state in a shared log; its methods are documented at `FileEnd`."""

    backend: SharedBackend

    def __post_init__(self) -> None:
        self.backend.is_moving = True

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def host(self) -> str:
        return ""

    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        return self.backend.lock(timeout_s, on_wait)

    def exists(self) -> bool:
        return self.backend.exists()

    def peek(self) -> MoveMark | None:
        with closing(self.backend.open(readonly=True)) as store:
            text = store.head().moving
        return parsed(text) if text else None

    def open(self) -> StateStore:
        return self.backend.open(readonly=False)

    def is_latest(self, store: StateStore) -> bool:
        return self.backend.is_latest(store)

    def suspicion(self, mark: MoveMark) -> Suspicion:  # noqa: ARG002
        return Suspicion(self.backend.held.suspect, self.backend.stray_s > 0)

    def begin_move(self, store: StateStore, mark: MoveMark) -> None:
        self._append(store, EntryKind.MOVING, mark)

    def end_move(self, store: StateStore, mark: MoveMark) -> None:
        self._append(store, EntryKind.CLOSED, mark)

    def reopen(self, store: StateStore, mark: MoveMark) -> None:
        self._append(store, EntryKind.REOPENED, mark)

    def _append(self, store: StateStore, kind: EntryKind, mark: MoveMark) -> None:
        assert isinstance(store, Replica)
        store.append_move(kind, mark)

    @property
    def decides(self) -> bool:
        return True

    def fate(self, mark: MoveMark) -> Fate:
        stored = self.backend.log.read_entry(0, within_s=TRY_S)
        if stored is None:
            return Fate.UNDECIDED
        entry = read_entry(0, stored.content)
        if (entry.facts or {}).get("attempt") != mark.attempt:
            return Fate.ANOTHER
        return Fate.OPEN if entry.kind is EntryKind.GENESIS else Fate.ABORTED

    def require_empty(self) -> None:
        self.backend.genesis.require_empty()

    def fill(self, store: StateReader, mark: MoveMark, suspicion: Suspicion, *, origin: str) -> None:
        lease = self.backend.held
        if suspicion.why:
            lease.distrust(suspicion.why, stray=suspicion.stray)
            lease.renew()  # stands there before the state does
        self.backend.begin_from(store, attempt=mark.attempt, origin=origin)
        self.backend.open(readonly=False).close()  # without a tenure, whoever is next would distrust it
        if not suspicion.why:
            lease.trust()  # nothing was sent for a state that has just begun, whoever held the lease before

    def complete(self, mark: MoveMark) -> None:
        if self.fate(mark) is not Fate.OPEN:
            raise (
                not_empty(self.backend.log)
                if self.fate(mark) is Fate.ANOTHER
                else StateUnusable(
                    f"the state has moved to {self.name}, and is not there",
                    hint="its log was lost: restore it from a copy",
                )
            )

    def refuse(self, mark: MoveMark) -> None:
        self.backend.genesis.refuse({"attempt": mark.attempt})
        self.backend.log.backend.delete_snapshot(0)


def _require_same_content(copy: StateReader, store: StateReader, path: Path) -> None:
    """Read a copy back. Raises: `StateUnusable`."""
    for one, other in zip_longest(export_lines(copy), export_lines(store)):
        if one != other:
            raise StateUnusable(
                f"the copy {path} is not what was written there", hint="run it again; if that doesn't help, it is a bug"
            )
