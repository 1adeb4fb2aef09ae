"""What the server's logs tell of one run: its steps, and what went wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

from wfdeploy.model.observed import RunState


@dataclass(frozen=True, slots=True)
class StepError:
    """A delivery that failed. `at_ms`: Unix ms by the server's clock. `status`: of the endpoint's answer, None where
    there was none. `message`: the endpoint's or the server's words, scrubbed of secrets."""

    message: str
    status: int | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as far as it is. Times are Unix ms by the server's clock; `retries`: how often it may be delivered
    again. `state` is the server's word: STEP_SUCCESS, STEP_FAILED, STEP_RETRY, STEP_PROGRESS, STEP_CANCELED."""

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
    """A run with its steps. `failure`: how the call of its failure function did, where there was one."""

    workflow_run_id: str
    state: RunState
    created_at_ms: int
    completed_at_ms: int | None = None
    url: str = ""
    groups: tuple[StepGroup, ...] = ()
    failure: str = ""
