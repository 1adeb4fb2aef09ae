"""What every use case works in: a target, a state, a way to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import StateError, StateUnusable
from wfdeploy.files.databases import make_private
from wfdeploy.model.pasting import shell_word
from wfdeploy.model.state import Binding

if TYPE_CHECKING:
    from wfdeploy.model.project import Project, Target
    from wfdeploy.ports import Clock, Listener, ListingFile, MakeEncoder, RunGateway, StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """How states are opened; the adapters' side of it is given by the caller.

    `exists`, `open` (path, binding, readonly), `create` (path, binding), `empty` (binding), `lock` (path, command,
    timeout_s, on_wait), `is_latest`, `mark_latest` and `clear_mark` (store), `export` (store -> lines), `import_`
    (lines, path, binding), `listing_file` (name). `new_key`: the redaction key of states that `create` and `empty`
    begin.
    """

    exists: Callable[[Path], bool]
    open: Callable[[Path, Binding, bool], StateStore]
    create: Callable[[Path, Binding], StateStore]
    empty: Callable[[Binding], StateStore]
    lock: Callable[[Path, str, float, Callable[[str], None]], AbstractContextManager[None]]
    is_latest: Callable[[StateStore], bool]
    mark_latest: Callable[[StateStore], None]
    clear_mark: Callable[[StateStore], None]
    export: Callable[[StateStore], Iterator[str]]
    import_: Callable[[Iterable[str], Path, Binding], StateStore]
    new_key: bytes
    listing_file: Callable[[str], ListingFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One command's surroundings.

    `server`: what a state is bound to (an origin, or `local:<id>`). `gateway`: opens the way to the server when it is
    first needed; raises `UsageError` when there is no token. `log_lag_s`: what is known of the server's lag before it
    was asked (None: its answers may tell, else the project's setting). `defaults`: variables that the surroundings
    supply.
    """

    target: Target
    server: str
    clock: Clock
    listener: Listener
    environ: Mapping[str, str]
    command: str
    stores: Stores
    gateway: Callable[[], RunGateway]
    encoder: MakeEncoder
    log_lag_s: float | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    stdin: Callable[[], bytes] | None = None

    @property
    def project(self) -> Project:
        return self.target.project

    @property
    def binding(self) -> Binding:
        shard = self.target.shard
        return Binding(self.project.key, self.project.environment, self.server, "" if shard is None else str(shard))

    def lock(self, timeout_s: float = 0.0) -> AbstractContextManager[None]:
        """The state's lock. Raises: `StateLocked`, `StateUnusable`."""
        path = self.target.state_file
        if not path.parent.is_dir():
            if path.parent.parts[-2:] != (".wfdeploy", "state"):
                raise StateUnusable(
                    f"the directory of the state {path} does not exist",
                    hint=f"create it: mkdir -p {shell_word(str(path.parent))}",
                )
            try:
                make_private(path.parent)
            except OSError as error:
                raise StateUnusable(
                    f"cannot make the directory {path.parent}: {error.strerror}", hint="name another with --state"
                ) from error
        return self.stores.lock(path, self.command, timeout_s, self._waiting)

    def _waiting(self, holder: str) -> None:
        from wfdeploy.model.event import Notice

        self.listener(Notice(f"waiting for the state's lock, held by {holder}"))

    def open_state(self, *, readonly: bool = False) -> StateStore:
        """The state, or an empty one in memory where there is no file yet. Raises: `StateUnusable`."""
        path = self.target.state_file
        if not self.stores.exists(path):
            return self.stores.empty(self.binding)
        return self.stores.open(path, self.binding, readonly)

    def existing_state(self, *, readonly: bool = True) -> closing[StateStore]:
        """The state, closed at the end of a block. Raises: `StateUnusable`; `StateError` where there is none."""
        self.require_state()
        return closing(self.open_state(readonly=readonly))

    def require_state(self) -> None:
        """Raises: `StateError` where there is no state."""
        if not self.has_state:
            raise StateError(
                f"there is no state {self.target.state_file}",
                hint="`wfdeploy apply` begins one, --state names another",
            )

    def secret(self, *, begins: bool) -> bytes | None:
        """What the state knows and a file that came with the checkout can't be made with: its redaction key.

        Where there is no state, that of the one to come if this command `begins` it, else None; so where it can't be
        opened, which is told when it is needed.
        """
        if not self.has_state:
            return self.stores.new_key if begins else None
        try:
            with closing(self.open_state(readonly=True)) as store:
                return store.head().redaction_key
        except StateUnusable:
            return None

    @property
    def has_state(self) -> bool:
        return self.stores.exists(self.target.state_file)
