"""Requests to the far end and its answers, in our words.

The wire's own words stay in `upstash`; the apply engine decides on these types alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from wfdeploy.model.observed import ObservedRun


class Item(NamedTuple):
    """One run of a batch: its workflow run id and its encoded JSON object (`{"destination":...}`, UTF-8)."""

    workflow_run_id: str
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """The server has the run.

    deduplicated: it had it before this request.
    """

    created_at_ms: int | None
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """The server refused this run; it was not started."""

    message: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The answer leaves open what became of this run."""

    reason: str


@dataclass(frozen=True, slots=True)
class InProgress:
    """The server refused this run with a message that names its very id as that of a run in progress.

    That proves nothing: only the logs show whether there is such a run. This request did not start it.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """429: not now. Nothing was started.

    wait_s: as the headers have it; None when they don't.
    daily_limit_end_ms: when the account's daily limit ends, in Unix ms; None for other limits.
    """

    message: str
    wait_s: float | None = None
    daily_limit_end_ms: int | None = None


ItemReply: TypeAlias = Taken | Denied | Unclear | InProgress | Throttled


@dataclass(frozen=True, slots=True)
class Answered:
    """A 2xx with a readable answer: one reply per item, in the order of the request.

    in_order: whether the server answered in that order too. Nothing depends on it but what is read without ids.
    """

    items: tuple[ItemReply, ...]
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """400 or 412 for the whole request: none of its runs was started by it.

    running: those of the request's workflow run ids that its message names as runs in progress (see `InProgress`).
    """

    status: int
    message: str
    running: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TooLarge:
    """413: the request as a whole is too big; none of its runs was started."""

    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """401, 403, 3xx, 404 or another 4xx: repeating it would not help. Nothing was started."""

    status: int
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Name resolution or connecting failed: no byte of the request left."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Anything after the first byte may have left that leaves the outcome open: only the logs show it."""

    reason: str


TriggerReply: TypeAlias = Answered | BatchRefused | TooLarge | Stop | Throttled | NotSent | Lost


@dataclass(frozen=True, slots=True)
class Resumed:
    """A failed run goes on, as a run that the server gave this id."""

    workflow_run_id: str
    created_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Gone:
    """404: there is no such dead letter. Nothing was started by this request."""

    message: str


ResumeReply: TypeAlias = Resumed | Gone | Denied | Stop | Throttled | NotSent | Lost


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Some of the runs that were named were in progress and are cancelled; the server doesn't list which ones.

    count: how many; None where the server doesn't say. Where the request had to be repeated, those that an earlier one
        had cancelled are missing.
    """

    count: int | None


@dataclass(frozen=True, slots=True)
class NotCancelled:
    """There was no answer, or the server refused.

    may_have_acted: runs may be cancelled all the same.
    """

    message: str
    hint: str | None = None
    may_have_acted: bool = True


CancelReply: TypeAlias = Cancelled | NotCancelled


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry of the dead-letter queue: what a failed run is resumed by.

    created_at_ms, labels: of the run; no labels where the entry has none.
    """

    dlq_id: str
    workflow_run_id: str
    created_at_ms: int | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of a listing.

    server_time_ms: the answer's `Date`, in Unix ms (whole seconds).
    """

    runs: tuple[ObservedRun, ...]
    server_time_ms: int | None
    last: bool
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server reported of itself in its answers so far.

    server_id, log_lag_s: from the embedded server only, and believed from loopback only.
    requests_per_s: the limit of requests that only read.
    messages_per_day, messages_left: the account's daily limit, and what is left of it.
    """

    server_id: str | None = None
    log_lag_s: float | None = None
    time_ms: int | None = field(default=None, compare=False)
    requests_per_s: int | None = field(default=None, compare=False)
    messages_per_day: int | None = field(default=None, compare=False)
    messages_left: int | None = field(default=None, compare=False)


def daily_limit_refusal(message: str, end_ms: int) -> tuple[str, str]:
    """What to say of a command that the account's daily limit ends, and the hint: waiting longer would not help.

    message: the server's words.
    end_ms: when the limit ends, in Unix ms.
    """
    end = datetime.fromtimestamp(end_ms / 1000, UTC)
    here = end.astimezone()
    local = f" ({here:%Y-%m-%d %H:%M %Z} here)" if here.utcoffset() else ""
    return (
        f"the account's daily limit is used up until {end:%Y-%m-%d %H:%M} UTC{local}: {message}",
        "run it again after that; what was done by then is recorded, and only the rest is left",
    )
