"""Look up lost runs in the server's logs. Record those that are there, and send again those that never arrived."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from wfdeploy.errors import RemoteFailure, StateUnusable
from wfdeploy.model.edits import DropAttempt, Edit, PutRecord, RecordOutcomes
from wfdeploy.model.event import Notice, Outcome, Result
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.state import Attempt, AttemptStatus, Origin
from wfdeploy.sending.absence import Absence, Findings, examine
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.listing import earliest
from wfdeploy.sending.resuming import Resumer
from wfdeploy.sending.sender import Sender
from wfdeploy.sending.server_time import ROUNDED_S
from wfdeploy.sending.session import Session

ROUNDS = 3
"""How often lost runs are looked up and sent again in one apply; the next apply goes on."""


class Recovery:
    """Recovers lost runs, in a few rounds, within the time that the user gives."""

    def __init__(
        self, session: Session, sender: Sender, resumer: Resumer, names: Callable[[Attempt], Collection[str]]
    ) -> None:
        self._session = session
        self._outcomes = session.outcomes
        self._sender = sender
        self._resumer = resumer
        self._names = names

    async def run(self, requests: Iterator[OutgoingRequest]) -> None:
        """Recover `outcomes.lost`. `requests`: those not begun yet, sent along when sending goes on."""
        outcomes = self._outcomes
        for _ in range(ROUNDS):
            is_final = outcomes.halt is not None and outcomes.halt.final
            if not outcomes.lost or self._session.patience.stopped or is_final:
                return
            lost, outcomes.lost = outcomes.lost, []
            try:
                again = await self._look_up(lost)
            except RemoteFailure as error:
                outcomes.lost = lost
                self._session.listener(Notice(f"the lost runs could not be looked up: {error.message}", error.hint))
                return
            except StateUnusable as error:
                outcomes.lost = lost
                outcomes.broken = outcomes.broken or error
                return
            if again is None:
                return
            await self._resumer.run(one for one in again if one.attempt.is_resume)
            held, outcomes.held_back = outcomes.held_back, []
            first = iter([*(one for one in again if not one.attempt.is_resume), *held])
            await self._sender.run(chain(first, requests))
            outcomes.put_back(first)
            still_lost = {id(request) for request in outcomes.lost}
            outcomes.put_back(
                one
                for one in again
                if one.attempt.is_resume and one.attempt.status is AttemptStatus.UNKNOWN and id(one) not in still_lost
            )

    async def _look_up(self, lost: list[OutgoingRequest]) -> list[OutgoingRequest] | None:
        """Record the runs that the server knows. Return the requests to send again; None when time is up."""
        patience, lag_s = self._session.patience, self._session.log_lag_s()
        by_address = {request.attempt.address: request for request in lost}
        last_at = max(map(_ended_at, lost))
        count = len(lost)
        why = f"{count} answer{'s were' if count > 1 else ' was'} lost: looking up what became of them"
        if not await patience.wait(last_at + lag_s + ROUNDED_S - self._session.time.now(), why):
            self._outcomes.lost.extend(lost)
            return None
        findings = await self._examine(lost, lag_s)
        if findings.too_early and await patience.wait(findings.wait_ms / 1000, f"{why}; they are delayed"):
            findings = await self._examine(lost, lag_s)
        self._outcomes.halt = None
        found = [(by_address[address], run) for address, run in findings.found.items()]
        await self._session.journal.commit(_records(found, self._session.clock.now_ms()))
        for request, run in found:
            outcome = Outcome.RESUMED if request.attempt.is_resume else Outcome.TRIGGERED
            if request.reported_running:
                outcome = Outcome.DEDUPLICATED
            self._outcomes.report(Result(request.attempt.address, outcome, run.workflow_run_id, run.created_at_ms))
        self._outcomes.lost.extend(by_address[address] for address in findings.too_early)
        again: list[OutgoingRequest] = []
        refused: list[tuple[OutgoingRequest, str]] = []
        for address, absence in findings.absent.items():
            request = by_address[address]
            request.inconclusive = absence is Absence.RESERVED_IF_ACCEPTED
            request.send_before_ms = findings.send_before_ms.get(address)
            was_lost, request.looked_up = request.looked_up and not request.attempt.explicit_id, True
            if not request.reported_running:
                again.append(request)
            elif request.inconclusive or was_lost:
                # An answer of it was lost before, and now the server says that it runs: the logs may be late after all.
                self._outcomes.lost.append(request)
            else:
                why = "" if request.attempt.explicit_id else "; the logs show no such run of this project"
                refused.append((request, f"{request.attempt.error}{why}"))
        if refused:
            await self._sender.refuse(refused)
        return again

    async def _examine(self, lost: Sequence[OutgoingRequest], lag_s: float) -> Findings:
        attempts = [request.attempt for request in lost]
        time = self._session.time
        listed = await self._session.list_runs(earliest(attempt.since_ms for attempt in attempts))
        time.learn(listed.date_ms, asked_at=listed.asked_at, answered_at=listed.answered_at)
        # Both in one count of server time, so that what lies between them is as the monotonic clock has it.
        return examine(
            attempts,
            listed.runs,
            names=self._names,
            listed_at_ms=time.earliest_ms(listed.asked_at),
            ended_at_ms={one.attempt.address: time.earliest_ms(_ended_at(one)) for one in lost},
            log_lag_ms=round(1000 * lag_s),
        )


def _records(found: Sequence[tuple[OutgoingRequest, ObservedRun]], now_ms: int) -> list[Edit]:
    """Make records of lost requests whose runs were found."""
    edits: list[Edit] = []
    for origin in (Origin.RECOVERED, Origin.DEDUPLICATED):
        triggered = [
            (request.attempt, run.created_at_ms)
            for request, run in found
            if not request.attempt.is_resume and request.reported_running is (origin is Origin.DEDUPLICATED)
        ]
        if triggered:
            attempts, created = zip(*triggered, strict=True)
            edits.append(RecordOutcomes(attempts, created, origin, now_ms))
    for request, run in found:
        attempt = request.attempt
        if attempt.is_resume:
            record = attempt.record(
                origin=Origin.RECOVERED,
                created_at_ms=run.created_at_ms,
                recorded_at_ms=now_ms,
                workflow_run_id=run.workflow_run_id,
            )
            edits += [DropAttempt(attempt.address), PutRecord(record)]
    return edits


def _ended_at(lost: OutgoingRequest) -> float:
    assert lost.ended_at is not None
    return lost.ended_at
