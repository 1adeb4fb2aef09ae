"""What sending, resuming, cancelling and recovery have in common: their parts, and what became of the changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from wfdeploy.errors import StateUnusable, WfdeployError
from wfdeploy.model.event import RESULTS_HELD, Outcome, Result, Settled
from wfdeploy.model.spool import Spool
from wfdeploy.model.state import AttemptStatus
from wfdeploy.ports import Clock, Listener, RunGateway
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.listing import ListedRuns, list_all
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.server_time import ServerTime

T = TypeVar("T")

AT_ONCE = 8
"""Resumes, or requests to cancel, at once."""

CONNECT_TRIES = 5
"""How often a request is tried whose connection could not be made."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Why no more is sent."""

    reason: str

    hint: str | None = None

    final: bool = True
    """Whether looking up what was lost and going on would not help."""


class Outcomes:
    """What became of the changes so far, and why no more is sent."""

    halt: Halt | None = None

    broken: WfdeployError | None = None
    """Raised at the end: the state can't be written any more, or a request can't be made."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.lost: list[OutgoingRequest] = []  # perhaps sent: to be looked up
        self.held_back: list[OutgoingRequest] = []  # not sent: goes first when sending goes on
        self.results: Spool[Result] = Spool(held=RESULTS_HELD)
        self.counts = dict.fromkeys(Outcome, 0)

    def report(self, result: Result) -> None:
        """Report the outcome of a change. The state holds it already."""
        self.report_all(result.outcome, (result,))

    def report_refusal(self, request: OutgoingRequest, error: str) -> None:
        """Report that the server refused a run, and why. The state holds it already."""
        attempt = request.attempt
        self.report(Result(attempt.address, Outcome.REJECTED, attempt.run_id, error=error))

    def report_all(self, outcome: Outcome, results: Sequence[Result]) -> None:
        """Report this outcome of several changes. The state holds it already."""
        if results:
            self.results.extend(results)
            self.counts[outcome] += len(results)
            self._listener(Settled(results))

    def stop(self, reason: str, hint: str | None = None, *, final: bool = True) -> None:
        """Send no more; see `Halt`. The first reason is kept, unless only the later one is final."""
        if self.halt is None or (final and not self.halt.final):
            self.halt = Halt(reason, hint, final)

    def break_off(self, error: WfdeployError) -> None:
        """Send no more, and raise this error at the end."""
        self.broken = self.broken or error
        self.stop(error.message, error.hint)

    def put_back(self, requests: Iterable[OutgoingRequest]) -> None:
        """Keep what was not begun, to be sent when it goes on. What may have been sent before is looked up first."""
        for request in requests:
            is_open = request.attempt.status is AttemptStatus.UNKNOWN
            (self.lost if is_open else self.held_back).append(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The parts that one apply sends with."""

    connection: RunGateway | None
    """None: nothing is to be asked of the server, only commits are made."""

    journal: Journal

    clock: Clock

    time: ServerTime

    patience: Patience

    listener: Listener

    label: str
    """Carried by every run of the project."""

    log_lag_s: Callable[[], float]
    """A function, since the embedded server tells its own lag once it was asked."""

    outcomes: Outcomes

    async def each(self, items: Iterable[T], send: Callable[[T], Awaitable[None]]) -> None:
        """Send items, `AT_ONCE` at a time, until none is left or there is a reason to halt. A failure to write the
        state is one: whatever was sent has its intent on disk, and the next command looks it up."""
        places = asyncio.Semaphore(AT_ONCE)

        async def send_one(item: T) -> None:
            try:
                if not self.halted:
                    await send(item)
            except StateUnusable as error:
                self.outcomes.break_off(error)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for item in items:
                await places.acquire()
                if self.halted:
                    return
                group.create_task(send_one(item))

    async def lose(self, requests: Sequence[OutgoingRequest], reason: str, began: float) -> None:
        """Record that the answer to these requests is lost; they went out together at `began` (monotonic). Too much
        time lost is a reason to halt."""
        if not self.patience.use(began):  # first of all: others are ready to leave
            self.outcomes.stop(f"the server's answers are lost: {reason}", "give it more time with --timeout")
        await self.journal.commit([request.unknown(self.time, reason) for request in requests])
        self.outcomes.lost.extend(requests)

    async def reconnect(self, tries: int) -> bool:
        """Wait before a request is tried again whose connection could not be made. False: it was tried often enough.

        Nothing has left, so trying again is safe."""
        return tries < CONNECT_TRIES and await self.patience.wait(0.1 * 2**tries, "connecting again")

    async def list_runs(self, since_ms: int | None) -> ListedRuns:
        """List the project's runs; see `list_all`."""
        return await list_all(self.gateway, self.clock, self.listener, label=self.label, since_ms=since_ms)

    @property
    def gateway(self) -> RunGateway:
        """The way to the server."""
        assert self.connection is not None, "nothing was to be asked of the server"
        return self.connection

    @property
    def halted(self) -> bool:
        """Whether no more may be sent: there is a reason to halt, or the user asked to stop."""
        return self.outcomes.halt is not None or self.patience.stopped
