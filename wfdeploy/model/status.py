"""What commands show of recorded runs: their live state, their steps, their past, what a refresh found; and what
`render` shows of a declared one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState

if TYPE_CHECKING:
    from wfdeploy.model.observed import Continuation, RunLog
    from wfdeploy.model.run import Source
    from wfdeploy.model.state import Record


class RowStatus(Enum):
    """Did our call take? The words of a record and of an attempt in one set."""

    TRIGGERED = "triggered"
    INTENT = "intent"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


class ShownState(Enum):
    """The state that `status` shows for an address, by the word that selects it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # the server's word is one that this version doesn't know
    MISSING = "missing"
    EXPIRED = "expired"
    UNSEEN = "not-seen"  # recorded, and not seen in the server's logs yet
    LOST = "outcome-unknown"  # of a request whose answer was lost
    REJECTED = "rejected"

    @classmethod
    def of(cls, run_state: RunState | None, status: RowStatus = RowStatus.TRIGGERED) -> ShownState:
        """The state of a run; of an attempt, where there is none."""
        return _SHOWN[status] if run_state is None else _SHOWN[run_state]


_SHOWN: Mapping[RunState | RowStatus, ShownState] = {
    RunState.STARTED: ShownState.RUNNING,
    RunState.SUCCESS: ShownState.SUCCEEDED,
    RunState.FAILED: ShownState.FAILED,
    RunState.CANCELED: ShownState.CANCELLED,
    RunState.UNKNOWN: ShownState.UNKNOWN,
    RunState.MISSING: ShownState.MISSING,
    RunState.EXPIRED: ShownState.EXPIRED,
    RowStatus.TRIGGERED: ShownState.UNSEEN,
    RowStatus.INTENT: ShownState.LOST,
    RowStatus.UNKNOWN: ShownState.LOST,
    RowStatus.REJECTED: ShownState.REJECTED,
}
_STATE_NAMES: Mapping[str, ShownState] = {
    **{state.value: state for state in ShownState},
    **{state.value.lower(): _SHOWN[state] for state in RunState},
    "canceled": ShownState.CANCELLED,
    "in an unknown state": ShownState.UNKNOWN,
    "missing from the logs": ShownState.MISSING,
    "no longer in the logs": ShownState.EXPIRED,
    "not in the logs": ShownState.UNSEEN,
    "not seen yet": ShownState.UNSEEN,
    "outcome unknown": ShownState.LOST,
}
"""The words that are understood: those that select, those of tables, and those of JSON."""


def run_states(texts: Iterable[str]) -> frozenset[ShownState]:
    """The states that a user names: words, or comma-separated lists of them. Raises: `UsageError`."""
    found: set[ShownState] = set()
    for word in (word.strip() for text in texts for word in text.split(",")):
        state = _STATE_NAMES.get(word.lower())
        if state is None:
            from difflib import get_close_matches

            near = get_close_matches(word.lower(), _STATE_NAMES, n=1)
            meant = f"did you mean {_STATE_NAMES[near[0]].value!r}? " if near else ""
            raise UsageError(
                f"{word!r} is not a state of runs",
                hint=f"{meant}available: {', '.join(state.value for state in ShownState)}",
            )
        found.add(state)
    return frozenset(found)


def are_run_states(text: str) -> bool:
    """Whether a text names states of runs, and nothing else."""
    return all(word.strip().lower() in _STATE_NAMES for word in text.split(","))


def none_in(states: Collection[ShownState]) -> str:
    """Why a selection is empty, by state where there are some."""
    if not states:
        return "none of the selected runs carries the label"
    return f"none of the selected runs is {' or '.join(state.value for state in ShownState if state in states)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One address. Times are Unix ms: `created_at_ms` and `completed_at_ms` by the server's clock, `observed_at_ms` by
    ours.

    run_state: None when nothing is known of the run: not requested, or no longer listed.
    observed_at_ms: when the state's record of it was made, if ever.
    seen_at_ms: when it was last seen as it is shown (our clock): now where the server was asked and has it, else when
        the state's record was made; None for never.
    is_live: whether that is now.
    error: why it failed, where that was read; for a refusal, the server's message.
    tries: how often it was resumed or restarted.
    handled: its end was handled by hand or elsewhere.
    """

    address: Address
    status: RowStatus
    workflow_run_id: str = ""
    generation: int = 0
    run_state: RunState | None = None
    created_at_ms: int | None = None
    completed_at_ms: int | None = None
    observed_at_ms: int | None = None
    seen_at_ms: int | None = None
    is_live: bool = False
    source: str = ""
    error: str | None = None
    tries: int = 0
    handled: bool = False

    @property
    def shown(self) -> ShownState:
        """The state that stands for all of this."""
        return ShownState.of(self.run_state, self.status)

    @property
    def is_stale(self) -> bool:
        """Whether it may have changed since it was seen."""
        if self.is_live or self.status is RowStatus.REJECTED:
            return False
        return self.run_state is None or not self.run_state.is_final


@dataclass(frozen=True, slots=True)
class Rendered:
    """A run and its effective request.

    fields: by the names they have in manifests; secrets as references, redacted values left out.
    example_s: the time (Unix seconds) that stands for that of any instance of a recurring run; None for other runs.
    """

    address: Address
    source: Source
    fingerprint: str
    workflow_run_id: str | None
    fields: Mapping[str, Any]
    example_s: int | None = None


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
    """A run that is in another state than the recorded one.

    before: None where nothing was known.
    continues: the failed run that it continues, where somebody resumed or restarted that one elsewhere.
    """

    address: Address
    workflow_run_id: str
    before: RunState | None
    after: RunState
    continues: str = ""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found.

    asked: how many runs weren't known to have ended, or had failed.
    states: how many of these are in which state now; None: the server didn't show them, which proves nothing.
    continuations: failed runs whose dead letters are gone, where it isn't certain as which run they go on.
    """

    asked: int
    turns: Sequence[StateChange]
    states: Mapping[RunState | None, int]
    continuations: Sequence[Continuation] = ()
