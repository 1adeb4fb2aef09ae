"""What commands show of recorded runs: their live state, their steps, their past, what a refresh found; and what
`render` shows of a declared one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState

if TYPE_CHECKING:
    from wfdeploy.model.observed import RunLog
    from wfdeploy.model.run import Source
    from wfdeploy.model.state import Record


class RowStatus(Enum):
    """Did our call take? The words of a record and of an attempt in one set."""

    TRIGGERED = "triggered"
    INTENT = "intent"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One address. Times are Unix ms: `created_at_ms` and `completed_at_ms` by the server's clock, `observed_at_ms` by
    ours.

    run_state: None when nothing is known of the run: not requested, or no longer listed.
    observed_at_ms: when it was last seen, if ever.
    error: the server's message for a refusal.
    tries: how often it was resumed or restarted.
    handled: its end was dealt with by hand or elsewhere.
    """

    address: Address
    status: RowStatus
    workflow_run_id: str = ""
    generation: int = 0
    run_state: RunState | None = None
    created_at_ms: int | None = None
    completed_at_ms: int | None = None
    observed_at_ms: int | None = None
    source: str = ""
    error: str | None = None
    tries: int = 0
    handled: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """A run and its effective request.

    fields: by the names they have in manifests; secrets as references, redacted values left out.
    """

    address: Address
    source: Source
    fingerprint: str
    workflow_run_id: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A recorded run, with what the server's logs hold of it (None: nothing)."""

    record: Record
    log: RunLog | None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of an address.

    ended: why it is history (`superseded`, `resumed`, `forgotten`, `moved`); None for the one that is recorded now.
    ended_at_ms: when it became history (our clock, Unix ms).
    """

    record: Record
    ended: str | None = None
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A run that is in another state than the recorded one. `before` is None where nothing was known."""

    address: Address
    workflow_run_id: str
    before: RunState | None
    after: RunState


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found.

    asked: how many runs weren't known to have ended.
    states: how many of these are in which state now; None: the server didn't show them, which proves nothing.
    """

    asked: int
    turns: Sequence[StateChange]
    states: Mapping[RunState | None, int]
