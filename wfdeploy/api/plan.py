"""Plans as values: what an apply would do, to look at, to keep, and to apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, FieldChange, Selection
from wfdeploy.model.plan import Change as PlannedChange
from wfdeploy.model.plan import Plan as MadePlan
from wfdeploy.wiring.settings import as_typed

if TYPE_CHECKING:
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.planning.saved_plan import SavedPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One address, what to do about it, and why."""

    address: str
    """`group/name`, or `group/name[key]`."""

    action: Action

    reason: str
    """For people; its wording may change."""

    diff: tuple[FieldChange, ...] = ()
    """The fields that differ from the recorded run. Secrets are references, redacted values are digests."""

    warnings: tuple[str, ...] = ()

    workflow_run_id: str = ""
    """The id of the run to start, else of the recorded run; empty where the server chooses it."""

    generation: int = 0
    """The number of times that the address was triggered, this one included."""

    run_state: RunState | None = None
    """The state of the recorded run, where that is not as declared: it failed, was cancelled, or vanished."""

    source: str = ""
    """`file:line` of the declaration; empty for a run that is no longer declared."""

    @classmethod
    def of(cls, change: PlannedChange) -> Change:
        """A change as the planner makes it, with all of its explanation."""
        return cls(
            address=change.address,
            action=change.action,
            reason=change.reason,
            diff=change.diff,
            warnings=change.warnings,
            workflow_run_id=change.workflow_run_id,
            generation=change.generation,
            run_state=change.run_state,
            source="" if change.source is None else str(change.source),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes that an apply would make, and the state that they are for. Made by `Project.plan`."""

    project: str

    environment: str

    changes: tuple[Change, ...]
    """By address. Runs with nothing to do about them are only counted, in `summary`."""

    summary: Mapping[Action, int]
    """The number of addresses by action, zeros included."""

    warnings: tuple[str, ...]

    violations: tuple[Diagnostic, ...]
    """What policies forbid or warn of. One that is an error keeps the plan from being applied."""

    verified: bool
    """Whether the server answered everything that the plan depends on. An unverified plan can't be applied."""

    _made: MadePlan = field(repr=False)

    _selection: Selection = field(repr=False)

    _paths: tuple[str, ...] | None = field(repr=False)

    _new_state: bool = field(repr=False)

    @classmethod
    def of(
        cls, made: MadePlan, *, folder: Path, selection: Selection, paths: Sequence[str] | None, new_state: bool
    ) -> Plan:
        """A plan as the planner makes it, while its manifests and its state are there to explain it.

        folder: below it, paths are shown without it.
        """
        explained = tuple(made.explained())
        return cls(
            project=made.project,
            environment=made.environment,
            changes=tuple(map(Change.of, explained)),
            summary=MappingProxyType({action: made.summary.get(action, 0) for action in Action}),
            warnings=made.warnings,
            violations=made.violations,
            verified=made.verified,
            _made=replace(made, changes=explained, explain=iter, state=as_typed(made.state, folder)),
            _selection=selection,
            _paths=None if paths is None else tuple(paths),
            _new_state=new_state,
        )

    def _saved(self) -> SavedPlan:
        """The saved form, by which exactly this is applied. Raises: `StalePlan` for an unverified plan."""
        from wfdeploy.planning.saved_plan import SavedPlan

        return SavedPlan.of(self._made, paths=self._paths, selection=self._selection, new_state=self._new_state)

    @property
    def has_changes(self) -> bool:
        """Whether an apply would do anything now: anything but keep and blocked."""
        return self._made.has_changes

    def to_json(self) -> str:
        """One JSON object, as `wfdeploy plan --output json` prints it."""
        from wfdeploy.render import plan_json

        return "".join(plan_json.text(self._made))

    def to_markdown(self) -> str:
        """For a pull request: counts, what a reviewer must decide, warnings, and the changes, below 65,536 characters.

        Text that manifests or the server supply stands in code, and so is never a mention, a link or HTML.
        """
        from wfdeploy.render import plan_markdown

        return "".join(plan_markdown.text(self._made))

    def to_text(self) -> str:
        """The text that `wfdeploy plan` prints."""
        from wfdeploy.render import plan_text

        return "".join(plan_text.text(self._made))
