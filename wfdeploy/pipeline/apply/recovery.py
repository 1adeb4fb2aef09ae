"""Lost answers, cleared by the logs: who is there, who never arrived, who must wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from wfdeploy.errors import ExitCode, Interrupted, RemoteFailure
from wfdeploy.model.address import Address
from wfdeploy.model.event import Listing
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.run_index import RunIndex
from wfdeploy.model.state import Attempt
from wfdeploy.model.workflow_id import parse_run_id
from wfdeploy.pipeline.apply.absence import Absence, judge
from wfdeploy.ports import Clock, Listener, RunGateway


@dataclass(slots=True)
class Listed:
    """A complete listing. `began_ms`: server time when it began (our clock where the server tells none). `since_ms`:
    where it was asked to begin, `reach_ms`: where it had to for the sake of what may be unknown (None: at the
    beginning)."""

    runs: list[ObservedRun]
    began_ms: int
    server_time_known: bool
    skew_ms: int  # server time minus ours
    since_ms: int | None = None
    reach_ms: int | None = None


async def list_all(
    gateway: RunGateway,
    clock: Clock,
    listener: Listener,
    *,
    label: str,
    since_ms: int | None,
    stopped: Callable[[], bool] = lambda: False,
) -> Listed:
    """The project's runs since a server time, whatever else the server lists: an entry must carry the label. Only a
    derived id needs none, since nobody else's run has one.

    Raises: `RemoteFailure`, also when the listing ends without an end; `Interrupted` once `stopped()`.
    """
    asked_ms = clock.now_ms()
    runs: list[ObservedRun] = []
    server_ms: int | None = None
    began_ms = asked_ms
    complete = first = False
    async for page in gateway.list_runs(label=label, since_ms=since_ms):
        if not first:
            first, server_ms = True, page.server_time_ms
            if server_ms is not None:
                # The first answer's Date is later than the listing's beginning by at most the time it took.
                began_ms = server_ms - (clock.now_ms() - asked_ms)
        runs.extend(run for run in page.runs if label in run.labels or parse_run_id(run.workflow_run_id) is not None)
        complete = page.last
        if stopped():
            raise Interrupted("stopped while listing the server's runs", exit_code=ExitCode.SIGINT)
        listener(Listing(len(runs), done=complete))
    if not complete:
        raise RemoteFailure("the server's listing of runs broke off", hint="run it again")
    if server_ms is None:
        return Listed(runs, asked_ms, server_time_known=False, skew_ms=0, since_ms=since_ms)
    return Listed(runs, began_ms, server_time_known=True, skew_ms=began_ms - asked_ms, since_ms=since_ms)


@dataclass(slots=True)
class Findings:
    """What a listing says of attempts whose outcome is open, by address. `wait_ms` until a listing tells more.

    `send_before_ms`: for those that may be sent again only until then (our clock, Unix ms).
    """

    found: dict[Address, ObservedRun] = field(default_factory=dict)
    absent: dict[Address, Absence] = field(default_factory=dict)
    send_before_ms: dict[Address, int] = field(default_factory=dict)
    too_early: set[Address] = field(default_factory=set)
    wait_ms: int = 0


def examine(
    attempts: Iterable[Attempt],
    listed: Listed,
    *,
    names: Callable[[Attempt], Collection[str]],
    ended_at_ms: Mapping[Address, int],
    log_lag_ms: int,
) -> Findings:
    """Judge attempts by a listing that began late enough.

    `names`: what the run of an attempt is found by (`RunIndex.attempted`). `ended_at_ms`: by address, when (our clock,
    Unix ms) the attempt's last byte can have left.
    """
    result = Findings()
    index = RunIndex(listed.runs)
    for attempt in attempts:
        run = index.attempted(attempt, names(attempt))
        if run is not None:
            result.found[attempt.address] = run
            continue
        judgement = judge(
            attempt,
            listed_at_ms=listed.began_ms,
            ended_at_ms=ended_at_ms[attempt.address] + listed.skew_ms,
            log_lag_ms=log_lag_ms,
        )
        if judgement.absence is Absence.TOO_EARLY:
            result.too_early.add(attempt.address)
            result.wait_ms = max(result.wait_ms, judgement.wait_ms)
        else:
            result.absent[attempt.address] = judgement.absence
            if judgement.send_before_ms is not None:
                result.send_before_ms[attempt.address] = judgement.send_before_ms - listed.skew_ms
    return result


def since(attempts: Collection[Attempt]) -> int | None:
    """Where a listing must begin to find all of these (server time, Unix ms; None: at the beginning)."""
    starts = [attempt.since_ms for attempt in attempts]
    known = [start for start in starts if start is not None]
    return min(known) if known and len(known) == len(starts) else None
