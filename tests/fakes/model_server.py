"""The far end as `docs/guarantees.md` assumes it, and no better: for proofs in virtual time.

- A run id is reserved while its run is in progress and free the moment it ends.
- A request arrives, and its run shows in the logs, at most `lag_s` after it was sent; a delayed run may show only
  `lag_s` after its start.
- A run may fail; then it stands in the dead-letter queue, from where each resume makes a run with an id of its own.
- Any answer may be lost, any process may die at any moment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.fakes.manual_clock import ManualClock
from wfdeploy.errors import RemoteFailure
from wfdeploy.manifests.identify.run_ids import parse_attempt
from wfdeploy.model.observed import ObservedRun, RunLog, RunState
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Cancelled,
    CancelReply,
    DeadLetter,
    Denied,
    Gone,
    Item,
    ItemReply,
    Lost,
    NotCancelled,
    NotSent,
    Resumed,
    ResumeReply,
    RunPage,
    ServerFacts,
    Stop,
    Taken,
    Throttled,
    TooLarge,
    TriggerReply,
)
from wfdeploy.model.workflow_id import RunIndex, parse_run_id
from wfdeploy.ports import RunGateway


class Crash(BaseException):
    """The process dies here. Not an `Exception`: nothing may handle it."""


class Fault(Enum):
    """What happens to one call that starts runs."""

    NONE = "none"
    LOST_BEFORE = "lost before the server acted"
    LOST_AFTER = "lost after the server acted"
    LOST_LATE = "given up by the client, arrives later"
    LOST_PARTLY = "the server broke down in the middle of the batch"
    CRASH_BEFORE = "the process dies, the request never left"
    CRASH_AFTER = "the process dies after the server acted"
    CRASH_LATE = "the process dies, the request arrives later"
    NOT_SENT = "no connection"
    THROTTLED = "429"
    REFUSED = "400 for the whole batch"
    REFUSED_IN_ODD_WORDS = "400 that names runs as running though none is"
    UNAUTHORISED = "401"
    TOO_LARGE = "413"


@dataclass(slots=True)
class ModelRun:
    run_id: str
    label: str
    created_ms: int
    starts_ms: int
    ends_ms: int
    visible_ms: int
    labels: tuple[str, ...] = ()
    fails: bool = False
    cancelled: bool = False
    letter: str | None = None
    body: str = ""
    foreign: bool = False

    @property
    def identity(self) -> str:
        """What no two runs of ours have in common: the derived id, also where it is the label of another one."""
        return next((label for label in self.labels if parse_run_id(label)), self.run_id)

    def state(self, now_ms: int) -> RunState:
        """How it does at that time of the server's clock."""
        if self.ends_ms > now_ms:
            return RunState.STARTED
        if self.cancelled:
            return RunState.CANCELED
        return RunState.FAILED if self.fails else RunState.SUCCESS


