"""When does "the server does not list it" mean "it was never accepted"?

Two facts about the server make this more than a look (docs/guarantees.md):

- A listing may lag: a run shows at most `log_lag` after the last moment at which its request can have left, or, when
  it is delayed, after its start.
- A run id is reserved from acceptance until the run ends, and free again after that.

So a run without a delay that a listing begun `log_lag` after the last byte doesn't show was never accepted. A delayed
one that isn't shown was never accepted, or has not started yet (then its id is reserved and sending it again only
deduplicates), or has started within the last `log_lag` and may already have ended: in that window neither sending nor
giving up is safe, and only waiting is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from wfdeploy.model.address import Address
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.state import Attempt
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.sending.server_time import DATE_RESOLUTION_MS


class Absence(Enum):
    """What an absence proves."""

    NEVER_ACCEPTED = "never accepted"
    RESERVED_IF_ACCEPTED = "reserved if accepted"  # sending again is safe, giving up its generation is not
    TOO_EARLY = "too early"  # wait, then look again


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the absence of one attempt proves."""

    absence: Absence

    wait_ms: int = 0
    """For TOO_EARLY: how long until a listing tells more."""

    send_before_ms: int | None = None
    """For RESERVED_IF_ACCEPTED: the server time (Unix ms) after which sending again would not be safe any more."""


def judge(attempt: Attempt, *, listed_at_ms: int, ended_at_ms: int, log_lag_ms: int) -> Judgement:
    """Judge an attempt that a complete listing doesn't show.

    `listed_at_ms`: server time when the listing began. `ended_at_ms`: the last moment at which a byte of the attempt
    can have left, in server time. All Unix milliseconds.
    """
    if listed_at_ms < ended_at_ms + log_lag_ms:
        return Judgement(Absence.TOO_EARLY, ended_at_ms + log_lag_ms + DATE_RESOLUTION_MS - listed_at_ms)
    delay_ms = 1000 * (attempt.delay_s or 0)
    not_before_ms = 1000 * (attempt.not_before_s or 0)
    if not delay_ms and not not_before_ms:
        return Judgement(Absence.NEVER_ACCEPTED)
    latest_start = max(ended_at_ms + log_lag_ms + delay_ms, not_before_ms)
    if listed_at_ms >= latest_start + log_lag_ms:
        return Judgement(Absence.NEVER_ACCEPTED)
    if attempt.since_ms is not None:
        earliest_start = max(attempt.since_ms + delay_ms, not_before_ms)
        # What leaves before this arrives, within log_lag, while the id is still reserved.
        send_before_ms = earliest_start - log_lag_ms - DATE_RESOLUTION_MS
        if listed_at_ms + log_lag_ms + DATE_RESOLUTION_MS < send_before_ms:
            return Judgement(Absence.RESERVED_IF_ACCEPTED, send_before_ms=send_before_ms)
    return Judgement(Absence.TOO_EARLY, latest_start + log_lag_ms + DATE_RESOLUTION_MS - listed_at_ms)


@dataclass(slots=True)
class Findings:
    """What a listing says of open attempts, by address."""

    found: dict[Address, ObservedRun] = field(default_factory=dict)

    absent: dict[Address, Absence] = field(default_factory=dict)

    send_before_ms: dict[Address, int] = field(default_factory=dict)
    """Of attempts that may be sent again only until then (server time, Unix ms)."""

    too_early: set[Address] = field(default_factory=set)

    wait_ms: int = 0
    """How long until a listing tells more about those that are too early."""


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

    `names`: what the run of an attempt is found by (`RunIndex.attempted`). `listed_at_ms` and, by address,
    `ended_at_ms`: see `judge`.
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
