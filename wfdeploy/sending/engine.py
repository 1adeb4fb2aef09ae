"""One apply, from a plan to its outcomes.

1. Commit what the plan learned (settled attempts, adoptions, tombstones, the watermark), in one transaction.
2. Cancel.
3. Resume, then send.
4. Look up what was lost, send again what never arrived; a few rounds, within the time that the user gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from types import MappingProxyType

from wfdeploy.errors import RemoteFailure, StateUnusable
from wfdeploy.model.address import group_of
from wfdeploy.model.edits import DropAttempt, Edit, PutRecord, Settle
from wfdeploy.model.event import RESULTS_HELD, ApplyReport, Notice, Outcome, Result, Started
from wfdeploy.model.plan import Action, Change, Plan, but_plain_triggers
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.state import Attempt, AttemptStatus, Origin
from wfdeploy.ports import Clock, Listener, RunGateway
from wfdeploy.sending.absence import Absence
from wfdeploy.sending.cancelling import Canceller
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.recovery import Findings, examine, list_all, since
from wfdeploy.sending.resuming import Resumer
from wfdeploy.sending.sender import Halt, Sender
from wfdeploy.sending.server_time import ROUNDED_S, ServerTime
from wfdeploy.sending.shipment import Shipment

ROUNDS = 3
"""How often lost runs are looked up and sent again in one apply; the next apply goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Carries plans out. `log_lag_s` is a function: the embedded server tells its own once it was asked.
    `names`: what the run of an attempt is found by. `before_sending`: called once, before the first intent.
    """

    gateway: RunGateway
    journal: Journal
    sender: Sender
    resumer: Resumer
    canceller: Canceller
    clock: Clock
    time: ServerTime
    patience: Patience
    listener: Listener
    label: str
    log_lag_s: Callable[[], float]
    names: Callable[[Attempt], Collection[str]]
    before_sending: Callable[[], None] = lambda: None

    async def carry_out(
        self,
        plan: Plan,
        edits: Sequence[Edit],
        shipments: Iterator[Shipment],
        resumes: Iterable[Shipment] = (),
        conclusions: Mapping[str, Edit] = MappingProxyType({}),
    ) -> ApplyReport:
        """Do what the plan says. `edits`: what else the first commit must hold. `shipments` and `resumes`: all of the
        changes that send, in plan order, made when asked for. `conclusions`: by group, what is written down once each
        of its sends has an intent, or more, on disk.

        Raises, after what is in flight has ended: `StateUnusable` when the state can't be written any more; what making
        a shipment raised.
        """
        began = self.clock.monotonic()
        others = but_plain_triggers(plan.changes)
        learned = chain.from_iterable(change.edits for change in others)
        await self.journal.commit([*plan.housekeeping, *learned, *edits])
        if plan.sends:
            self.before_sending()
        cancels: list[Change] = []
        for change in others:
            self._settle_without_sending(change)
            if change.action is Action.CANCEL or change.cancels:
                cancels.append(change)
        await self.canceller.run(cancels)
        if plan.sends:
            self.listener(Started(plan.sends))
        await self.resumer.run(resumes)
        await self.sender.run(shipments)
        await self._recover(shipments)
        if conclusions and self.sender.broken is None:
            await self.journal.commit(self._concluded(plan, conclusions))
        await self.journal.close()
        if self.sender.broken is not None:
            raise self.sender.broken
        return self._report(plan, self.clock.monotonic() - began)

    def _settle_without_sending(self, change: Change) -> None:
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
            self._tell(
                Result(
                    address=change.address,
                    outcome=outcome,
                    workflow_run_id=run_id,
                    created_at_ms=None if latest is None or attempt is not None else latest.created_at_ms,
                    error=change.reason if outcome is Outcome.UNKNOWN else None,
                )
            )

    # --- lost answers ----------------------------------------------------------------------------------------

    async def _recover(self, shipments: Iterator[Shipment]) -> None:
        sender = self.sender
        for _ in range(ROUNDS):
            if not sender.lost or self.patience.stopped or (sender.halt is not None and sender.halt.final):
                return
            lost, sender.lost = sender.lost, []
            try:
                again = await self._look_up(lost)
            except RemoteFailure as error:
                sender.lost = lost
                self.listener(Notice(f"the lost runs could not be looked up: {error.message}", error.hint))
                return
            except StateUnusable as error:
                sender.lost = lost
                sender.broken = sender.broken or error
                return
            if again is None:
                return
            await self.resumer.run(one for one in again if one.attempt.is_resume)
            held, sender.held_back = sender.held_back, []
            first = iter([*(one for one in again if not one.attempt.is_resume), *held])
            await sender.run(chain(first, shipments))
            sender.put_back(first)
            told = {id(shipment) for shipment in sender.lost}
            sender.put_back(
                one
                for one in again
                if one.attempt.is_resume and one.attempt.status is AttemptStatus.UNKNOWN and id(one) not in told
            )

    async def _look_up(self, lost: list[Shipment]) -> list[Shipment] | None:
        """Settle lost shipments that the server knows; give back those to send again. None: out of time."""
        lag_s = self.log_lag_s()
        by_address = {shipment.attempt.address: shipment for shipment in lost}
        last_at = max(map(_ended_at, lost))
        count = len(lost)
        why = f"{count} answer{'s were' if count > 1 else ' was'} lost: looking up what became of them"
        if not await self.patience.wait(last_at + lag_s + ROUNDED_S - self.time.now(), why):
            self.sender.lost.extend(lost)
            return None
        findings = await self._examine(lost, lag_s)
        if findings.too_early and await self.patience.wait(findings.wait_ms / 1000, f"{why}; they are delayed"):
            findings = await self._examine(lost, lag_s)
        self.sender.halt = None
        found = [(by_address[address], run) for address, run in findings.found.items()]
        await self.journal.commit(_settling(found, self.clock.now_ms()))
        for shipment, run in found:
            outcome = Outcome.RESUMED if shipment.attempt.is_resume else Outcome.TRIGGERED
            if shipment.said_to_run:
                outcome = Outcome.DEDUPLICATED
            self._tell(Result(shipment.attempt.address, outcome, run.workflow_run_id, run.created_at_ms))
        self.sender.lost.extend(by_address[address] for address in findings.too_early)
        again: list[Shipment] = []
        refused: list[tuple[Shipment, str]] = []
        for address, absence in findings.absent.items():
            shipment = by_address[address]
            shipment.inconclusive = absence is Absence.RESERVED_IF_ACCEPTED
            shipment.send_before_ms = findings.send_before_ms.get(address)
            was_lost, shipment.looked_up = shipment.looked_up and not shipment.attempt.explicit_id, True
            if not shipment.said_to_run:
                again.append(shipment)
            elif shipment.inconclusive or was_lost:
                # An answer of it was lost before, and now the server says that it runs: the logs may be late after all.
                self.sender.lost.append(shipment)
            else:
                why = "" if shipment.attempt.explicit_id else "; the logs show no such run of this project"
                refused.append((shipment, f"{shipment.attempt.error}{why}"))
        if refused:
            await self.sender.refuse(refused)
        return again

    async def _examine(self, lost: Sequence[Shipment], lag_s: float) -> Findings:
        attempts = [shipment.attempt for shipment in lost]
        listed = await list_all(self.gateway, self.clock, self.listener, label=self.label, since_ms=since(attempts))
        self.time.learn(listed.date_ms, asked_at=listed.asked_at, answered_at=listed.answered_at)
        # Both in one count of server time, so that what lies between them is as the monotonic clock has it.
        return examine(
            attempts,
            listed.runs,
            names=self.names,
            listed_at_ms=self.time.earliest_ms(listed.asked_at),
            ended_at_ms={one.attempt.address: self.time.earliest_ms(_ended_at(one)) for one in lost},
            log_lag_ms=round(1000 * lag_s),
        )

    # --- the end ---------------------------------------------------------------------------------------------

    def _concluded(self, plan: Plan, conclusions: Mapping[str, Edit]) -> list[Edit]:
        tried = {result.address for result in self.sender.results}
        tried.update(shipment.attempt.address for shipment in self.sender.lost)
        left = {group_of(change.address) for change in plan.changes if change.sends and change.address not in tried}
        return [edit for group, edit in conclusions.items() if group not in left]

    def _tell(self, result: Result) -> None:
        self.sender.tell(result)

    def _tell_unsettled(self, plan: Plan) -> None:
        """What was not done, because answers were lost or it ended early."""
        settled = {result.address for result in self.sender.results}
        for shipment in self.sender.lost:
            attempt = shipment.attempt
            if attempt.address not in settled:
                settled.add(attempt.address)
                self._tell(Result(attempt.address, Outcome.UNKNOWN, attempt.run_id, error=attempt.error))
        for change in plan.changes:
            if change.address not in settled and (change.sends or change.action is Action.CANCEL):
                run_id = "" if change.resumes else change.workflow_run_id  # of a resume it is a label
                self._tell(Result(change.address, Outcome.PENDING, run_id))

    def _report(self, plan: Plan, took_s: float) -> ApplyReport:
        sender = self.sender
        if sender.lost or sender.halt is not None or self.patience.stopped:
            self._tell_unsettled(plan)
        summary = dict(sender.counts)
        summary[Outcome.KEPT] += plan.summary[Action.KEEP]
        halt = sender.halt
        if halt is None and self.patience.stopped and (summary[Outcome.PENDING] or summary[Outcome.UNKNOWN]):
            halt = Halt("interrupted", "run it again: it goes on where this one stopped")
        return ApplyReport(
            summary=summary,
            results=sorted(sender.results, key=_address) if len(sender.results) <= RESULTS_HELD else sender.results,
            stopped=None if halt is None else halt.reason,
            hint=None if halt is None else halt.hint,
            took_s=took_s,
            drifted=plan.drifted,
        )


def _settling(found: Sequence[tuple[Shipment, ObservedRun]], now_ms: int) -> list[Edit]:
    """Lost answers whose runs were found become records."""
    edits: list[Edit] = []
    for origin in (Origin.RECOVERED, Origin.DEDUPLICATED):
        triggered = [
            (shipment.attempt, run.created_at_ms)
            for shipment, run in found
            if not shipment.attempt.is_resume and shipment.said_to_run is (origin is Origin.DEDUPLICATED)
        ]
        if triggered:
            attempts, created = zip(*triggered, strict=True)
            edits.append(Settle(attempts, created, origin, now_ms))
    for shipment, run in found:
        attempt = shipment.attempt
        if attempt.is_resume:
            record = attempt.record(
                origin=Origin.RECOVERED,
                created_at_ms=run.created_at_ms,
                recorded_at_ms=now_ms,
                workflow_run_id=run.workflow_run_id,
            )
            edits += [DropAttempt(attempt.address), PutRecord(record)]
    return edits


def _ended_at(lost: Shipment) -> float:
    assert lost.ended_at is not None
    return lost.ended_at


_address = itemgetter(0)
"""Of a result."""
