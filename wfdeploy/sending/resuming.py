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
from wfdeploy.ports import Clock, Listener, RunGateway
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.sender import CONNECT_TRIES, Halt, Sender
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.sending.shipment import Shipment

AT_ONCE = 8
"""Requests at once."""


class Resumer:
    """Resumes shipments that are resumes, and settles them with the sender's, so that they are looked up together."""

    def __init__(
        self,
        *,
        gateway: RunGateway,
        journal: Journal,
        clock: Clock,
        time: ServerTime,
        patience: Patience,
        listener: Listener,
        sender: Sender,
        label: str,
    ) -> None:
        self._gateway = gateway
        self._journal = journal
        self._clock = clock
        self._time = time
        self._patience = patience
        self._listener = listener
        self._sender = sender
        self._label = label
        self._throttles = 0

    async def run(self, shipments: Iterable[Shipment]) -> None:
        """Until there is nothing left or there is a reason to halt. Raises nothing for what the far end does."""
        places = asyncio.Semaphore(AT_ONCE)

        async def deliver(shipment: Shipment) -> None:
            try:
                if not self._halted():
                    await self._deliver(shipment)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for shipment in shipments:
                await places.acquire()
                if self._halted():
                    return
                group.create_task(deliver(shipment))

    def _halted(self) -> bool:
        return self._sender.halt is not None or self._patience.stopped

    async def _deliver(self, shipment: Shipment) -> None:
        try:
            await self._journal.commit([PutAttempt(shipment.intent(self._clock.now_ms()))])
            await self._post(shipment)
        except StateUnusable as error:
            # What was sent has its intent on disk, and the next command looks it up.
            self._sender.broken = self._sender.broken or error
            self._sender.stop(Halt(error.message, error.hint))

    async def _post(self, shipment: Shipment) -> None:
        attempt = shipment.attempt
        assert attempt.dlq_id is not None
        labels = (self._label, attempt.workflow_run_id, *own_labels(attempt.request))
        tries = 0
        while not self._halted():
            began = self._clock.monotonic()
            reply = await self._gateway.resume(attempt.dlq_id, labels=labels)
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
                    await self._journal.commit([shipment.unknown(self._time, reason)])
                    self._sender.lost.append(shipment)
                    if not self._patience.use(began):
                        words = f"the server's answers are lost: {reason}"
                        self._sender.stop(Halt(words, "give it more time with --timeout"))
                    return None
                case Stop(status, message, hint):
                    self._sender.stop(Halt(f"the server answered {status}: {message}", hint))
                case Throttled(message, wait_s):
                    self._throttles += 1
                    asked_s = min(2.0 ** min(self._throttles, 6), 60.0) if wait_s is None else wait_s
                    if not await self._patience.wait(asked_s, f"the server asks for a pause: {message}"):
                        self._sender.stop(Halt(f"the server answered 429: {message}", "run it again later"))
                case NotSent(reason):
                    tries += 1
                    if tries >= CONNECT_TRIES or not await self._patience.wait(0.1 * 2**tries, "connecting again"):
                        self._sender.stop(Halt(f"no connection: {reason}", "check the network and the server's URL"))
                case _:
                    assert_never(reply)
        await self._journal.commit([shipment.withdrawn(self._time)])
        return None

    async def _take(self, shipment: Shipment, reply: Resumed) -> None:
        attempt = shipment.attempt
        record = attempt.record(
            origin=Origin.TRIGGERED,
            created_at_ms=reply.created_at_ms,
            recorded_at_ms=self._clock.now_ms(),
            workflow_run_id=reply.workflow_run_id,
        )
        await self._journal.commit([DropAttempt(attempt.address), PutRecord(record)])
        self._tell(Result(attempt.address, Outcome.RESUMED, reply.workflow_run_id, reply.created_at_ms))

    async def _is_gone(self, dlq_id: str) -> bool:
        """Whether the queue, listed as a whole, doesn't hold a dead letter. A 404 alone may come from anything on the
        way, and the run would be left alone for good."""
        try:
            async for letters in self._gateway.list_dead_letters(label=self._label, since_ms=None):
                if any(letter.dlq_id == dlq_id for letter in letters):
                    return False
        except RemoteFailure:
            return False
        return True

    async def _refuse(self, shipment: Shipment, message: str) -> None:
        await self._journal.commit([shipment.rejected(message)])
        self._sender.settle(shipment, Outcome.REJECTED, error=message)

    async def _let_go(self, shipment: Shipment) -> None:
        """Its dead letter is gone: somebody else dealt with it, and it is left to them for good."""
        attempt = shipment.attempt
        now_ms = self._clock.now_ms()
        observed = Observe(attempt.address, RunState.FAILED, now_ms, handled=True)
        await self._journal.commit([DropAttempt(attempt.address), observed])
        words = "its dead letter is gone: somebody else dealt with it"
        self._listener(Notice(f"{attempt.address} is not resumed: {words}"))
        self._tell(Result(attempt.address, Outcome.KEPT, attempt.triggered_id, error=words))

    def _tell(self, result: Result) -> None:
        self._sender.tell(result)


def own_labels(request: str) -> list[str]:
    """The labels that a run's manifest gave it, as recorded; without those that hold a secret."""
    labels = json.loads(request).get("labels") if request else None
    return [label for label in labels or () if "${{" not in label]
