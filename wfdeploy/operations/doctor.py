"""Look at where commands work: the state, its lock, the server, the token, the clocks, the limits.

Nothing is changed: what has to be tried is tried beside the state, and taken away again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wfdeploy.errors import ExitCode, RemoteFailure, StateError, UsageError, several
from wfdeploy.model.checks import Check, ok, problem, skipped, warning
from wfdeploy.operations.account_limits import fitting_settings
from wfdeploy.sending.server_time import TOLERATED_MS, ServerTime

if TYPE_CHECKING:
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.model.remote import ServerFacts
    from wfdeploy.ports import RunGateway
    from wfdeploy.workspace import Workspace

_OF_SERVER = ("token", "clock", "limits")
_OF_STATE = ("storage", "lock")


class _StoreTime(NamedTuple):
    """What the clock of a shared state's store showed at a moment of this process (Unix ms, monotonic seconds)."""

    shown_ms: int
    at: float


def examine(workspace: Workspace, *, unasked: str | None = None) -> list[Check]:
    """Check the state and the server. Nothing is raised for what is found. `unasked`: why the server isn't asked."""
    checks, store_time = _check_state(workspace)
    if unasked is not None:
        return [*checks, skipped("server", unasked), *(skipped(name, "the server isn't asked") for name in _OF_SERVER)]
    return [*checks, *asyncio.run(_Server(workspace, store_time).check())]


# --- the state -----------------------------------------------------------------------------------------------


def _check_state(workspace: Workspace) -> tuple[list[Check], _StoreTime | None]:
    backend = workspace.state_backend
    try:
        has_state = workspace.has_state
        state = _recorded(workspace) if has_state else _no_state(workspace)
    except StateError as error:
        found = problem("state", error.message, error.hint, exit_code=error.exit_code)
        return [found, *(skipped(name, "the state can't be used") for name in _OF_STATE)], None
    if backend.is_shared and not has_state:
        return [state, *(skipped(name, "there is no state yet") for name in _OF_STATE)], None
    try:
        facts = backend.try_out()
        at = workspace.clock.monotonic()
    except StateError as error:
        storage, store_time = [problem("storage", error.message, error.hint, exit_code=error.exit_code)], None
    else:
        storage = [warning("storage", *one) for one in facts.warnings] or [ok("storage", _kept(workspace))]
        store_time = None if facts.time_ms is None else _StoreTime(facts.time_ms, at)
    return [state, *storage, _lock(workspace)], store_time


def _no_state(workspace: Workspace) -> Check:
    name = workspace.target.state_name
    if workspace.state_backend.is_shared:
        return warning("state", f"there is no state at {name} yet", f"begin one: {workspace.target.init_command}")
    if workspace.project.state_required:
        return warning(
            "state",
            f"there is no state {name}, and the project requires one",
            "for a new target: wfdeploy apply --create-state; otherwise it was lost: restore it",
        )
    return ok("state", f"there is no state {name} yet: the first apply begins one")


def _recorded(workspace: Workspace) -> Check:
    """Raises: `StateError`."""
    target = workspace.target
    with closing(workspace.open_state(readonly=True)) as store:
        head = store.head()
        runs = sum(tally.count for tally in store.tallies().values())
        open_ = sum(attempt.is_open for attempt in store.attempts())
        is_latest = workspace.state_backend.is_shared or workspace.state_backend.is_latest(store)
    text = f"{target.state_name}: {several(runs)}, serial {head.serial}, of {head.binding}"
    if open_:
        return warning(
            "state",
            f"{text}; the outcome of {several(open_, 'request')} is not known",
            "the next apply looks it up in the server's logs",
        )
    if not is_latest:
        lag_s = workspace.project.server.log_lag_s
        text += f"; it may be a copy, so the next trigger waits server.logLag ({lag_s:g} s) first"
    return ok("state", text)


def _kept(workspace: Workspace) -> str:
    if workspace.state_backend.is_shared:
        return "of several writers that create one object, one wins; a stale write is refused"
    if not workspace.target.state_file.parent.is_dir():
        return "the first apply makes the directory"
    return "the directory can be written, its locks keep others out, and only you can read the state"


