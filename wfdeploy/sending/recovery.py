"""Lost answers, cleared by the logs: who is there, who never arrived, who must wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from wfdeploy.errors import ExitCode, Interrupted, RemoteFailure
from wfdeploy.model.address import Address
from wfdeploy.model.event import Listing
from wfdeploy.model.remote import ObservedRun, RunPage
from wfdeploy.model.state import Attempt
from wfdeploy.model.workflow_id import RunIndex, parse_run_id
from wfdeploy.ports import Clock, Listener, RunGateway
from wfdeploy.sending.absence import Absence, judge
from wfdeploy.sending.forecast import Forecast


@dataclass(slots=True)
class Listed:
    """A complete listing. `asked_at`, `answered_at`: moments (monotonic) between which its first page was made;
    `date_ms`: the server's time that this page told. `since_ms`: where it was asked to begin, `reach_ms`: where it had
    to for the sake of what may be unknown (None: at the beginning)."""

    runs: list[ObservedRun]
    asked_at: float
    answered_at: float
    date_ms: int | None
    since_ms: int | None = None
    reach_ms: int | None = None


async def list_all(
    gateway: RunGateway,
    clock: Clock,
    listener: Listener,
    *,
    label: str,
    since_ms: int | None,
    expected: int | None = None,
    cursor: str = "",
    keep: Callable[[str, RunPage], None] = lambda _cursor, _page: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Listed:
    """The project's runs since a server time, whatever else the server lists: an entry must carry the label. Only a
    derived id needs none, since nobody else's run has one. `expected`: how many there may be (see `Forecast`).
    `cursor`: begin with the page that an earlier listing had there. `keep`: gets each page, and its cursor.

    Raises: `RemoteFailure`, also when the listing ends without an end; `Interrupted` once `stopped()`.
    """
    asked_at = clock.monotonic()
    answered_at: float | None = None
    date_ms: int | None = None
    runs: list[ObservedRun] = []
    complete = False
    forecast = Forecast(clock, since_ms, expected)
    async for page in gateway.list_runs(label=label, since_ms=since_ms, cursor=cursor):
        keep(cursor, page)
        cursor = page.next_cursor
        if answered_at is None:
            answered_at, date_ms = clock.monotonic(), page.server_time_ms
        runs.extend(run for run in page.runs if is_ours(run, label))
        complete = page.last
        if stopped():
            raise Interrupted("stopped while listing the server's runs", exit_code=ExitCode.SIGINT)
        if (notice := forecast.add(page)) is not None:
            listener(notice)
        listener(Listing(len(runs), done=complete, total=forecast.total))
    if not complete or answered_at is None:
        raise RemoteFailure("the server's listing of runs broke off", hint="run it again")
    return Listed(runs, asked_at, answered_at, date_ms, since_ms)


def is_ours(run: ObservedRun, label: str) -> bool:
    """Whether a listed run belongs to the project."""
    return label in run.labels or parse_run_id(run.workflow_run_id) is not None


@dataclass(slots=True)
class Findings:
    """What a listing says of attempts whose outcome is open, by address. `wait_ms` until a listing tells more.

    `send_before_ms`: for those that may be sent again only until then (server time, Unix ms).
    """

    found: dict[Address, ObservedRun] = field(default_factory=dict)
    absent: dict[Address, Absence] = field(default_factory=dict)
    send_before_ms: dict[Address, int] = field(default_factory=dict)
    too_early: set[Address] = field(default_factory=set)
    wait_ms: int = 0


def examine(
    attempts: Iterable[Attempt],
    runs: Iterable[ObservedRun],
    *,
    names: Callable[[Attempt], Collection[str]],
    listed_at_ms: int,
    ended_at_ms: Mapping[Address, int],
    log_lag_ms: int,
) -> Findings:
    """Judge attempts by a complete listing.

    `names`: what the run of an attempt is found by (`RunIndex.attempted`). `listed_at_ms`: when the listing began,
    `ended_at_ms`: by address, when the attempt's last byte can have left (server time, Unix ms).
    """
    result = Findings()
    index = RunIndex(runs)
    for attempt in attempts:
        run = index.attempted(attempt, names(attempt))
        if run is not None:
            result.found[attempt.address] = run
            continue
        judgement = judge(
            attempt,
            listed_at_ms=listed_at_ms,
            ended_at_ms=ended_at_ms[attempt.address],
            log_lag_ms=log_lag_ms,
        )
        if judgement.absence is Absence.TOO_EARLY:
            result.too_early.add(attempt.address)
            result.wait_ms = max(result.wait_ms, judgement.wait_ms)
        else:
            result.absent[attempt.address] = judgement.absence
            if judgement.send_before_ms is not None:
                result.send_before_ms[attempt.address] = judgement.send_before_ms
    return result


def since(attempts: Collection[Attempt]) -> int | None:
    """Where a listing must begin to find all of these (server time, Unix ms; None: at the beginning)."""
    starts = [attempt.since_ms for attempt in attempts]
    known = [start for start in starts if start is not None]
    return min(known) if known and len(known) == len(starts) else None
