"""What every use case works in: a target, a state, a way to the server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import StateError, StateUnusable, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wfdeploy.model.edits import Edit
    from wfdeploy.model.project import Project, Target
    from wfdeploy.ports import Clock, Listener, MakeEncoder, RunGateway, StateBackend, StateStore, Telemetry, Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The surroundings of one command."""

    target: Target

    clock: Clock

    listener: Listener

    environ: Mapping[str, str]

    state_backend: StateBackend

    gateway: Callable[[], RunGateway]
    """Opens the way to the server when it is first needed. Raises: `UsageError` when there is no token."""

    encoder: MakeEncoder

    webhooks: Callable[[], tuple[Callable[[], Webhooks], Collection[str]]] | None = None
    """Gives what opens the way to the webhooks, and the names of those whose URLs are known; None where the project has
    no webhooks. Raises: `InvalidInput` for one that isn't allowed."""

    telemetry: Telemetry | None = None
    """Where how long things take is reported to."""

    log_lag_s: float | None = None
    """The server's lag as known before it is asked. None: its answers may tell, else the project's setting does."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Variables that the surroundings supply."""

    embeds_server: bool = False
    """Whether the local server runs in this process, and ends with it."""

    process_environ: Mapping[str, str] = field(default_factory=dict)
    """The variables of the process alone, without those of an env file."""

    stdin: Callable[[], bytes] | None = None

    cwd: Path | None = None
    """What relative paths are relative to; None: the working directory of the process."""

    @property
    def project(self) -> Project:
        return self.target.project

    def lock(self, timeout_s: float = 0.0) -> AbstractContextManager[None]:
        """The state's lock. Raises: `StateLocked`, `StateUnusable`."""
        return self.state_backend.lock(timeout_s, self._report_wait)

    def _report_wait(self, holder: str) -> None:
        from wfdeploy.model.event import Notice

        self.listener(Notice(f"waiting for the state's lock, held by {holder}"))

    def open_state(self, *, readonly: bool = False) -> StateStore:
        """The state, or an empty one in memory where there is no file yet. Raises: `StateUnusable`."""
        return self._traced(
            self.state_backend.open(readonly=readonly) if self.has_state else self.state_backend.empty()
        )

    def create_state(self) -> StateStore:
        """Begin a state where there is none. Raises: `StateUnusable`."""
        return self._traced(self.state_backend.create())

    def _traced(self, store: StateStore) -> StateStore:
        return store if self.telemetry is None else self.telemetry.traced(store)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a part of the command, where somebody wants to know."""
        return nullcontext() if self.telemetry is None else self.telemetry.phase(name)

    def existing_state(self, *, readonly: bool = True) -> closing[StateStore]:
        """The state, closed at the end of a block. Raises: `StateUnusable`; `StateError` where there is none."""
        self.require_state()
        return closing(self.open_state(readonly=readonly))

    def require_state(self) -> None:
        """Raises: `StateError` where there is no state."""
        if not self.has_state:
            raise StateError(
                f"there is no state {self.target.state_name}",
                hint=self._meant_by_name
                or (
                    "`wfdeploy apply` begins one, --state names another"
                    if self.target.state_url is None
                    else f"check the URL; if the state is to begin there: {self.target.init_command}"
                ),
            )

    def require_named_state(self) -> None:
        """As `require_state`, if the user named it; else there may be none. For what begins no state."""
        if self.target.named_state is not None:
            self.require_state()

    def require_state_name(self) -> None:
        """Raises: `UsageError` where the user named a state that isn't there by a state of runs. For what may begin
        one."""
        hint = self._meant_by_name
        if hint is not None and not self.has_state:
            raise UsageError(f"there is no state {self.target.state_name}, and its name is a state of runs", hint=hint)

    @property
    def _meant_by_name(self) -> str | None:
        """What the name of the state was probably meant for; None for nothing else."""
        from wfdeploy.model.status import are_run_states

        name = self.target.named_state
        if name is None or not are_run_states(name):
            return None
        return (
            "--state names the file of the state; what selects runs by their state (for status, logs, wait, cancel, "
            f"resume, restart and retrigger) is --run-state {name}"
        )

    def commit(self, store: StateStore, edits: Sequence[Edit], *, is_new: bool = False) -> None:
        """Commit edits that no listing stands behind, under the lock.

        They say nothing about whether the state is the whole story: if it `is_new`, or was the latest, it is marked as
        the latest; a copied or restored state stays suspect. Raises: `StateUnusable`.
        """
        was_latest = is_new or self.state_backend.is_latest(store)
        store.commit(edits)
        if was_latest:
            self.state_backend.mark_latest(store)

    def secret(self, *, begins: bool) -> bytes | None:
        """The state's redaction key: what nobody knows who can only put files into the checkout.

        Without a state, it is the key of the state to come if this command `begins` it, else None. A state that can't
        be opened gives None too; that is reported when the state is needed.
        """
        if not self.has_state:
            return self.state_backend.new_key if begins else None
        try:
            with closing(self.open_state(readonly=True)) as store:
                return store.head().redaction_key
        except StateUnusable:
            return None

    @property
    def has_state(self) -> bool:
        return self.state_backend.exists()
