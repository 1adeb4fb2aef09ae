"""What a plan is made from, beside manifests and state, and what comes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wfdeploy.errors import InvalidInput
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import Edit
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.plan import Plan
from wfdeploy.model.project import Target
from wfdeploy.planning.diff.context import Verdict
from wfdeploy.planning.listing.dead_letters import DeadLetters
from wfdeploy.planning.listing.run_states import NEAR_THE_END, Snapshot


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


@dataclass(slots=True, kw_only=True)
class PlanResult:
    """A plan, and what is needed to apply it."""

    plan: Plan
    edits: list[Edit]  # what the listing showed, and what is to be known before anything is sent
    foreign: bool  # whether there are runs that the state doesn't know and that another runner triggered
    conclusions: Mapping[str, Edit]  # by group: what is true once all of its sends are on their way
    undecided: bool
    """Whether the state doesn't know some schedule, so its instances have to be listed."""

    passes: bool  # whether a rollout waits for nothing but time
    planned_ms: int  # when it was made: our clock, but no later than the server's, where that is known
    due_s: int | None  # the latest time (Unix seconds) of the instances that are due
    conflicts: list[Diagnostic]  # why it must not be carried out

    def require_no_conflicts(self) -> None:
        """Raises: `InvalidInput`."""
        if self.conflicts:
            raise InvalidInput(self.conflicts)

    def verified(self) -> PlanResult:
        """The same plan, verified: the server has nothing to add to it."""
        return replace(self, plan=replace(self.plan, verified=True))

    def is_early(self, listing: RunListing) -> bool:
        """Whether something was due when it was made, but isn't by the server's time."""
        is_before = listing.now_ms is not None and listing.now_ms // 1000 < self.planned_ms // 1000
        return is_before and (bool(self.conclusions) or self.due_s is not None)


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
