"""Send batches, many in flight, and record the outcome of each run.

`match` in `_post` is the table of answers in `docs/answers.md`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from wfdeploy.errors import StateUnusable, WfdeployError
from wfdeploy.model.edits import Edit, Intend, RecordOutcomes
from wfdeploy.model.event import Outcome, Result
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Denied,
    InProgress,
    ItemReply,
    Lost,
    NotSent,
    Stop,
    Taken,
    Throttled,
    TooLarge,
    TriggerReply,
    Unclear,
    daily_limit_refusal,
)
from wfdeploy.model.state import Origin
from wfdeploy.sending.batches import Batch, OutgoingRequest, halves, halves_by_bytes, pack
from wfdeploy.sending.patience import backoff_s
from wfdeploy.sending.session import Session
from wfdeploy.sending.window import Window, sign_of, throttled

LOST_IN_A_ROW = 3
"""After so many batches lost in a row, no more are risked before the lost ones were looked up."""

SYSTEMIC = 8
"""When so many runs are refused alone, in the same words, and none is accepted, the refusal isn't about the runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is sent at once."""

    max_items: int = 100
    """Runs of one batch."""

    max_bytes: int = 10_000_000
    """Of an encoded batch."""

    concurrency: int = 64
    """Requests at once, at most."""

    max_rate: float | None = None
    """Runs per second. None: as fast as it goes."""


