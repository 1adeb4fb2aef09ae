"""Runs as the server lists them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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


TROUBLED = (RunState.FAILED, RunState.CANCELED, RunState.MISSING)
"""How a declared run should not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRun:
    """A run as the server's logs tell it. Times in Unix milliseconds of the server's clock. `dlq_id`: the entry of a
    failed run in the dead-letter queue, where the logs tell it."""

    workflow_run_id: str
    state: RunState
    created_at_ms: int
    completed_at_ms: int | None = None
    url: str = ""
    labels: tuple[str, ...] = ()
    dlq_id: str | None = None
