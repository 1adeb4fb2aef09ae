"""What a plan is made from beside manifests and state, and what comes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wfdeploy.errors import InvalidInput
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import Edit
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.plan import Plan
from wfdeploy.model.project import Target
from wfdeploy.planning.diff.context import Verdict
from wfdeploy.planning.listing.dead_letters import Letters
from wfdeploy.planning.listing.observing import NEAR_THE_END, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A complete listing, and what it says of open attempts, by address. `runs`: those among which there may be some
    that the state lacks. `view`: all of it, where runs were asked after. `reach_ms`: from where on it is complete
    (server time, Unix ms; None: from the beginning). `now_ms`: the server's time, as far as it surely has come.
    `letters`: what the dead-letter queue tells, if it was asked."""

    runs: tuple[ObservedRun, ...]
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)
    began_ms: int | None = None  # server time; None when the server tells no time
    now_ms: int | None = None
    view: View | None = None
    reach_ms: int | None = None
    letters: Letters | None = None


@dataclass(slots=True, kw_only=True)
class Outlook:
    """A plan with what carrying it out needs beside it.

    `edits` from the listing; `doubled`: ids that more than one run had; `conclusions`: by group, what is true once all
    of its sends are on their way. `undecided`: some schedule isn't known to the state, so the server has to be asked
    for its instances. `foreign`: there are runs that the state doesn't know and that another runner triggered.
    `passes`: a rollout waits for nothing but time. `planned_ms`: when it was made (our clock, and where the
    server told its time, no later than that). `due_s`: the latest time (Unix seconds) of the instances that are due.
    `conflicts`: why it must not be carried out.
    """

    plan: Plan
    edits: list[Edit]
    foreign: bool
    doubled: list[str]
    conclusions: dict[str, Edit] = field(default_factory=dict)
    undecided: bool = False
    passes: bool = False
    planned_ms: int = 0
    due_s: int | None = None
    conflicts: list[Diagnostic] = field(default_factory=list)

    def require_no_conflicts(self) -> None:
        """Raises: `InvalidInput`."""
        if self.conflicts:
            raise InvalidInput(self.conflicts)

    def is_early(self, seen: Seen) -> bool:
        """Whether something was due when it was made, and not by the server's time."""
        is_before = seen.now_ms is not None and seen.now_ms // 1000 < self.planned_ms // 1000
        return is_before and (bool(self.conclusions) or self.due_s is not None)


def due_until_ms(now_ms: int, seen: Seen | None) -> int:
    """Until when instances are due: our clock says so, and where the server told its time, that too (Unix ms)."""
    return now_ms if seen is None or seen.now_ms is None else min(now_ms, seen.now_ms)


def logs_since_s(target: Target, now_ms: int, seen: Seen | None) -> int:
    """From when on the server's logs surely know every run that began (Unix seconds; 0: from the beginning)."""
    if target.local:
        return 0  # the embedded server forgets nothing
    if seen is not None and seen.now_ms is not None:
        now_ms = seen.now_ms
    return now_ms // 1000 - round(NEAR_THE_END * target.project.server.log_retention_s)