def _lock(workspace: Workspace) -> Check:
    try:
        found = workspace.state_backend.lock_status()
    except StateError as error:
        return problem("lock", error.message, error.hint, exit_code=error.exit_code)
    if found.holder is None:
        if found.remarks:
            return warning(
                "lock",
                "; ".join(("free", *found.remarks)),
                "the next apply waits, and reads the server's logs, before it triggers anything",
            )
        return ok("lock", "free")
    message = "; ".join((f"held by {found.holder}", *found.remarks))
    if found.seems_gone:
        return warning("lock", message, "the holder seems to be gone: an apply with --lock-timeout 300 takes over")
    return warning("lock", message, "others wait for it, with --lock-timeout SECONDS")


# --- the server ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Server:
    workspace: Workspace
    store_time: _StoreTime | None

    async def check(self) -> list[Check]:
        workspace = self.workspace
        try:
            gateway = workspace.gateway()
        except UsageError as error:
            found = problem("token", error.message, error.hint, exit_code=error.exit_code)
            return [found, *(skipped(name, "it can't be asked") for name in ("server", "clock", "limits"))]
        async with aclosing(gateway):
            return await self._ask(gateway)

    async def _ask(self, gateway: RunGateway) -> list[Check]:
        workspace, clock = self.workspace, self.workspace.clock
        time, asked_at = ServerTime(clock), clock.monotonic()
        try:
            async for page in gateway.list_runs(label=workspace.project.label, since_ms=clock.now_ms()):
                time.learn(page.server_time_ms, asked_at=asked_at, answered_at=clock.monotonic())
                break
        except RemoteFailure as error:
            found = problem("server", error.message, error.hint, exit_code=error.exit_code)
            return [found, *(skipped(name, "the server didn't answer as it should") for name in _OF_SERVER)]
        target = workspace.target
        return [
            ok("server", f"{target.url} answers, and knows the token in {target.token_source}"),
            await self._token(gateway),
            *self._clocks(time),
            *_limits(gateway.facts, workspace.project.server),
        ]

    async def _token(self, gateway: RunGateway) -> Check:
        source = self.workspace.target.token_source
        try:
            may_trigger = await gateway.may_trigger()
        except RemoteFailure as error:
            return problem("token", error.message, error.hint, exit_code=error.exit_code)
        if may_trigger is None:
            return ok("token", "the server knows it; whether it may trigger runs can't be told")
        if may_trigger:
            return ok("token", "it may trigger runs")
        return warning(
            "token",
            f"the token in {source} is read-only: it is enough for plan, status and wait",
            "apply needs one that may trigger runs",
        )

    def _clocks(self, time: ServerTime) -> Iterator[Check]:
        wrong = time.complaint()
        yield (
            ok("clock", "this machine's clock agrees with the server's, to a few seconds")
            if wrong is None
            else warning("clock", wrong.message, wrong.hint)
        )
        if self.store_time is None or not time.is_known:
            return
        server_ms = (time.earliest_ms(self.store_time.at) + time.latest_ms(self.store_time.at)) / 2
        ahead_ms = self.store_time.shown_ms - server_ms
        if abs(ahead_ms) > TOLERATED_MS:
            side = "ahead of" if ahead_ms > 0 else "behind"
            yield warning(
                "clock",
                f"the clock of the state's store is {abs(ahead_ms) / 1000:,.0f} s {side} the server's",
                "set it; until then `wfdeploy state holder` may be wrong about when the lease was renewed",
            )


def _limits(facts: ServerFacts, server: ServerSettings) -> list[Check]:
    """Compare what the project sends with what the account may."""
    found = [
        warning("limits", one.reason, f"set {one.setting} to {one.value}") for one in fitting_settings(facts, server)
    ]
    per_day = facts.messages_per_day
    if per_day is not None and facts.messages_left == 0:
        message = f"the account's daily limit of {per_day:,} messages is used up"
        found.insert(0, problem("limits", message, "it ends at midnight UTC", exit_code=ExitCode.REMOTE))
    if found:
        return found
    told = [] if facts.requests_per_s is None else [f"{facts.requests_per_s:,} reading requests a second"]
    if per_day is not None:
        left = "" if facts.messages_left is None else f", {facts.messages_left:,} of them left"
        told.append(f"{per_day:,} messages a day{left}")
    own = f"the project sends up to {several(server.max_batch_items)} and {server.max_batch_bytes:,} bytes in a request"
    return [ok("limits", f"{' and '.join(told) or 'the server names none'}; {own}")]