class Sender:
    """Sends batches and records their outcomes. `run` may be called again with more."""

    def __init__(self, session: Session, limits: Limits) -> None:
        self._session = session
        self._outcomes = session.outcomes
        self._limits = limits
        self._window = Window(session.clock, most=limits.concurrency)
        self._gate = asyncio.Lock()
        self._open_at = 0.0  # monotonic; no request leaves before it
        self._throttles = 0
        self._resumed_at = -1.0
        self._accepted = 0
        self._lost_in_a_row = 0
        self._refusals: Counter[str] = Counter()
        self._uncommitted = 0  # batches that wait for the journal
        self._room = asyncio.Event()  # another batch may be begun

    async def run(self, requests: Iterator[OutgoingRequest]) -> None:
        """Send until nothing is left or there is a reason to halt. What was not begun stays in the iterator, and in
        `outcomes.held_back`.

        Raises nothing for what the server or the network do: that is in the session's outcomes. Cancelled, it leaves
        intents.
        """
        ahead: deque[OutgoingRequest] = deque()
        batches = pack(requests, max_items=self._limits.max_items, max_bytes=self._limits.max_bytes, ahead=ahead)
        begun: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            try:
                await self._begin_all(batches, begun, group)
            finally:
                self._session.journal.expect_more(is_coming=False)
        self._outcomes.put_back(ahead)

    async def _begin_all(
        self, batches: Iterator[Batch], begun: set[asyncio.Task[None]], group: asyncio.TaskGroup
    ) -> None:
        def end(task: asyncio.Task[None]) -> None:
            begun.discard(task)
            self._room.set()

        journal = self._session.journal
        while not self._session.halted:
            # The window bounds what is on its way; as many again may wait for a place. Those that wait for the journal
            # come on top where its transactions are dear: the slower it is, the more of them share one.
            if len(begun) - min(self._uncommitted, journal.ahead) >= 2 * self._window.limit:
                journal.expect_more(is_coming=False)
                self._room.clear()
                await self._room.wait()
                continue
            journal.expect_more(is_coming=True)
            try:
                batch = next(batches, None)
            except WfdeployError as error:
                # A request can't be made: a manifest was edited meanwhile, or its cache was wrong.
                self._outcomes.break_off(error)
                return
            if batch is None:
                return
            task = group.create_task(self._deliver(batch))
            begun.add(task)
            task.add_done_callback(end)
            await asyncio.sleep(0)  # lets batches in flight proceed before the next one is encoded

    async def _deliver(self, batch: Batch) -> None:
        try:
            now_ms = self._session.clock.now_ms()
            intents = Intend([request.intent(now_ms) for request in batch])
            await self._commit(intents, precedes_request=True, size=sum(len(one.item.encoded) for one in batch))
            await self._post(batch)
        except StateUnusable as error:
            # Whatever was sent has its intent on disk, and the next command looks it up.
            self._outcomes.break_off(error)

    async def _post(self, batch: Batch) -> None:
        """Send a batch whose intents are on disk until each of its runs has an outcome."""
        tries = 0
        while batch:
            with await self._window.enter() as place:
                if not await self._may_send(len(batch)):
                    return await self._withdraw(batch)
                batch = await self._still_safe(batch)
                if not batch:
                    return None
                place.begin()
                began = self._session.clock.monotonic()
                reply = await self._trigger(batch)
                place.take(sign_of(reply))
            match reply:
                case Answered(items):
                    self._lost_in_a_row = 0
                    sent, batch = len(batch), await self._take(batch, items)
                    if len(batch) < sent:
                        self._throttles = 0  # some were accepted, so there is no need to back off further
                    if (later := throttled(items)) is not None:
                        await self._throttle(later)
                case BatchRefused(_, message, running):
                    named = [one for one in batch if one.item.workflow_run_id in running]
                    if named:
                        await self._take(named, [InProgress(message)] * len(named))
                        batch = [one for one in batch if one.item.workflow_run_id not in running]
                    elif len(batch) == 1:
                        return await self.refuse([(batch[0], message)])
                    else:
                        for half in halves(batch):
                            await self._post(half)
                        return None
                case TooLarge(message):
                    if len(batch) == 1:
                        return await self.refuse([(batch[0], message)])
                    for half in halves_by_bytes(batch):
                        await self._post(half)
                    return None
                case Stop(status, message, hint):
                    self._outcomes.stop(f"the server answered {status}: {message}", hint)
                case Throttled():
                    await self._throttle(reply)
                case NotSent(reason):
                    tries += 1
                    if not await self._session.reconnect(tries):
                        self._outcomes.stop(f"the server cannot be reached: {reason}", "check the URL and the network")
                case Lost(reason):
                    return await self._lose(batch, reason, began)
                case _:
                    assert_never(reply)
        return None

    async def _trigger(self, batch: Batch) -> TriggerReply:
        """Send a batch once. Abandon it, wherever it is held up, at the time by which it must have left."""
        items = [request.item for request in batch]
        until_ms = min((one.send_before_ms for one in batch if one.send_before_ms is not None), default=None)
        if until_ms is None:
            return await self._session.gateway.trigger(items)
        try:
            async with asyncio.timeout((until_ms - self._session.time.latest_ms()) / 1000):
                return await self._session.gateway.trigger(items)
        except TimeoutError:
            return Lost("given up: sent any later, it might have started a second run")

    async def _may_send(self, runs: int) -> bool:
        """Wait until the limits of the server and of the user let a request leave. False: it may not leave any more."""
        async with self._gate:
            wait_s = self._open_at - self._session.clock.monotonic()
            if not self._session.halted and wait_s > 0:
                await self._session.patience.pause(wait_s)  # the user's own rate: costs no patience
            if self._session.halted:
                return False
            if self._limits.max_rate:
                self._open_at = max(self._open_at, self._session.clock.monotonic()) + runs / self._limits.max_rate
            return True

    async def _still_safe(self, batch: Batch) -> Batch:
        """Return the batch without requests that were held up until sending them could start a second run."""
        now_ms = self._session.time.latest_ms()
        late = [one for one in batch if one.send_before_ms is not None and now_ms >= one.send_before_ms]
        if not late:
            return batch
        await self._session.journal.commit([request.withdrawn(self._session.time) for request in late])
        self._outcomes.lost.extend(late)
        return [request for request in batch if request not in late]

    async def _throttle(self, reply: Throttled) -> None:
        self._throttles += 1
        asked_s = backoff_s(self._throttles) if reply.wait_s is None else reply.wait_s
        asked_at = self._session.clock.monotonic()
        async with self._gate:
            if self._resumed_at >= asked_at:
                return  # another batch in flight got the same answer, and waited for all of them
            if not await self._session.patience.wait(asked_s, f"the server asks for a pause: {reply.message}"):
                if reply.daily_limit_end_ms is None:
                    message = f"the server answered 429 and asks to wait {asked_s:.0f} s: {reply.message}"
                    hint = "run it again later, or give it more time with --timeout"
                else:
                    message, hint = daily_limit_refusal(reply.message, reply.daily_limit_end_ms)
                self._outcomes.stop(message, hint)
            self._resumed_at = self._session.clock.monotonic()

    async def _take(self, batch: Batch, replies: Sequence[ItemReply]) -> Batch:
        """Record the outcome of each run, and return the requests that the server puts off."""
        created = [reply.created_at_ms for reply in replies if type(reply) is Taken and not reply.deduplicated]
        if len(created) == len(batch):  # nearly always
            await self._commit(self._accept(batch, created, Origin.TRIGGERED))
            self._report_taken(batch, created, Outcome.TRIGGERED)
            return []
        edits: list[Edit] = []
        fresh: list[OutgoingRequest] = []
        there: list[OutgoingRequest] = []
        there_created: list[int | None] = []
        refused: list[tuple[OutgoingRequest, str]] = []
        lost: list[OutgoingRequest] = []
        later: list[OutgoingRequest] = []
        for request, reply in zip(batch, replies, strict=True):
            match reply:
                case Taken(_, deduplicated=False):
                    fresh.append(request)
                case Taken() | InProgress() if request.attempt.explicit_id:
                    reason = _taken_id(request)
                    if _is_another_run(request, reply):
                        edits.append(request.rejected(reason))
                        refused.append((request, reason))
                    else:
                        lost.append(request)
                        edits.append(request.unknown(self._session.time, reason, reported_running=True))
                case Taken(created_at_ms):
                    there.append(request)
                    there_created.append(created_at_ms)
                case Denied(message) if request.inconclusive:
                    lost.append(request)
                    edits.append(request.unknown(self._session.time, message))
                case Denied(message):
                    edits.append(request.rejected(message))
                    refused.append((request, message))
                case Unclear(reason) | InProgress(reason):
                    lost.append(request)
                    runs = isinstance(reply, InProgress)
                    edits.append(request.unknown(self._session.time, reason, reported_running=runs))
                case Throttled():
                    later.append(request)
                case _:
                    assert_never(reply)
        if fresh:
            edits.append(self._accept(fresh, created, Origin.TRIGGERED))
        if there:
            edits.append(self._accept(there, there_created, Origin.DEDUPLICATED))
        await self._session.journal.commit(edits)
        self._outcomes.lost.extend(lost)
        self._report_taken(fresh, created, Outcome.TRIGGERED)
        self._report_taken(there, there_created, Outcome.DEDUPLICATED)
        for request, error in refused:
            self._outcomes.report_refusal(request, error)
        return later

    async def _commit(self, edit: Edit, *, precedes_request: bool = False, size: int = 0) -> None:
        """Commit what every batch has, together with that of others."""
        self._uncommitted += 1
        self._room.set()
        try:
            await self._session.journal.commit([edit], precedes_request=precedes_request, may_gather=True, size=size)
        finally:
            self._uncommitted -= 1

    def _accept(self, taken: Batch, created: list[int | None], origin: Origin) -> RecordOutcomes:
        self._accepted += len(taken)
        return RecordOutcomes([request.attempt for request in taken], created, origin, self._session.clock.now_ms())

    def _report_taken(self, taken: Batch, created: list[int | None], outcome: Outcome) -> None:
        ids = [request.item.workflow_run_id for request in taken]
        addresses = [request.attempt.address for request in taken]
        self._outcomes.report_all(outcome, Result.several(addresses, outcome, ids, created))

    async def refuse(self, refused: Sequence[tuple[OutgoingRequest, str]]) -> None:
        """Record refusals of single runs, with the server's words."""
        await self._take([request for request, _ in refused], [Denied(reason) for _, reason in refused])
        for _, message in refused:
            self._refusals[message] += 1
            if self._accepted == 0 and self._refusals[message] >= SYSTEMIC:
                self._outcomes.stop(
                    f"the server refused {SYSTEMIC} runs, each by itself, all with: {message}",
                    "this is about the account or the target, not about one run",
                )

    async def _lose(self, batch: Batch, reason: str, began: float) -> None:
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            self._outcomes.stop(f"the server's answers are lost: {reason}", final=False)
        await self._session.lose(batch, reason, began)

    async def _withdraw(self, batch: Batch) -> None:
        await self._session.journal.commit([request.withdrawn(self._session.time) for request in batch])
        self._outcomes.put_back(batch)


def _taken_id(request: OutgoingRequest) -> str:
    """Explain why a run with an author's id was not started."""
    return (
        f"another run with the workflowRunId {request.attempt.workflow_run_id} is in progress: apply again when it "
        "has ended, or give this one another id"
    )


def _is_another_run(request: OutgoingRequest, reply: Taken | InProgress) -> bool:
    """Whether the run in progress with an author's id is surely another one than this request's.

    A run from before our first intent is. `since_ms` is earlier than that by up to the logs' lag, so only the logs tell
    of later ones: where they were asked and don't know the run as ours, it is another one, unless ours may be delayed
    and therefore not shown yet.
    """
    since_ms = request.attempt.since_ms
    created_at_ms = reply.created_at_ms if isinstance(reply, Taken) else None
    if created_at_ms is not None and since_ms is not None and created_at_ms < since_ms:
        return True
    return request.looked_up and not request.inconclusive
