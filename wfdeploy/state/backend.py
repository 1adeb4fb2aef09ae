"""A state in a local SQLite file, with what lies beside it: the lock, the freshness marker, saved listings."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import StateUnusable
from wfdeploy.files.databases import make_private
from wfdeploy.model.address import shell_word
from wfdeploy.model.state import Binding, LockStatus, StateVersion, StorageFacts
from wfdeploy.state.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from wfdeploy.model.project import Target
    from wfdeploy.ports import ListingFile, RecordReader, StateReader, StateStore
    from wfdeploy.state.user_files import FreshnessMarker


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteBackend:
    """A `StateBackend` on SQLite; its methods are documented there."""

    path: Path

    binding: Binding

    command: str
    """Shown to whoever waits for the lock."""

    environ: Mapping[str, str]
    """Names the user's state directory, in which the marker and saved listings lie."""

    copied_with_state: tuple[Path, ...]
    """The folders with which the state is copied and restored. What lies in one of them proves nothing."""

    new_key: bytes = field(default_factory=lambda: os.urandom(32))

    @classmethod
    def of(cls, target: Target, server: str, *, command: str, environ: Mapping[str, str]) -> SqliteBackend:
        """The backend of a target's state. `server`: see `Binding`."""
        project, shard = target.project, target.shard
        return cls(
            path=target.state_file,
            binding=Binding(project.key, project.environment, server, "" if shard is None else str(shard)),
            command=command,
            environ=environ,
            copied_with_state=(project.bounds.root, target.state_file.parent),
        )

    def prepare(self) -> None:
        """A file needs nothing."""

    @property
    def versions(self) -> Sequence[StateVersion]:
        return ()

    def exists(self) -> bool:
        return os.path.lexists(self.path)  # a link to nothing too: no state may be created over it

    def open(self, *, readonly: bool) -> StateStore:
        store = SqliteStore.open_existing(self.path, self.binding, readonly=readonly)
        if store.head().moving:
            from wfdeploy.state.moved import parsed, refusal

            error = refusal(parsed(store.head().moving), str(self.path))
            store.close()
            raise error
        return store

    def create(self) -> StateStore:
        return SqliteStore.create(self.path, self.binding, redaction_key=self.new_key)

    def empty(self) -> StateStore:
        return SqliteStore.in_memory(self.binding, redaction_key=self.new_key)

    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        """Lock the file. Its directory is created where it is the default one; any other must exist."""
        from wfdeploy.state import locking

        folder = self.path.parent
        if not folder.is_dir():
            if folder.parts[-2:] != (".wfdeploy", "state"):
                raise StateUnusable(
                    f"the directory of the state {self.path} does not exist",
                    hint=f"create it: mkdir -p {shell_word(str(folder))}",
                )
            try:
                make_private(folder)
            except OSError as error:
                raise StateUnusable(
                    f"cannot make the directory {folder}: {error.strerror}", hint="name another with --state"
                ) from error
        return locking.lock(self.path, command=self.command, timeout_s=timeout_s, on_wait=on_wait)

    def lock_status(self) -> LockStatus:
        from wfdeploy.state.locking import holder_of

        return LockStatus(holder_of(self.path))

    def try_out(self) -> StorageFacts:
        """Try the locks of the state's directory, where there is one, and look at who may read the state."""
        from wfdeploy.state.locking import require_locks

        folder = self.path.parent
        if not folder.is_dir():
            return StorageFacts()
        require_locks(folder)
        mode = self.path.stat().st_mode if self.path.is_file() else 0
        if not mode & (stat.S_IRWXG | stat.S_IRWXO):
            return StorageFacts()
        message = f"others on this machine may read the state (mode {stat.S_IMODE(mode):04o}): it contains requests"
        return StorageFacts(warnings=((message, f"chmod 600 {shell_word(str(self.path))}"),))

    @property
    def is_shared(self) -> bool:
        return False

    @property
    def stray_s(self) -> float:
        return 0.0

    def ask(self, confirm: Callable[[], bool]) -> bool:
        return confirm()

    @property
    def permit(self) -> None:
        return None  # the operating system gives the lock to no other process while this one lives

    def is_latest(self, store: RecordReader) -> bool:
        return self._marker().matches(store.head())

    def mark_latest(self, store: RecordReader) -> None:
        self._marker().write(store.head())

    def clear_mark(self, store: RecordReader) -> None:
        self._marker().clear(store.head())

    def export(self, store: StateReader) -> Iterator[str]:
        from wfdeploy.state.export import export_lines

        return export_lines(store)

    def import_(self, lines: Iterable[str]) -> StateStore:
        from wfdeploy.state.export import import_lines

        return import_lines(lines, self.path, self.binding)

    def listing_file(self, name: str) -> ListingFile:
        from wfdeploy.state.user_files import SavedListingFile, trusted_folder

        return SavedListingFile(trusted_folder(self.environ, self.copied_with_state), name)

    def close(self) -> None:
        """Nothing stays open beside the store."""

    def _marker(self) -> FreshnessMarker:
        from wfdeploy.state.user_files import FreshnessMarker, trusted_folder

        return FreshnessMarker(trusted_folder(self.environ, self.copied_with_state))
