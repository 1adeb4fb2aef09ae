"""Scripted failures: switches that a test may flip on a server at any time, from any thread.

The server reads these values when it needs them. None of them changes the records of accepted runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from wfdeploy.localserver.http_client import EndpointRequest, Reply
from wfdeploy.localserver.runs.quotas import LOCAL, QuotaPlan


@dataclass(frozen=True, slots=True)
class TriggerItem:
    """One run as a client requested it. Header names are in lower case."""

    run_id: str | None
    destination: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's refusal of one item: its HTTP status and `{"error": ...}` text."""

    error: str = "refused by the fault plan"
    status: int = 400


class Handshakes(StrEnum):
    """What becomes of a run from the REST API whose endpoint ignores the handshake (see `store.records.Handshake`)."""

    OFF = "off"
    """There is no handshake: the first delivery is an ordinary one, for endpoints written by hand."""
    KNOWN = "known"
    """It fails if the service is known to refuse the endpoint's SDK. With others, it goes on with a warning."""
    STRICT = "strict"
    """It fails."""


@dataclass(slots=True)
class FaultPlan:
    """Mutable on purpose: tests flip its switches while the server runs."""

    log_lag_s: float = 0.0
    """Seconds (server time) between a run's acceptance and its appearance in the logs; `math.inf` hides all runs."""

    advertised_log_lag_s: float | None = None
    """The value of `Wfdeploy-Log-Lag`; `None`: the real lag. A smaller value makes the server break its promise."""

    logs_end_at_seq: int | None = None
    """Runs accepted later are invisible in the logs."""

    hide_delayed: bool = False
    """A delayed run is invisible in the logs until it starts, though its id is reserved."""

    duplicates: Literal["deduplicate", "error"] = "deduplicate"
    """The answer to a trigger of a running id: `deduplicated: true`, or a 400 that refuses the whole request."""

    refuse: Callable[[TriggerItem], Refusal | None] | None = None
    """Called for each item of a trigger; may refuse it."""

    refusals: Literal["item", "request"] = "item"
    """A refused item gets an error in its slot, or the whole request is refused with the item's status."""

    instant_finish: bool = False
    """A run ends as RUN_SUCCESS without a delivery when it is due, so its id is free at once."""

    hold_deliveries: bool = False
    """Nothing is delivered: accepted runs stay RUN_STARTED. Once off, the next trigger or `poke` resumes."""

    answer: Callable[[EndpointRequest], Reply | None] | None = None
    """Called before a delivery leaves: a reply in place of the endpoint's, or None to deliver. A reply stands for an
    endpoint with a current SDK, so it takes part in no handshake."""

    handshakes: Handshakes = Handshakes.KNOWN

    plan: QuotaPlan = LOCAL
    """The limits in force, except for the parallelism, which is the server's `max_open_deliveries`."""

    requests_per_second: int | None = None
    """A user's limit of requests to logs, dead letters, flow control and keys. The service does not publish its own."""

    lazy_fetch_above_bytes: int = 1_000_000
    """A larger step list is left out, and an endpoint whose SDK supports that fetches it. The service does not publish
    its own threshold; this is the largest message of its free plan."""

    def visible_lag_s(self) -> float:
        """The lag that the server advertises."""
        return self.log_lag_s if self.advertised_log_lag_s is None else self.advertised_log_lag_s
