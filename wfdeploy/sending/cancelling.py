"""Cancelling: many runs a request, and the logs asked which of them it was.

The server answers a cancel of many with how many runs it cancelled, not with which. As long as that is all of them
there is nothing to ask. Else some had ended before, or an answer was lost on the way; then the logs tell of each run
how it ended. A second cancel of a run does nothing, so what is still going is just cancelled again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from wfdeploy.errors import RemoteFailure, StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Observe
from wfdeploy.model.event import Notice, Outcome, Result, Started
from wfdeploy.model.plan import Change
from wfdeploy.model.remote import Cancelled, NotCancelled, RunState
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.sending.listing import list_all
from wfdeploy.sending.session import Halt, Session

MOST_RUNS = 100
"""In one request: what the API cancels where no number is said ("Bulk Cancel Workflow Runs", `count`)."""

MOST_CHARACTERS = 5000
"""Of ids in one request. They go in the URL, and 8 KB is what common proxies take of one."""

AT_ONCE = 8
"""Requests at once."""

ROUNDS = 3
"""How often what is still going is cancelled; the next apply goes on."""


@dataclass(slots=True)
class _Target:
    """A run to be cancelled: for a change's own sake, or to make place for what the change triggers."""

    change: Change
    run_id: str

    @property
    def address(self) -> Address:
        return self.change.address

    @property
    def is_predecessor(self) -> bool:
        return bool(self.change.cancels)


class Canceller:
    """Cancels what changes ask for. `label`: of the project's runs. `oldest_ms`: where a listing must begin to show the
    recorded runs of these addresses (server time, Unix ms)."""

    def __init__(self, session: Session, oldest_ms: Callable[[Collection[Address]], int | None]) -> None:
        self._session = session
        self._outcomes = session.outcomes
        self._oldest_ms = oldest_ms
        self._unclear: list[_Target] = []
        self._answered_at = 0.0  # monotonic

    async def run(self, changes: Sequence[Change]) -> None:
        """Until it is known of each run that it isn't going any more. What stays open is said, and where something was
        to be sent in a run's place, nothing is sent. Raises nothing for what the far end does."""
        left = [_Target(change, change.cancels or change.workflow_run_id) for change in changes]
        own = sum(not target.is_predecessor for target in left)
        if own:
            self._session.listener(Started(own, cancels=True))
        try:
            for _ in range(ROUNDS):
                await self._cancel_all(left)
                unclear, self._unclear = self._unclear, []
                left, is_sure = await self._told_by_logs(unclear)
                if not left or not is_sure or self._session.halted:
                    break
        except StateUnusable as error:
            self._outcomes.break_off(error)
            return
        self._give_up(left)

    # --- requests --------------------------------------------------------------------------------------------

    async def _cancel_all(self, targets: Iterable[_Target]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def cancel(some: Sequence[_Target]) -> None:
            try:
                if not self._session.halted:
                    await self._cancel(some)
            except StateUnusable as error:
                self._outcomes.break_off(error)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for some in _bundles(targets):
                await places.acquire()
                if self._session.halted:
                    return
                group.create_task(cancel(some))

    async def _cancel(self, targets: Sequence[_Target]) -> None:
        # Written down first: should this process die, nobody takes the runs for ones that somebody else cancelled.
        await self._note(targets, None, handled=True)
        reply = await self._session.gateway.cancel([target.run_id for target in targets], label=self._session.label)
        self._answered_at = max(self._answered_at, self._session.clock.monotonic())
        match reply:
            case Cancelled(count) if count == len(targets):
                await self._note(targets, RunState.CANCELED, handled=True)
                for target in targets:
                    self._tell(target, Outcome.CANCELLED)
            case Cancelled():
                self._unclear += targets
            case NotCancelled(message, hint, may_have_acted):
                if may_have_acted:
                    self._unclear += targets
                else:
                    await self._note(targets, None, handled=False)
                self._outcomes.stop(Halt(message, hint))

    # --- the logs --------------------------------------------------------------------------------------------

    async def _told_by_logs(self, targets: list[_Target]) -> tuple[list[_Target], bool]:
        """Settle those of which the logs tell how they ended. The others, and whether it is sure that these are still
        going: not where the logs couldn't be asked, or not late enough."""
        if not targets:
            return [], True
        # Mostly they tell at once. What they show as going may be what they showed before it was cancelled.
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
        """As above; None when the logs couldn't be asked. `proves`: what isn't shown isn't there, what is shown as
        going is."""
        try:
            runs = await self._listed([target.address for target in targets])
        except RemoteFailure as error:
            self._session.listener(
                Notice(f"which runs were cancelled could not be looked up: {error.message}", error.hint)
            )
            return None
        left: list[_Target] = []
        edits: list[Observe] = []
        told: list[tuple[_Target, Outcome, str | None]] = []
        now_ms = self._session.clock.now_ms()
        for target in targets:
            run = runs.recorded(target.run_id, None)
            if run is None and not proves:
                left.append(target)
            elif run is None:
                edits.append(Observe(target.address, None, now_ms, handled=False))
                told.append((target, Outcome.KEPT, "the server's logs don't show the run"))
            elif not run.state.is_final:
                target.run_id = run.workflow_run_id  # as the server has it
                left.append(target)
            else:
                cancelled = run.state is RunState.CANCELED
                edits.append(
                    Observe(target.address, run.state, now_ms, run.completed_at_ms, run.dlq_id, handled=cancelled)
                )
                outcome, words = (Outcome.CANCELLED, None) if cancelled else (Outcome.KEPT, "the run had ended")
                told.append((target, outcome, words))
        await self._session.journal.commit(edits)
        for one in told:
            self._tell(*one)
        return left

    async def _listed(self, addresses: Collection[Address]) -> RunIndex:
        since_ms = self._oldest_ms(addresses)
        session = self._session
        listed = await list_all(
            session.gateway, session.clock, session.listener, label=session.label, since_ms=since_ms
        )
        return RunIndex(listed.runs)

    # --- the end ---------------------------------------------------------------------------------------------

    def _give_up(self, targets: Sequence[_Target]) -> None:
        if not targets:
            return
        words = "it isn't known whether it was cancelled; `wfdeploy refresh` asks the server's logs"
        for target in targets:
            if target.is_predecessor:
                instead = "not sent: it isn't known whether the run that it replaces was cancelled"
                self._outcomes.report(
                    Result(target.address, Outcome.PENDING, target.change.workflow_run_id, error=instead)
                )
            else:
                self._tell(target, Outcome.UNKNOWN, words)
        waiting = sum(target.is_predecessor for target in targets)
        if waiting:
            whose = "run that is to be replaced is" if waiting == 1 else "runs that are to be replaced are"
            self._outcomes.stop(Halt(f"{waiting} {whose} perhaps still going", "run it again: it goes on from here"))

    def _tell(self, target: _Target, outcome: Outcome, words: str | None = None) -> None:
        if not target.is_predecessor:  # else the outcome is that of the trigger
            self._outcomes.report(Result(target.address, outcome, target.change.workflow_run_id, error=words))

    async def _note(self, targets: Iterable[_Target], state: RunState | None, *, handled: bool) -> None:
        now_ms = self._session.clock.now_ms()
        await self._session.journal.commit(
            [Observe(target.address, state, now_ms, handled=handled) for target in targets]
        )


def _bundles(targets: Iterable[_Target]) -> Iterator[list[_Target]]:
    """Cut into what one request takes."""
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
