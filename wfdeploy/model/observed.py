"""Runs as the server lists them, and what its logs hold of one: its steps, and what went wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wfdeploy.model.address import Address


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
class Continuation:
    """What became of a failed run whose dead letter is gone: somebody resumed, restarted or deleted it elsewhere."""

    address: Address
    """Of the failed run."""

    workflow_run_id: str
    """Of the failed run."""

    runs: tuple[ObservedRun, ...] = ()
    """The runs that continue it, or may, oldest first; none where the server shows none."""

    is_certain: bool = False
    """Whether it surely goes on as the last of `runs`."""

    is_past: bool = False
    """Whether the address has had another run since."""


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

    message: the server's reason or, without one, the endpoint's answer.
    status: of the endpoint's answer, None where there was none.
    at_ms: Unix ms by the server's clock.
    body: the endpoint's answer in short: its error, its title, or its text.

    The texts are scrubbed of secrets.
    """

    message: str
    status: int | None = None
    at_ms: int | None = None
    body: str = ""

    @property
    def reason(self) -> str:
        """The server's reason, then the endpoint's answer, in one line."""
        status = "" if self.status is None or str(self.status) in self.message else f"{self.status} "
        answer = "" if self.body in self.message else f": {self.body}"
        return f"{status}{self.message}{answer}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as far as it is. Times are Unix ms by the server's clock.

    state: the server's word: STEP_SUCCESS, STEP_FAILED, STEP_RETRY, STEP_PROGRESS, STEP_CANCELED.
    retries: how often it may be delivered again.
    about: the server's name of `detail`: callUrl, waitEventId, invokedWorkflowRunId, sleepFor (in seconds, or with a
        unit), sleepUntil (Unix seconds, or a time).
    """

    name: str
    kind: str = ""
    state: str = ""
    created_at_ms: int | None = None
    retries: int | None = None
    next_delivery_ms: int | None = None
    about: str = ""
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
    failure_errors: the deliveries of that call that failed.
    """

    workflow_run_id: str
    state: RunState
    created_at_ms: int
    completed_at_ms: int | None = None
    url: str = ""
    groups: tuple[StepGroup, ...] = ()
    failure: str = ""
    failure_errors: tuple[StepError, ...] = ()

    @property
    def reason(self) -> str:
        """Why it failed: the last error of a failed step, or else the last error; empty if there is none."""
        steps = [step for group in self.groups for step in group.steps if step.errors]
        failed = [step for step in steps if step.state == "STEP_FAILED"] or steps
        return failed[-1].errors[-1].reason if failed else ""
