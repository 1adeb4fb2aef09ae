"""Scripted trouble: what a test may switch on a server, at any time and from any thread.

The server reads these values when it needs them; none of them changes what is stored about runs already accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from wfdeploy.localserver.http_client import EndpointRequest, Reply
from wfdeploy.localserver.runs.quotas import LOCAL, QuotaPlan


@dataclass(frozen=True, slots=True)
class TriggerItem:
    """One run as a client asked for it, before anything is decided. Header names are in lower case."""

    run_id: str | None
    destination: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's no to one item: its HTTP status and `{"error": ...}` text."""

    error: str = "refused by the scenario"
    status: int = 400


@dataclass(slots=True)
class FaultPlan:
    """Mutable on purpose: tests flip its switches while the server runs."""

    log_lag_s: float = 0.0
    """A run appears in the logs this many seconds (server time) after it was accepted; `math.inf` hides all."""

    advertised_log_lag_s: float | None = None
    """What `Wfdeploy-Log-Lag` says; `None`: the truth. A smaller value makes the server break its promise."""

    logs_end_at_seq: int | None = None
    """Runs accepted later are invisible in the logs."""

    hide_delayed: bool = False
    """A delayed run is invisible in the logs until it starts, though its id is reserved."""

    duplicates: Literal["deduplicate", "error"] = "deduplicate"
    """A trigger of a running id: `deduplicated: true`, or a 400 for the whole request that names the id."""

    refuse: Callable[[TriggerItem], Refusal | None] | None = None
    """Asked for each item of a trigger."""

    refusals: Literal["item", "request"] = "item"
    """A bad item gets an error in its slot, or the whole request is refused with its status and nothing accepted."""

    instant_finish: bool = False
    """A run ends as RUN_SUCCESS without a delivery the moment it is due, so that its id is free at once."""

    hold_deliveries: bool = False
    """Nothing is delivered: accepted runs stay RUN_STARTED. Turning it off goes on with the next trigger or `poke`."""

    answer: Callable[[EndpointRequest], Reply | None] | None = None
    """Asked before a delivery leaves: an answer in place of the endpoint's, or None to let it go there."""

    plan: QuotaPlan = LOCAL
    """Whose limits hold; those of the parallelism are the server's `max_open_deliveries`."""

    requests_per_second: int | None = None
    """How many requests to logs, dead letters, flow control and keys a user has; the service's number is not
    published."""

    lazy_fetch_above_bytes: int = 1_000_000
    """A step list above this size is not sent along: an endpoint whose SDK can do that fetches it. When the service
    does so is not published; this is the largest message of its free plan."""

    def visible_lag_s(self) -> float:
        """What the server tells clients about its logs."""
        return self.log_lag_s if self.advertised_log_lag_s is None else self.advertised_log_lag_s
