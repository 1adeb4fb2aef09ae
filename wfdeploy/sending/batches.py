"""Requests to be sent, each with the attempt that stands for it on disk, and the batches that they are sent in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wfdeploy.model.address import instance_parts
from wfdeploy.model.edits import DropAttempt, Edit, PutAttempt
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.server_time import ServerTime

_BRACKETS = 2
_COMMA = 1
"""Bytes of the JSON array around its items."""


@dataclass(slots=True)
class OutgoingRequest:
    """One run to be triggered or resumed."""

    item: Item
    """What is sent. Of a resume, only the id is there: the attempt's label."""

    attempt: Attempt
    """What the journal holds, or will hold, for it. Begins as an intent."""

    inconclusive: bool = False
    """Whether an earlier attempt may have started a run that the logs don't show yet. Sticky: a refusal of this attempt
    says nothing about that one."""

    looked_up: bool = False
    """Whether it was looked up in the logs and isn't there."""

    send_before_ms: int | None = None
    """After this (server time, Unix ms), sending it would not be safe any more."""

    reported_running: bool = False
    """Whether it was refused as a run in progress, in the words of the attempt's `error`. If the logs don't know the
    run, this was a refusal like any other."""

    ended_at: float | None = None
    """The moment (monotonic) after which no byte of it left any more."""

    def intent(self, now_ms: int) -> Attempt:
        """The attempt as it is written before the request leaves."""
        if self.attempt.status is not AttemptStatus.INTENT:  # it was sent before
            self.attempt = self.attempt._replace(
                status=AttemptStatus.INTENT, intent_at_ms=now_ms, ended_at_ms=None, error=None
            )
        return self.attempt

    def unknown(self, time: ServerTime, reason: str, *, reported_running: bool = False) -> Edit:
        """Note that the request may have left, until now, and that its outcome is open."""
        self.ended_at = time.now()
        self.reported_running = reported_running
        self.attempt = self.attempt._replace(
            status=AttemptStatus.UNKNOWN, ended_at_ms=time.recorded_ms(), error=reason, inconclusive=self.inconclusive
        )
        return PutAttempt(self.attempt)

    def rejected(self, reason: str) -> Edit:
        """Note that the server refused it."""
        self.attempt = self.attempt._replace(status=AttemptStatus.REJECTED, error=reason)
        return PutAttempt(self.attempt)

    def withdrawn(self, time: ServerTime) -> Edit:
        """Note that nothing left, or that what left started nothing: as if it had not been tried."""
        if self.inconclusive:
            return self.unknown(time, self.attempt.error or "its answer was lost")
        if instance_parts(self.attempt.address) is not None:
            # Its schedule may be past it: without an attempt, nobody would know that it is still to be triggered.
            return self.rejected("it was held back before it was sent")
        return DropAttempt(self.attempt.address)


Batch: TypeAlias = Sequence[OutgoingRequest]
"""Requests that are sent together, one or more."""


def pack(
    requests: Iterable[OutgoingRequest],
    *,
    max_items: int,
    max_bytes: int,
    ahead: deque[OutgoingRequest] | None = None,
) -> Iterator[Batch]:
    """Cut requests lazily into batches, in order. A single item above `max_bytes` goes alone.

    `max_items`: runs of one batch. `max_bytes`: of its encoded JSON array. `ahead`: holds, between two batches, what
    was taken and did not fit into the one before.
    """
    ahead = deque() if ahead is None else ahead
    more = iter(requests)
    batch: list[OutgoingRequest] = []
    size = _BRACKETS
    while (one := ahead.popleft() if ahead else next(more, None)) is not None:
        length = len(one.item.encoded) + _COMMA
        if batch and (len(batch) >= max_items or size + length > max_bytes):
            ahead.appendleft(one)
            yield batch
            batch, size = [], _BRACKETS
        else:
            batch.append(one)
            size += length
    if batch:
        yield batch


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same number of runs; neither is empty. Takes two or more."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def halves_by_bytes(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same size in bytes; neither is empty. Takes two or more."""
    total = sum(len(request.item.encoded) for request in batch)
    size = 0
    for index, request in enumerate(batch[:-1], start=1):
        size += len(request.item.encoded)
        if size * 2 >= total:
            return batch[:index], batch[index:]
    return batch[:-1], batch[-1:]
