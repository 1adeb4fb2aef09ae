"""The shared state of a project: what only a state that many machines share has."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from wfdeploy.api.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wfdeploy.state.shared.holding import Holding
    from wfdeploy.workspace import Workspace

T = TypeVar("T")


class Do(Protocol):
    """Runs an operation of a project in its workspace."""

    def __call__(self, call: Call, name: str, use: Callable[[Workspace], T], *, online: bool) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseStatus:
    """How the lease of a shared state stood, and how far its log went."""

    is_held: bool
    """Whether nobody else may take it now."""

    holder: str
    """Who holds it, or held it last, for people; empty: nobody yet, or it can't be told."""

    taken_at_ms: int | None
    """When the holder took it (its clock, Unix ms)."""

    unchanged_s: float | None
    """For how long it hasn't been renewed, by the clock of the store; None: that can't be told."""

    seems_gone: bool
    """Whether the holder seems to be gone."""

    suspect: str
    """Why the state may lack something that was triggered; empty when it doesn't."""

    last_entry: int | None
    """The number of the log's last entry; None: there is no state."""

    _seen: Holding = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SharedState:
    """The state of a project that many machines share. Made by `Project.shared_state`.

    All methods raise: `UsageError` where the state is a file; `StateError`.
    """

    _do: Do = field(repr=False)

    _local: bool = field(repr=False, kw_only=True)

    def init(self) -> int:
        """Begin the state at its URL. Returns its serial. Raises: `StateUnusable` where there is one already."""
        from wfdeploy.wiring.shared_state import begin

        return self._do(Call(None), "shared_state.init", begin, online=self._local)

    def holder(self) -> LeaseStatus:
        """Find out who holds the lease."""
        from wfdeploy.wiring.shared_state import holding

        found = self._do(Call(None), "shared_state.holder", holding, online=False)
        content = found.content
        return LeaseStatus(
            is_held=found.is_held,
            holder="" if content is None or content.holder is None else str(content.holder),
            taken_at_ms=None if content is None else content.taken_at_ms,
            unchanged_s=found.unchanged_s,
            seems_gone=found.seems_over,
            suspect="" if content is None else content.suspect,
            last_entry=found.last_entry,
            _seen=found,
        )

    def unlock(self, seen: LeaseStatus) -> None:
        """Take the lease away from a holder that is gone.

        seen: what `holder` gave. `StateLocked` is raised when the lease has been renewed since.
        """
        from wfdeploy.wiring.shared_state import unlock

        self._do(Call(None), "shared_state.unlock", lambda there: unlock(there, seen._seen), online=False)

    def pull(self, file: str | os.PathLike[str]) -> int:
        """Copy the state to a file that isn't there yet, relative to the project's folder. Returns its serial."""
        from wfdeploy.wiring.shared_state import pull

        return self._do(Call(None), "shared_state.pull", lambda there: pull(there, _path(there, file)), online=False)


def _path(workspace: Workspace, file: str | os.PathLike[str]) -> Path:
    from pathlib import Path

    return Path(workspace.cwd or ".", file)