@dataclass
class ModelServer(RunGateway):
    """`clock` is shared with the client, who may have it wrong. `durations_s`: how long runs take, in turn. `bad`:
    refuses these ids, `refuses_whole`: answers 400 to a batch that holds one of these. `failing`: whether the n-th run
    fails. `keeps_letters`: a dead letter stays when it was resumed, so that a second resume starts a second run.
    `ignores_filters`: listings show all that there is, whatever label and time are asked for. `tells_time`: answers
    have a `Date`."""

    clock: ManualClock
    lag_s: float = 60.0
    hide_delayed: bool = True
    duplicates_are_errors: bool = False
    durations_s: Sequence[float] = (0.5,)
    faults: list[Fault] = field(default_factory=list)
    listing_faults: list[Fault] = field(default_factory=list)
    page_s: float = 0.0
    cancel_faults: list[Fault] = field(default_factory=list)
    uncancellable: Callable[[str], bool] = lambda _: False
    bad: Callable[[str], bool] = lambda _: False
    refuses_whole: Callable[[str], bool] = lambda _: False
    failing: Callable[[int], bool] = lambda _: False
    keeps_letters: bool = False
    ignores_filters: bool = False
    tells_time: bool = True
    logs_tell_letters: bool = True
    logs_tell_payloads: bool = True
    letter_listings: int = 0
    runs: list[ModelRun] = field(default_factory=list)
    late: list[tuple[int, list[Item]]] = field(default_factory=list)
    late_resumes: list[tuple[int, str, Sequence[str]]] = field(default_factory=list)
    calls: int = 0
    skew_s: float = 0.0

    def now_ms(self) -> int:
        """The server's clock."""
        return self.clock.true_ms + round(1000 * self.skew_s)

    @property
    def counts(self) -> Counter[str]:
        """How many runs were accepted under each identity."""
        self._arrive()
        return Counter(run.identity for run in self.runs if not run.foreign)

    @property
    def facts(self) -> ServerFacts:
        return ServerFacts()

    async def may_trigger(self) -> bool | None:
        return True

    async def aclose(self) -> None:
        return

    @property
    def tries(self) -> Counter[str]:
        """How many runs were started under each label of an attempt."""
        self._arrive()
        return Counter(label for run in self.runs for label in run.labels if parse_attempt((label,)))

    def show_delayed(self) -> None:
        """From now on delayed runs show as others do. A lost state is made good by the logs alone, so where they
        hide what is queued, nothing can (docs/guarantees.md, "What it rests on")."""
        self.hide_delayed = False
        for run in self.runs:
            run.visible_ms = min(run.visible_ms, run.created_ms + round(1000 * self.lag_s))

    def add_foreign(self, run_id: str, labels: tuple[str, ...], duration_s: float) -> None:
        """A run that somebody else triggered, under an id that isn't running."""
        now_ms = self.now_ms()
        if self._running(run_id, now_ms) is None:
            ends_ms = now_ms + round(1000 * duration_s)
            label = labels[0] if labels else ""
            self.runs.append(ModelRun(run_id, label, now_ms, now_ms, ends_ms, now_ms, labels=labels, foreign=True))

    # --- triggers --------------------------------------------------------------------------------------------

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self.calls += 1
        await self.clock.sleep(0.01)
        self._arrive()
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        sent_ms = self.now_ms()
        match fault:
            case Fault.NONE:
                return self._answer(items, sent_ms)
            case Fault.LOST_BEFORE:
                return Lost("timeout")
            case Fault.LOST_AFTER:
                self._answer(items, sent_ms)
                return Lost("connection reset")
            case Fault.LOST_LATE:
                self._later(items, sent_ms)
                return Lost("timeout")
            case Fault.LOST_PARTLY:
                self._answer(items[: len(items) // 2], sent_ms)
                return Lost("500")
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.CRASH_AFTER:
                self._answer(items, sent_ms)
                raise Crash
            case Fault.CRASH_LATE:
                self._later(items, sent_ms)
                raise Crash
            case Fault.NOT_SENT:
                return NotSent("connection refused")
            case Fault.THROTTLED:
                return Throttled("slow down", 1.0)
            case Fault.REFUSED:
                return BatchRefused(400, "bad request")
            case Fault.REFUSED_IN_ODD_WORDS:
                ids = frozenset(item.workflow_run_id for item in items)
                return BatchRefused(400, f"cannot start {', '.join(sorted(ids))}: 100 runs are active", ids)
            case Fault.UNAUTHORISED:
                return Stop(401, "unauthorised")
            case Fault.TOO_LARGE:
                return TooLarge("too large")

    def _later(self, items: Sequence[Item], sent_ms: int) -> None:
        """Arrives just before it would be too late."""
        self.late.append((sent_ms + round(1000 * self.lag_s) - 1, list(items)))

    def _arrive(self) -> None:
        now_ms = self.now_ms()
        due = [entry for entry in self.late if entry[0] <= now_ms]
        self.late = [entry for entry in self.late if entry[0] > now_ms]
        for arrival_ms, items in due:
            self._answer(items, arrival_ms, visible_ms=arrival_ms + 1)
        resumes = [entry for entry in self.late_resumes if entry[0] <= now_ms]
        self.late_resumes = [entry for entry in self.late_resumes if entry[0] > now_ms]
        for arrival_ms, letter, labels in resumes:
            self._revive(letter, labels, arrival_ms, visible_ms=arrival_ms + 1)

    def _answer(self, items: Sequence[Item], now_ms: int, visible_ms: int | None = None) -> TriggerReply:
        parsed = [json.loads(item.encoded) for item in items]
        if self.duplicates_are_errors:
            running = frozenset(item.workflow_run_id for item in items if self._running(item.workflow_run_id, now_ms))
            if running:
                return BatchRefused(400, f"already running: {', '.join(sorted(running))}", running)
        if any(self.refuses_whole(item.workflow_run_id) for item in items):
            return BatchRefused(400, "there is a bad one among these")
        replies: list[ItemReply] = []
        for item, content in zip(items, parsed, strict=True):
            replies.append(self._accept(item.workflow_run_id, content, now_ms, visible_ms))
        return Answered(tuple(replies))

    def _accept(self, run_id: str, content: dict[str, Any], now_ms: int, visible_ms: int | None) -> ItemReply:
        headers: dict[str, str] = content["headers"]
        running = self._running(run_id, now_ms)
        if running is not None:
            return Taken(running.created_ms, deduplicated=True)
        if self.bad(run_id):
            return Denied("this one is bad")
        delay_ms = 1000 * int(headers.get("Upstash-Delay", "0s").removesuffix("s"))
        starts_ms = max(now_ms + delay_ms, 1000 * int(headers.get("Upstash-Not-Before", "0")))
        duration_s = self.durations_s[len(self.runs) % len(self.durations_s)]
        lag_ms = round(1000 * self.lag_s)
        shows_from = starts_ms if self.hide_delayed and starts_ms > now_ms else now_ms
        labels = headers["Upstash-Label"].split(",")
        self.runs.append(
            ModelRun(
                run_id=run_id,
                label=labels[0],
                labels=tuple(labels),
                body=content.get("body", ""),
                created_ms=now_ms,
                starts_ms=starts_ms,
                ends_ms=starts_ms + round(1000 * duration_s),
                visible_ms=shows_from + lag_ms if visible_ms is None or shows_from > now_ms else visible_ms,
                fails=self.failing(len(self.runs)),
                letter=f"{len(self.runs)}-0",
            )
        )
        return Taken(now_ms)

    def _running(self, run_id: str, now_ms: int) -> ModelRun | None:
        return next((run for run in self.runs if run.run_id == run_id and run.ends_ms > now_ms), None)

    # --- reading ---------------------------------------------------------------------------------------------

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        await self.clock.sleep(0.01)
        self._arrive()
        fault = self.listing_faults.pop(0) if self.listing_faults else Fault.NONE
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is not Fault.NONE:
            raise RemoteFailure("the logs are out of order")
        now_ms = self.now_ms()
        shown = [
            run for run in reversed(self.runs) if run.visible_ms <= now_ms and self._is_asked_for(run, label, since_ms)
        ]
        date_ms = now_ms // 1000 * 1000 if self.tells_time else None
        if cursor:  # it names the run that its page begins with; one that isn't known ends the listing
            shown = shown[next((at for at, run in enumerate(shown) if _cursor(run) == cursor), len(shown)) :]
        pages = [shown[start : start + 3] for start in range(0, len(shown), 3)] or [[]]
        for index, page in enumerate(pages):
            last = index == len(pages) - 1
            runs = tuple(self._observed(run, now_ms) for run in page)
            yield RunPage(runs, date_ms, last, "" if last else _cursor(pages[index + 1][0]))
            if self.page_s:
                await self.clock.sleep(self.page_s)

    def _is_asked_for(self, run: ModelRun, label: str, since_ms: int | None) -> bool:
        return self.ignores_filters or (run.label == label and (since_ms is None or run.created_ms >= since_ms))

    def _observed(self, run: ModelRun, now_ms: int) -> ObservedRun:
        state = self.state_of(run, now_ms)
        return ObservedRun(
            workflow_run_id=run.run_id,
            state=state,
            created_at_ms=run.created_ms,
            completed_at_ms=run.ends_ms if state.is_final else None,
            labels=run.labels,
            dlq_id=run.letter if state is RunState.FAILED and self.logs_tell_letters else None,
        )

    async def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        await self.clock.sleep(0.01)
        self._arrive()
        self.letter_listings += 1
        now_ms = self.now_ms()
        letters = [
            DeadLetter(run.letter, run.run_id, run.created_ms, run.labels)
            for run in self.runs
            if run.letter is not None
            and self.state_of(run, now_ms) is RunState.FAILED
            and self._is_asked_for(run, label, since_ms)
        ]
        for start in range(0, max(len(letters), 1), 3):
            yield letters[start : start + 3]

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        await self.clock.sleep(0.01)
        if not self.logs_tell_payloads:
            return None
        runs = (run for run in self.runs if (run.run_id, run.created_ms) == (workflow_run_id, created_at_ms))
        return next((f"digest of {run.body}" for run in runs), None)

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        await self.clock.sleep(0.01)
        self._arrive()
        now_ms = self.now_ms()
        shown = [self._observed(run, now_ms) for run in reversed(self.runs) if run.visible_ms <= now_ms]
        run = RunIndex(shown).recorded(workflow_run_id, created_at_ms)
        if run is None:
            return None
        return RunLog(
            workflow_run_id=run.workflow_run_id,
            state=run.state,
            created_at_ms=run.created_at_ms,
            completed_at_ms=run.completed_at_ms,
        )

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        await self.clock.sleep(0.01)
        self._arrive()
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        now_ms = self.now_ms()
        match fault:
            case Fault.NONE:
                return self._revive(dlq_id, labels, now_ms)
            case Fault.LOST_BEFORE:
                return Lost("timeout")
            case Fault.LOST_AFTER | Fault.LOST_PARTLY:
                self._revive(dlq_id, labels, now_ms)
                return Lost("connection reset")
            case Fault.LOST_LATE:
                self.late_resumes.append((now_ms + round(1000 * self.lag_s) - 1, dlq_id, labels))
                return Lost("timeout")
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.CRASH_AFTER:
                self._revive(dlq_id, labels, now_ms)
                raise Crash
            case Fault.CRASH_LATE:
                self.late_resumes.append((now_ms + round(1000 * self.lag_s) - 1, dlq_id, labels))
                raise Crash
            case Fault.NOT_SENT:
                return NotSent("connection refused")
            case Fault.THROTTLED:
                return Throttled("slow down", 1.0)
            case Fault.REFUSED | Fault.REFUSED_IN_ODD_WORDS | Fault.TOO_LARGE:
                return Denied("bad request")
            case Fault.UNAUTHORISED:
                return Stop(401, "unauthorised")

    def state_of(self, run: ModelRun, now_ms: int) -> RunState:
        """How a run does at that time, as it is shown."""
        return run.state(now_ms)

    def _failed(self, letter: str, now_ms: int) -> ModelRun | None:
        for run in self.runs:
            if run.letter == letter and self.state_of(run, now_ms) is RunState.FAILED:
                return run
        return None

    def continue_elsewhere(self, letter: str) -> str:
        """Somebody resumes or restarts a failed run, in the console for instance. Return the id of the new run."""
        now_ms = self.now_ms()
        failed = self._failed(letter, now_ms)
        assert failed is not None, "there is no such dead letter"
        reply = self._revive(letter, failed.labels, now_ms)
        assert isinstance(reply, Resumed)
        self.runs[-1].foreign = True
        return reply.workflow_run_id

    def _revive(self, letter: str, labels: Sequence[str], now_ms: int, visible_ms: int | None = None) -> ResumeReply:
        failed = self._failed(letter, now_ms)
        if failed is None:
            return Gone("there is no such dead letter")
        if not self.keeps_letters:
            failed.letter = None
        duration_ms = round(1000 * self.durations_s[len(self.runs) % len(self.durations_s)])
        lag_ms = round(1000 * self.lag_s)
        self.runs.append(
            ModelRun(
                run_id=f"wfr_resumed_{len(self.runs)}",
                label=labels[0],
                created_ms=now_ms,
                starts_ms=now_ms,
                ends_ms=now_ms + duration_ms,
                visible_ms=now_ms + lag_ms if visible_ms is None else visible_ms,
                labels=tuple(labels),
                body=failed.body,
                fails=self.failing(len(self.runs)),
                letter=f"{len(self.runs)}-0",
            )
        )
        return Resumed(self.runs[-1].run_id, now_ms)

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        await self.clock.sleep(0.01)
        self._arrive()
        fault = self.cancel_faults.pop(0) if self.cancel_faults else Fault.NONE
        match fault:
            case Fault.NONE:
                return Cancelled(self._cancel(workflow_run_ids))
            case Fault.LOST_PARTLY:
                self._cancel(workflow_run_ids[: len(workflow_run_ids) // 2])
                return Cancelled(self._cancel(workflow_run_ids))  # the client asked again
            case Fault.LOST_AFTER:
                self._cancel(workflow_run_ids)
                return NotCancelled("connection reset")
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.CRASH_AFTER | Fault.CRASH_LATE:
                self._cancel(workflow_run_ids)
                raise Crash
            case Fault.LOST_BEFORE | Fault.LOST_LATE:
                return NotCancelled("timeout")
            case _:
                return NotCancelled("connection refused", may_have_acted=False)

    def _cancel(self, workflow_run_ids: Sequence[str]) -> int:
        count = 0
        for run_id in workflow_run_ids:
            running = None if self.uncancellable(run_id) else self._running(run_id, self.now_ms())
            if running is not None:
                running.ends_ms = self.now_ms()
                running.cancelled = True
                count += 1
        return count


@contextmanager
def dying() -> Iterator[list[bool]]:
    """Swallow a `Crash`, also one that a task group wrapped; the list tells whether there was one."""
    crashed: list[bool] = []
    try:
        yield crashed
    except Crash:
        crashed.append(True)
    except BaseExceptionGroup as group:
        if group.split(Crash)[1] is not None:
            raise
        crashed.append(True)


def _cursor(run: ModelRun) -> str:
    return f"{run.run_id}@{run.created_ms}"
