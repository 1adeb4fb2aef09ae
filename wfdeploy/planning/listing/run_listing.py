"""A complete listing of the server's runs, as a plan is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wfdeploy.model.address import Address
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.project import Target
from wfdeploy.model.state import Standing
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.context import Verdict
from wfdeploy.planning.diff.failure_policy import Handling, handling_recorded
from wfdeploy.planning.listing.dead_letters import DeadLetters
from wfdeploy.planning.listing.run_states import NEAR_THE_END, Snapshot
from wfdeploy.planning.listing.successors import Successors


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListing:
    """A complete listing of the server's runs, and what it says of open attempts."""

    runs: tuple[ObservedRun, ...] = ()  # those among which there may be some that the state lacks
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)  # by address of an open attempt
    began_ms: int | None = None  # server time; None when the server tells no time
    watermark_ms: int | None = None  # all that was accepted before this server time shows (None: not known)
    now_ms: int | None = None  # the server's time, as far as it surely has come
    snapshot: Snapshot | None = None  # all of it, to look up recorded runs
    reach_ms: int | None = None  # from where on it is complete (server time, Unix ms; None: from the beginning)
    dead_letters: DeadLetters | None = None  # what the dead-letter queue holds, if it was listed
    successors: Successors = field(default_factory=Successors)  # what continues failed runs without a dead letter

    def handling(self, standing: Standing) -> Handling:
        """Whether somebody handled a failed run elsewhere."""
        known = self.successors.handling.get(id_key(standing.workflow_run_id))
        if known is not None:
            return known
        if self.dead_letters is None:
            return handling_recorded(standing)
        return self.dead_letters.handling(standing)


def due_until_ms(now_ms: int, listing: RunListing | None) -> int:
    """Until when instances are due (Unix ms): by our clock, and by the server's, where it tells its time."""
    return now_ms if listing is None or listing.now_ms is None else min(now_ms, listing.now_ms)


def logs_since_s(target: Target, now_ms: int, listing: RunListing | None) -> int:
    """Since when the server's logs surely hold every run (Unix seconds; 0: since the beginning)."""
    if target.local:
        return 0  # the embedded server forgets nothing
    if listing is not None and listing.now_ms is not None:
        now_ms = listing.now_ms
    return now_ms // 1000 - round(NEAR_THE_END * target.project.server.log_retention_s)
