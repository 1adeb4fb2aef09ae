"""Carry a plan out.

1. Commit what the plan learned (outcomes of attempts, adoptions, tombstones, the watermark), in one transaction.
2. Cancel.
3. Resume, then send.
4. Recover what was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter

from wfdeploy.model.address import Address, group_of
from wfdeploy.model.edits import DropAttempt, Edit, PutRecord
from wfdeploy.model.event import RESULTS_HELD, ApplyReport, Outcome, Result, Started
from wfdeploy.model.plan import Action, Change, Plan, without_first_triggers
from wfdeploy.model.state import Attempt, Origin
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.cancelling import Canceller
from wfdeploy.sending.recovery import Recovery
from wfdeploy.sending.resuming import Resumer
from wfdeploy.sending.sender import Limits, Sender
from wfdeploy.sending.session import Halt, Session


class Engine:
    """Carries a plan out."""

    def __init__(
        self,
        session: Session,
        *,
        limits: Limits,
        names: Callable[[Attempt], Collection[str]],
        oldest_ms: Callable[[Collection[Address]], int | None],
        before_sending: Callable[[], None],
    ) -> None:
        """`names`: what the run of an attempt is found by. `oldest_ms`: see `Canceller`. `before_sending`: called once,
        before the first intent."""
        self._session = session
        self._before_sending = before_sending
        self._canceller = Canceller(session, oldest_ms)
        self._resumer = Resumer(session)
        self._sender = Sender(session, limits)
        self._recovery = Recovery(session, self._sender, self._resumer, names)

    async def carry_out(
        self,
        plan: Plan,
        edits: Sequence[Edit],
        requests: Iterator[OutgoingRequest],
        resumes: Iterable[OutgoingRequest],
        conclusions: Mapping[str, Edit],
    ) -> ApplyReport:
        """Carry out all changes of the plan.

        `edits`: what else the first commit must hold. `requests` and `resumes`: of all sending changes, lazily.
        `conclusions`: by group, what is committed once each of its sends has at least an intent on disk.

        Raises, after what is in flight has ended: `StateUnusable` when the state can't be written any more; whatever
        making a request raised.
        """
        session, outcomes = self._session, self._session.outcomes
        began = session.clock.monotonic()
        others = without_first_triggers(plan.changes)
        learned = chain.from_iterable(change.edits for change in others)
        await session.journal.commit([*plan.housekeeping, *learned, *edits])
        if plan.sends:
            self._before_sending()
        cancels: list[Change] = []
        for change in others:
            self._report_without_sending(change)
            if change.action is Action.CANCEL or change.cancels:
                cancels.append(change)
        await self._canceller.run(cancels)
        if plan.sends:
            session.listener(Started(plan.sends))
        await self._resumer.run(resumes)
        await self._sender.run(requests)
        await self._recovery.run(requests)
        if conclusions and outcomes.broken is None:
            await session.journal.commit(self._concluded(plan, conclusions))
        await session.journal.close()
        if outcomes.broken is not None:
            raise outcomes.broken
        return self._report(plan, session.clock.monotonic() - began)

    def _report_without_sending(self, change: Change) -> None:
        outcome: Outcome | None = None
        records = [edit.record for edit in change.edits if isinstance(edit, PutRecord)]
        latest = records[-1] if records else None
        match change.action:
            case Action.ADOPT:
                outcome = Outcome.ADOPTED
            case Action.FORGET:
                outcome = Outcome.FORGOTTEN
            case Action.RECOVER if not change.sends:
                if any(record.origin is Origin.RECOVERED for record in records):
                    resumed = change.attempt is not None and change.attempt.is_resume
                    outcome = Outcome.RESUMED if resumed else Outcome.TRIGGERED
                elif not any(isinstance(edit, DropAttempt) for edit in change.edits):
                    outcome = Outcome.UNKNOWN
                else:  # the listing may have shown another run of the address, which the state lacked
                    outcome = Outcome.FORGOTTEN if latest is None else Outcome.ADOPTED
            case Action.BLOCKED:
                outcome = Outcome.BLOCKED
        if outcome is not None:
            attempt = change.attempt if outcome is Outcome.UNKNOWN else None
            run_id = change.workflow_run_id if attempt is None else attempt.run_id
            if outcome is Outcome.ADOPTED and latest is not None:
                run_id = latest.workflow_run_id
            self._session.outcomes.report(
                Result(
                    address=change.address,
                    outcome=outcome,
                    workflow_run_id=run_id,
                    created_at_ms=None if latest is None or attempt is not None else latest.created_at_ms,
                    error=change.reason if outcome is Outcome.UNKNOWN else None,
                )
            )

    # --- the end ---------------------------------------------------------------------------------------------

    def _concluded(self, plan: Plan, conclusions: Mapping[str, Edit]) -> list[Edit]:
        outcomes = self._session.outcomes
        tried = {result.address for result in outcomes.results}
        tried.update(request.attempt.address for request in outcomes.lost)
        left = {group_of(change.address) for change in plan.changes if change.sends and change.address not in tried}
        return [edit for group, edit in conclusions.items() if group not in left]

    def _report_open(self, plan: Plan) -> None:
        """Report what was not done, because answers were lost or the apply ended early."""
        outcomes = self._session.outcomes
        reported = {result.address for result in outcomes.results}
        for request in outcomes.lost:
            attempt = request.attempt
            if attempt.address not in reported:
                reported.add(attempt.address)
                outcomes.report(Result(attempt.address, Outcome.UNKNOWN, attempt.run_id, error=attempt.error))
        for change in plan.changes:
            if change.address not in reported and (change.sends or change.action is Action.CANCEL):
                run_id = "" if change.resumes else change.workflow_run_id  # of a resume it is a label
                outcomes.report(Result(change.address, Outcome.PENDING, run_id))

    def _report(self, plan: Plan, took_s: float) -> ApplyReport:
        outcomes, stopped = self._session.outcomes, self._session.patience.stopped
        if outcomes.lost or outcomes.halt is not None or stopped:
            self._report_open(plan)
        results, summary = outcomes.results, dict(outcomes.counts)
        summary[Outcome.KEPT] += plan.summary[Action.KEEP]
        halt = outcomes.halt
        if halt is None and stopped and (summary[Outcome.PENDING] or summary[Outcome.UNKNOWN]):
            halt = Halt("interrupted", "run it again: it goes on where this one stopped")
        return ApplyReport(
            summary=summary,
            results=sorted(results, key=_address) if len(results) <= RESULTS_HELD else results,
            stopped=None if halt is None else halt.reason,
            hint=None if halt is None else halt.hint,
            took_s=took_s,
            drifted=plan.drifted,
            handled=plan.handled,
            backing_off=plan.backing_off,
        )


_address = itemgetter(0)
"""Of a result."""
