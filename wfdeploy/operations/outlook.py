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
from wfdeploy.pipeline.diff.context import Verdict
from wfdeploy.pipeline.diff.letters import Letters
from wfdeploy.pipeline.diff.observing import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A complete listing, and what it says of open attempts, by address. `runs`: those among which there may be some
    that the state lacks. `view`: all of it, where runs were asked after. `reach_ms`: from where on it is complete
    (server time, Unix ms; None: from the beginning). `letters`: what the dead-letter queue tells, if it was asked."""

    runs: tuple[ObservedRun, ...]
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)
    began_ms: int | None = None  # server time; None when the server tells no time
    view: View | None = None
    reach_ms: int | None = None
    letters: Letters | None = None


@dataclass(slots=True, kw_only=True)
class Outlook:
    """A plan with what carrying it out needs beside it.

    `edits` from the listing; `doubled`: ids that more than one run had; `conclusions`: by group, what is true once all
    of its sends are on their way. `undecided`: some schedule isn't known to the state, so the server has to be asked
    for its instances. `foreign`: there are runs that the state doesn't know and that another runner triggered.
    `passes`: a rollout waits for nothing but time. `planned_ms`: when it was made (our clock). `conflicts`: why it must
    not be carried out.
    """

    plan: Plan
    edits: list[Edit]
    foreign: bool
    doubled: list[str]
    conclusions: dict[str, Edit] = field(default_factory=dict)
    undecided: bool = False
    passes: bool = False
    planned_ms: int = 0
    conflicts: list[Diagnostic] = field(default_factory=list)

    def require_no_conflicts(self) -> None:
        """Raises: `InvalidInput`."""
        if self.conflicts:
            raise InvalidInput(self.conflicts)
