"""What `status` shows: recorded runs with their live state; and what `render` shows of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState

if TYPE_CHECKING:
    from wfdeploy.model.run import Source


class RowStatus(Enum):
    """Did our call take? The words of a record and of an attempt in one set."""

    TRIGGERED = "triggered"
    INTENT = "intent"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One address. Times in Unix milliseconds: `created_at_ms` and `completed_at_ms` of the server's clock,
    `observed_at_ms` of ours.

    `run_state` is None when the server said nothing about the run (not asked, or no longer listed: then
    `observed_at_ms` tells when it was last seen, if ever). `error`: the server's words for a refusal. `tries`: how
    often it was resumed or restarted. `handled`: its end was dealt with by hand or elsewhere.
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
    """A run and its effective request: `fields` by the names they have in manifests, secrets as references, redacted
    values left out."""

    address: Address
    source: Source
    fingerprint: str
    workflow_run_id: str | None
    fields: Mapping[str, Any]
