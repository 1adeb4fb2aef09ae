"""What is sent: an encoded item, and the attempt that stands for it on disk."""

from __future__ import annotations

from dataclasses import dataclass

from wfdeploy.model.address import instance_parts
from wfdeploy.model.edits import DropAttempt, Edit, PutAttempt
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.server_time import ServerTime


@dataclass(slots=True)
class Shipment:
    """One run on its way. `attempt` is what the journal holds (or will hold) for it, made as an intent.

    `inconclusive` is sticky: an earlier attempt of it may have started a run that the logs don't show yet, so a
    refusal of this one says nothing about that one. `looked_up`: the logs were asked for it and do not know it.
    `send_before_ms`: after this (server time, Unix ms) sending it would not be safe any more. Of a resume there is no
    item but the attempt's label. `said_to_run`: it was refused in words (the attempt's `error`) that call it a run in
    progress; if the logs don't know it, that was a refusal like any other. `ended_at`: the moment (monotonic) after
    which no byte of it left any more.
    """

    item: Item
    attempt: Attempt
    inconclusive: bool = False
    looked_up: bool = False
    send_before_ms: int | None = None
    said_to_run: bool = False
    ended_at: float | None = None

    def intent(self, now_ms: int) -> Attempt:
        """The attempt as it is written before the request leaves."""
        if self.attempt.status is not AttemptStatus.INTENT:  # it was sent before
            self.attempt = self.attempt._replace(
                status=AttemptStatus.INTENT, intent_at_ms=now_ms, ended_at_ms=None, error=None
            )
        return self.attempt

    def unknown(self, time: ServerTime, reason: str, *, said_to_run: bool = False) -> Edit:
        """The request may have left, until now, and nobody knows what became of it."""
        self.ended_at = time.now()
        self.said_to_run = said_to_run
        self.attempt = self.attempt._replace(
            status=AttemptStatus.UNKNOWN, ended_at_ms=time.recorded_ms(), error=reason, inconclusive=self.inconclusive
        )
        return PutAttempt(self.attempt)

    def rejected(self, reason: str) -> Edit:
        """The server said no."""
        self.attempt = self.attempt._replace(status=AttemptStatus.REJECTED, error=reason)
        return PutAttempt(self.attempt)

    def withdrawn(self, time: ServerTime) -> Edit:
        """Nothing left, or nothing was started by what left: as if it had not been tried."""
        if self.inconclusive:
            return self.unknown(time, self.attempt.error or "its answer was lost")
        if instance_parts(self.attempt.address) is not None:
            # Its schedule may be past it: without an attempt, nobody would know that it is still to be triggered.
            return self.rejected("it was held back before it was sent")
        return DropAttempt(self.attempt.address)
