"""A plan, and what comes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wfdeploy.errors import InvalidInput
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import Edit
from wfdeploy.model.plan import Plan
from wfdeploy.planning.listing.run_listing import RunListing


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
