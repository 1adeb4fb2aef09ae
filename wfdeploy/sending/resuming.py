"""Resuming: one request for each failed run, its label the thread by which a lost answer is found again.

The server gives a resumed run an id of its own choosing. So each attempt goes with a label that no other attempt has,
written down as an intent before the request leaves; the logs tell by it whether there is such a run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import assert_never

from wfdeploy.errors import RemoteFailure, StateUnusable
from wfdeploy.model.edits import DropAttempt, Observe, PutAttempt, PutRecord
from wfdeploy.model.event import Notice, Outcome, Result
from wfdeploy.model.remote import Denied, Gone, Lost, NotSent, Resumed, RunState, Stop, Throttled
from wfdeploy.model.state import Origin
from wfdeploy.sending.patience import backoff_s
from wfdeploy.sending.session import Halt, Session
from wfdeploy.sending.shipment import Shipment

AT_ONCE = 8
"""Requests at once."""


class Resumer:
    """Resumes shipments that are resumes, and settles them with the sender's, so that they are looked up together."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._outcomes = session.outcomes
        self._throttles = 0

    async def run(self, shipments: Iterable[Shipment]) -> None:
        """Until there is nothing left or there is a reason to halt. Raises nothing for what the far end does."""
        places = asyncio.Semaphore(AT_ONCE)

        async def deliver(shipment: Shipment) -> None:
            try:
                if not self._session.halted:
                    await self._deliver(shipment)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for shipment in shipments:
                await places.acquire()
                if self._session.halted:
                    return
                group.create_task(deliver(shipment))

    async def _deliver(self, shipment: Shipment) -> None:
        try:
            await self._session.journal.commit([PutAttempt(shipment.intent(self._session.clock.now_ms()))])
            await self._post(shipment)
        except StateUnusable as error:
            # What was sent has its intent on disk, and the next command looks it up.
            self._outcomes.break_off(error)

    async def _post(self, shipment: Shipment) -> None:
        attempt = shipment.attempt
        assert attempt.dlq_id is not None
        labels = (self._session.label, attempt.workflow_run_id, *own_labels(attempt.request))
        tries = 0
        while not self._session.halted:
            began = self._session.clock.monotonic()
            reply = await self._session.gateway.resume(attempt.dlq_id, labels=labels)
            match reply:
                case Resumed():
                    return await self._take(shipment, reply)
                case Gone(message):
                    if await self._is_gone(attempt.dlq_id):
                        return await self._let_go(shipment)
                    return await self._refuse(shipment, f"{message}; yet its dead letter is not known to be gone")
                case Denied(message):
                    return await self._refuse(shipment, message)
                case Lost(reason):
                    await self._session.journal.commit([shipment.unknown(self._session.time, reason)])
                    self._outcomes.lost.append(shipment)
                    if not self._session.patience.use(began):
                        words = f"the server's answers are lost: {reason}"
                        self._outcomes.stop(Halt(words, "give it more time with --timeout"))
                    return None
                case Stop(status, message, hint):
                    self._outcomes.stop(Halt(f"the server answered {status}: {message}", hint))
                case Throttled(message, wait_s):
                    self._throttles += 1
                    asked_s = backoff_s(self._throttles) if wait_s is None else wait_s
                    if not await self._session.patience.wait(asked_s, f"the server asks for a pause: {message}"):
                        self._outcomes.stop(Halt(f"the server answered 429: {message}", "run it again later"))
                case NotSent(reason):
                    tries += 1
                    if not await self._session.reconnect(tries):
                        words = f"no connection: {reason}"
                        self._outcomes.stop(Halt(words, "check the network and the server's URL"))
                case _:
                    assert_never(reply)
        await self._session.journal.commit([shipment.withdrawn(self._session.time)])
        return None

    async def _take(self, shipment: Shipment, reply: Resumed) -> None:
        attempt = shipment.attempt
        record = attempt.record(
            origin=Origin.TRIGGERED,
            created_at_ms=reply.created_at_ms,
            recorded_at_ms=self._session.clock.now_ms(),
            workflow_run_id=reply.workflow_run_id,
        )
        await self._session.journal.commit([DropAttempt(attempt.address), PutRecord(record)])
        self._outcomes.report(Result(attempt.address, Outcome.RESUMED, reply.workflow_run_id, reply.created_at_ms))

    async def _is_gone(self, dlq_id: str) -> bool:
        """Whether the queue, listed as a whole, doesn't hold a dead letter. A 404 alone may come from anything on the
        way, and the run would be left alone for good."""
        try:
            async for letters in self._session.gateway.list_dead_letters(label=self._session.label, since_ms=None):
                if any(letter.dlq_id == dlq_id for letter in letters):
                    return False
        except RemoteFailure:
            return False
        return True

    async def _refuse(self, shipment: Shipment, message: str) -> None:
        await self._session.journal.commit([shipment.rejected(message)])
        self._outcomes.report_refusal(shipment, message)

    async def _let_go(self, shipment: Shipment) -> None:
        """Its dead letter is gone: somebody else dealt with it, and it is left to them for good."""
        attempt = shipment.attempt
        now_ms = self._session.clock.now_ms()
        observed = Observe(attempt.address, RunState.FAILED, now_ms, handled=True)
        await self._session.journal.commit([DropAttempt(attempt.address), observed])
        words = "its dead letter is gone: somebody else dealt with it"
        self._session.listener(Notice(f"{attempt.address} is not resumed: {words}"))
        self._outcomes.report(Result(attempt.address, Outcome.KEPT, attempt.triggered_id, error=words))


def own_labels(request: str) -> list[str]:
    """The labels that a run's manifest gave it, as recorded; without those that hold a secret."""
    labels = json.loads(request).get("labels") if request else None
    return [label for label in labels or () if "${{" not in label]
