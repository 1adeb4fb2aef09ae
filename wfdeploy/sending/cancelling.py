"""Cancel runs, many per request, and read from the logs which of them were cancelled.

The server answers with how many runs it cancelled, not which. If that is all of them, there is nothing to ask.
Otherwise some had ended before, or an answer was lost; then the logs show how each run ended. Cancelling a run twice
does no harm, so what is still running is cancelled again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from wfdeploy.errors import RemoteFailure, StateUnusable, several
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Observe
from wfdeploy.model.event import Notice, Outcome, Result, Started
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Change
from wfdeploy.model.remote import Cancelled, NotCancelled
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.sending.session import Session

MOST_RUNS = 100
"""Of one request: what the API cancels when no number is given ("Bulk Cancel Workflow Runs", `count`)."""

MOST_CHARACTERS = 5000
"""Of the ids in one request. They go into the URL, and common proxies accept 8 KB of one."""

ROUNDS = 3
"""How often runs that are still running are cancelled; the next apply goes on."""


@dataclass(slots=True)
class _Target:
    """A run to be cancelled: because the change says so, or to make room for the run that it triggers."""

    change: Change
    run_id: str

    @property
    def address(self) -> Address:
        return self.change.address

    @property
    def is_predecessor(self) -> bool:
        return bool(self.change.cancels)


class Canceller:
    """Cancels the runs that changes cancel or replace."""

    def __init__(self, session: Session, oldest_ms: Callable[[Collection[Address]], int | None]) -> None:
        """`oldest_ms`: where a listing must begin to show the recorded runs of addresses (server time, Unix ms)."""
        self._session = session
        self._outcomes = session.outcomes
        self._oldest_ms = oldest_ms
        self._unclear: list[_Target] = []
        self._answered_at = 0.0  # monotonic

    async def run(self, changes: Sequence[Change]) -> None:
        """Cancel until no run is known to be running, and report what stays open. Where a run that was to be replaced
        may be running, no more is sent. Raises nothing for what the server or the network do."""
        left = [_Target(change, change.cancels or change.workflow_run_id) for change in changes]
        own = sum(not target.is_predecessor for target in left)
        if own:
            self._session.listener(Started(own, cancels=True))
        try:
            for _ in range(ROUNDS):
                await self._session.each(_bundles(left), self._cancel)
                unclear, self._unclear = self._unclear, []
                left, is_sure = await self._ask_logs(unclear)
                if not left or not is_sure or self._session.halted:
                    break
        except StateUnusable as error:
            self._outcomes.break_off(error)
            return
        self._give_up(left)

    # --- requests --------------------------------------------------------------------------------------------

    async def _cancel(self, targets: Sequence[_Target]) -> None:
        # First of all: should this process die, the runs must not pass for ones that somebody else cancelled.
        await self._note(targets, None, handled=True)
        reply = await self._session.gateway.cancel([target.run_id for target in targets], label=self._session.label)
        self._answered_at = max(self._answered_at, self._session.clock.monotonic())
        match reply:
            case Cancelled(count) if count == len(targets):
                await self._note(targets, RunState.CANCELED, handled=True)
                for target in targets:
                    self._report(target, Outcome.CANCELLED)
            case Cancelled():
                self._unclear += targets
            case NotCancelled(message, hint, may_have_acted):
                if may_have_acted:
                    self._unclear += targets
                else:
                    await self._note(targets, None, handled=False)
                self._outcomes.stop(message, hint)

    # --- the logs --------------------------------------------------------------------------------------------

    async def _ask_logs(self, targets: list[_Target]) -> tuple[list[_Target], bool]:
        """Record outcomes that the logs report. Return the rest, and whether they are known to be running (they aren't
        when the logs couldn't be asked, or not late enough)."""
        if not targets:
            return [], True
        # Mostly they know at once. A run that they show as running may have been cancelled since.
        left = await self._look(targets, proves=False)
        if left is None:
            return targets, False
        if not left:
            return [], True
        until = self._answered_at + self._session.log_lag_s()
        why = f"{len(left)} of the runs to be cancelled may have ended before: waiting until the logs can tell"
        if not await self._session.patience.wait(until - self._session.clock.monotonic(), why):
            return left, False
        still = await self._look(left, proves=True)
        return (left, False) if still is None else (still, True)

    async def _look(self, targets: Sequence[_Target], *, proves: bool) -> list[_Target] | None:
        """Record outcomes that a listing shows, and return the rest; None when the logs couldn't be asked. `proves`:
        the listing is late enough, so that a run which it doesn't show isn't there."""
        try:
            since_ms = self._oldest_ms([target.address for target in targets])
            runs = RunIndex((await self._session.list_runs(since_ms)).runs)
        except RemoteFailure as error:
            self._session.listener(
                Notice(f"which runs were cancelled could not be looked up: {error.message}", error.hint)
            )
            return None
        left: list[_Target] = []
        edits: list[Observe] = []
        found: list[tuple[_Target, Outcome, str | None]] = []
        now_ms = self._session.clock.now_ms()
        for target in targets:
            run = runs.recorded(target.run_id, None)
            if run is None and not proves:
                left.append(target)
            elif run is None:
                edits.append(Observe(target.address, None, now_ms, handled=False))
                found.append((target, Outcome.KEPT, "the server's logs don't show the run"))
            elif not run.state.is_final:
                target.run_id = run.workflow_run_id  # as the server has it
                left.append(target)
            else:
                cancelled = run.state is RunState.CANCELED
                edits.append(
                    Observe(target.address, run.state, now_ms, run.completed_at_ms, run.dlq_id, handled=cancelled)
                )
                outcome, reason = (Outcome.CANCELLED, None) if cancelled else (Outcome.KEPT, "the run had ended")
                found.append((target, outcome, reason))
        await self._session.journal.commit(edits)
        for one in found:
            self._report(*one)
        return left

    # --- the end ---------------------------------------------------------------------------------------------

    def _give_up(self, targets: Sequence[_Target]) -> None:
        if not targets:
            return
        reason = "it isn't known whether it was cancelled; `wfdeploy refresh` asks the server's logs"
        for target in targets:
            if target.is_predecessor:
                instead = "not sent: it isn't known whether the run that it replaces was cancelled"
                self._outcomes.report(
                    Result(target.address, Outcome.PENDING, target.change.workflow_run_id, error=instead)
                )
            else:
                self._report(target, Outcome.UNKNOWN, reason)
        waiting = sum(target.is_predecessor for target in targets)
        if waiting:
            are = "that is to be replaced" if waiting == 1 else "that are to be replaced"
            self._outcomes.stop(f"{several(waiting)} {are} may still be running", "run it again: it goes on from here")

    def _report(self, target: _Target, outcome: Outcome, reason: str | None = None) -> None:
        if not target.is_predecessor:  # else the outcome is that of the trigger
            self._outcomes.report(Result(target.address, outcome, target.change.workflow_run_id, error=reason))

    async def _note(self, targets: Iterable[_Target], state: RunState | None, *, handled: bool) -> None:
        now_ms = self._session.clock.now_ms()
        await self._session.journal.commit(
            [Observe(target.address, state, now_ms, handled=handled) for target in targets],
            precedes_request=state is None and handled,
        )


def _bundles(targets: Iterable[_Target]) -> Iterator[list[_Target]]:
    """Cut targets into what one request takes."""
    bundle: list[_Target] = []
    characters = 0
    for target in targets:
        if bundle and (len(bundle) == MOST_RUNS or characters + len(target.run_id) > MOST_CHARACTERS):
            yield bundle
            bundle, characters = [], 0
        bundle.append(target)
        characters += len(target.run_id)
    if bundle:
        yield bundle
