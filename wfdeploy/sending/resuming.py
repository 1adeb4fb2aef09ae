"""Resume failed runs, one request for each; a label of its own makes a lost answer found again.

The server chooses the id of a resumed run. So each attempt carries a label that no other attempt has, which is on disk
as an intent before the request leaves. By this label the logs tell whether there is such a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import assert_never

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.edits import DropAttempt, Observe, PutAttempt, PutRecord
from wfdeploy.model.event import Notice, Outcome, Result
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import Denied, Gone, Lost, NotSent, Resumed, Stop, Throttled, daily_limit_refusal
from wfdeploy.model.state import Origin
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.patience import backoff_s
from wfdeploy.sending.session import Session


class Resumer:
    """Resumes failed runs. Lost answers are looked up together with the sender's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._outcomes = session.outcomes
        self._throttles = 0

    async def run(self, requests: Iterable[OutgoingRequest]) -> None:
        """Resume until nothing is left or there is a reason to halt. Raises nothing for what the server or the network
        do."""
        await self._session.each(requests, self._resume)

    async def _resume(self, request: OutgoingRequest) -> None:
        intent = PutAttempt(request.intent(self._session.clock.now_ms()))
        await self._session.journal.commit([intent], precedes_request=True)
        await self._post(request)

    async def _post(self, request: OutgoingRequest) -> None:
        attempt = request.attempt
        assert attempt.dlq_id is not None
        labels = (self._session.label, attempt.workflow_run_id, *own_labels(attempt.request))
        tries = 0
        while not self._session.halted:
            began = self._session.clock.monotonic()
            reply = await self._session.gateway.resume(attempt.dlq_id, labels=labels)
            match reply:
                case Resumed():
                    return await self._take(request, reply)
                case Gone(message):
                    if await self._is_gone(attempt.dlq_id):
                        return await self._leave_alone(request)
                    return await self._refuse(request, f"{message}; yet its dead letter is not known to be gone")
                case Denied(message):
                    return await self._refuse(request, message)
                case Lost(reason):
                    return await self._session.lose([request], reason, began)
                case Stop(status, message, hint):
                    self._outcomes.stop(f"the server answered {status}: {message}", hint)
                case Throttled(message, wait_s, end_ms):
                    self._throttles += 1
                    asked_s = backoff_s(self._throttles) if wait_s is None else wait_s
                    if not await self._session.patience.wait(asked_s, f"the server asks for a pause: {message}"):
                        stopped = (f"the server answered 429: {message}", "run it again later")
                        self._outcomes.stop(*(stopped if end_ms is None else daily_limit_refusal(message, end_ms)))
                case NotSent(reason):
                    tries += 1
                    if not await self._session.reconnect(tries):
                        self._outcomes.stop(f"no connection: {reason}", "check the network and the server's URL")
                case _:
                    assert_never(reply)
        await self._session.journal.commit([request.withdrawn(self._session.time)])
        return None

    async def _take(self, request: OutgoingRequest, reply: Resumed) -> None:
        attempt = request.attempt
        record = attempt.record(
            origin=Origin.TRIGGERED,
            created_at_ms=reply.created_at_ms,
            recorded_at_ms=self._session.clock.now_ms(),
            workflow_run_id=reply.workflow_run_id,
        )
        await self._session.journal.commit([DropAttempt(attempt.address), PutRecord(record)])
        self._outcomes.report(Result(attempt.address, Outcome.RESUMED, reply.workflow_run_id, reply.created_at_ms))

    async def _is_gone(self, dlq_id: str) -> bool:
        """Whether the whole queue doesn't hold this dead letter. A 404 alone may come from anything on the way, and the
        run would be left alone for good."""
        try:
            async for letters in self._session.gateway.list_dead_letters(label=self._session.label, since_ms=None):
                if any(letter.dlq_id == dlq_id for letter in letters):
                    return False
        except RemoteFailure:
            return False
        return True

    async def _refuse(self, request: OutgoingRequest, message: str) -> None:
        await self._session.journal.commit([request.rejected(message)])
        self._outcomes.report_refusal(request, message)

    async def _leave_alone(self, request: OutgoingRequest) -> None:
        """Leave a run for good to whoever removed its dead letter."""
        attempt = request.attempt
        now_ms = self._session.clock.now_ms()
        observed = Observe(attempt.address, RunState.FAILED, now_ms, handled=True)
        await self._session.journal.commit([DropAttempt(attempt.address), observed])
        reason = "its dead letter is gone: somebody resumed, restarted or deleted it elsewhere"
        hint = "`wfdeploy refresh` finds the run that continues it"
        self._session.listener(Notice(f"{attempt.address} is not resumed: {reason}", hint))
        self._outcomes.report(Result(attempt.address, Outcome.KEPT, attempt.triggered_id, error=reason))


def own_labels(request: str) -> list[str]:
    """The recorded labels of a run's manifest, without those that hold a secret."""
    labels = json.loads(request).get("labels") if request else None
    return [label for label in labels or () if "${{" not in label]
