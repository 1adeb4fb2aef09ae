"""Runs as the server lists them, and what its logs hold of one: its steps, and what went wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class RunState(Enum):
    """The server's own words for a run ("Workflow REST reference: Logs"), and three of ours."""

    STARTED = "RUN_STARTED"
    SUCCESS = "RUN_SUCCESS"
    FAILED = "RUN_FAILED"
    CANCELED = "RUN_CANCELED"
    UNKNOWN = "UNKNOWN"  # a word this version doesn't know
    MISSING = "MISSING"  # the logs should list it and don't
    EXPIRED = "EXPIRED"  # older than what the logs remember, and never seen to end

    @property
    def is_final(self) -> bool:
        """Whether it stays as it is: nothing more will be observed of such a run."""
        return self in (RunState.SUCCESS, RunState.FAILED, RunState.CANCELED, RunState.EXPIRED)

    @property
    def may_run(self) -> bool:
        """Whether the run may still be going."""
        return self in (RunState.STARTED, RunState.UNKNOWN)


NOT_SUCCEEDED = (None, *(state for state in RunState if state is not RunState.SUCCESS))
"""Every state but success, and that of a run not observed yet."""

TROUBLED = (RunState.FAILED, RunState.CANCELED, RunState.MISSING)
"""States that a declared run should not be in."""


class ObservedRun(NamedTuple):
    """A run as the server's logs list it. Times are Unix ms by the server's clock.

    dlq_id: the entry of a failed run in the dead-letter queue, where the logs have it.
    """

    workflow_run_id: str
    state: RunState
    created_at_ms: int
    completed_at_ms: int | None = None
    url: str = ""
    labels: tuple[str, ...] = ()
    dlq_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedListing:
    """A listing that was interrupted, as far as it was read: pages from the first one on, without a gap."""

    since_ms: int | None
    """Where it was to begin (server time, Unix ms; None: at the beginning)."""

    began_ms: int
    """No later than the request for its first page (server time, Unix ms)."""

    runs: Sequence[ObservedRun]
    """All entries, whoever they belong to."""

    cursor: str
    """Requests the last of the pages again."""

    last_ids: frozenset[str]
    """The ids of the runs in that page."""


@dataclass(frozen=True, slots=True)
class StepError:
    """A delivery that failed.

    message: the endpoint's or the server's, scrubbed of secrets.
    status: of the endpoint's answer, None where there was none.
    at_ms: Unix ms by the server's clock.
    """

    message: str
    status: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as far as it is. Times are Unix ms by the server's clock.

    state: the server's word: STEP_SUCCESS, STEP_FAILED, STEP_RETRY, STEP_PROGRESS, STEP_CANCELED.
    retries: how often it may be delivered again.
    """

    name: str
    kind: str = ""
    state: str = ""
    created_at_ms: int | None = None
    retries: int | None = None
    next_delivery_ms: int | None = None
    detail: str = ""
    errors: tuple[StepError, ...] = ()


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps that ran one by one (a single one), side by side, or are under way (`next`)."""

    kind: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """A run with its steps.

    failure: how the call of its failure function went, where there was one.
    """

    workflow_run_id: str
    state: RunState
    created_at_ms: int
    completed_at_ms: int | None = None
    url: str = ""
    groups: tuple[StepGroup, ...] = ()
    failure: str = ""
