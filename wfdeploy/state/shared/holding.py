"""Who holds the lease of a shared state, for people; and a copy of the state as a file."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import StateError, StateUnusable
from wfdeploy.files.databases import remove_database
from wfdeploy.model.state import LockStatus
from wfdeploy.state.database import connect, sync_folder, translated
from wfdeploy.state.shared import lease as leases
from wfdeploy.state.shared.following import TRY_S

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.shared_log import Stored
    from wfdeploy.state.shared.backend import SharedBackend
    from wfdeploy.state.shared.lease_content import LeaseContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How the lease and the log of a shared state stand."""

    stored: Stored | None
    """The lease; None: nobody has ever taken it."""

    content: LeaseContent | None
    """What it says; None where it can't be read: such a lease counts as held."""

    unchanged_s: float | None
    """For how long it hasn't been renewed, by the clock of the store. None where that can't be told."""

    last_entry: int | None
    """Of the log; None: there is no state."""

    @property
    def is_held(self) -> bool:
        """Whether nobody else may take it."""
        return self.stored is not None and (self.content is None or self.content.released is None)

    @property
    def seems_over(self) -> bool:
        """Whether its holder seems to be gone."""
        life_s = leases.LIFE_S if self.content is None else self.content.life_s
        return self.is_held and self.unchanged_s is not None and self.unchanged_s > life_s

    @property
    def status(self) -> LockStatus:
        """What a check says of it, in short."""
        content, remarks = self.content, list[str]()
        if self.is_held and self.unchanged_s is not None:
            remarks.append(f"renewed {self.unchanged_s:.0f} s ago by the clock of the store")
        if content is not None and content.suspect:
            remarks.append(content.suspect)
        holder = None if not self.is_held else "somebody unknown" if content is None else str(content.holder)
        return LockStatus(holder, tuple(remarks), self.seems_over)


def look(log: SharedLog) -> Holding:
    """Look at the lease and at the end of the log. Nothing is taken. Raises: `StateError`."""
    found = leases.read(log)
    content, stored = (None, None) if found is None else found
    newest = max((each.number for each in log.backend.list_snapshots()), default=0)
    last = None
    for each in log.list_entries(newest, within_s=TRY_S):
        last = each.number
    return Holding(stored=stored, content=content, unchanged_s=_unchanged_s(log, stored), last_entry=last)


def _unchanged_s(log: SharedLog, stored: Stored | None) -> float | None:
    if stored is None or stored.written_at_ms is None:
        return None
    try:
        return max(0.0, (log.backend.now_ms() - stored.written_at_ms) / 1000)
    except StateError:  # asking for the time may need to write, and this only looks
        return None


def pull(backend: SharedBackend, target: Path) -> int:
    """Write the state to a file that isn't there yet. Returns its serial. Raises: `StateError`."""
    if os.path.lexists(target):
        raise StateUnusable(f"{target} is there already", hint="name a file that isn't: nothing is overwritten")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    try:
        with closing(backend.open(readonly=True)), translated(str(target)):
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(connect(backend.path, readonly=True)) as source, closing(sqlite3.connect(draft)) as copy:
                source.backup(copy)
                serial = copy.execute("SELECT value FROM head WHERE key = 'serial'").fetchone()[0]
                copy.execute("DELETE FROM head WHERE key = 'written_at_ms'")  # it doesn't follow the log any more
                copy.commit()
                copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, target)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise StateUnusable(f"{target} is there already", hint="name another file") from error
    except OSError as error:
        raise StateUnusable(f"cannot create {target}: {error.strerror}", hint="name another file") from error
    finally:
        remove_database(draft)
    return int(serial)
