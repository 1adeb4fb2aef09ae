"""Make a plan of manifests, state and, where there is one, the server's listing.

What is known is the `Baseline`. What must be known beside it are `Questions`. An `Inquiry` puts them to the server,
until the plan depends on nothing more.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import Dismiss, Edit, PutGroups
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, RequestedAction, Selection
from wfdeploy.model.state import Standing
from wfdeploy.model.status import none_in
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.blocking.blocker import Blocker
from wfdeploy.planning.blocking.headcounts import Headcounts
from wfdeploy.planning.blocking.held_back import HeldBack, note_held_back
from wfdeploy.planning.blocking.inputs import Inputs
from wfdeploy.planning.blocking.recurring import Evidence, Recurrence, conclusions, notes, recur
from wfdeploy.planning.diff.context import AttemptFinding, DiffContext, PastInstances, Removal, RunStates
from wfdeploy.planning.diff.differ import diff
from wfdeploy.planning.diff.failure_policy import handling_recorded
from wfdeploy.planning.diff.reasons import explained
from wfdeploy.planning.gathering import Gathered, gather
from wfdeploy.planning.listing.adoption import Adoption
from wfdeploy.planning.listing.matches import Matcher, is_news, memory
from wfdeploy.planning.listing.run_listing import RunListing, due_until_ms, logs_since_s
from wfdeploy.planning.listing.run_states import in_states, run_states, unfinished, with_run_states
from wfdeploy.planning.listing.successors import Failed, Successors, is_stranger, with_successors
from wfdeploy.planning.listing.unclaimed import Unclaimed, taken_ids, unclaimed_runs
from wfdeploy.planning.plan_result import PlanResult
from wfdeploy.planning.questions import Questions, failed_in_question, standings_in_question
from wfdeploy.planning.shortcuts import Compared, first, to_compare
from wfdeploy.planning.targets import Targets, labelled
from wfdeploy.planning.unchanged import plan_without_changes
from wfdeploy.ports import StateStore
from wfdeploy.workspace import Workspace


class Planner:
    """Makes the plan of a command, each time with what is known by then.

    Raises: `InvalidInput` when a move can't be made; `UsageError` for moves in shards.
    """

    def __init__(
        self,
        workspace: Workspace,
        manifests: Manifests,
        store: StateStore,
        selection: Selection,
        *,
        keep_all: bool = False,
        only_records: bool = False,
        held_back: HeldBack | None = None,
    ) -> None:
        """`keep_all`: give unchanged runs too. `only_records`: nothing will be sent, so no run waits for another, or
        for its rollout. `held_back`: all that may be done (None: whatever is declared)."""
        self.workspace = workspace
        self.manifests = manifests
        self.baseline = Baseline(workspace, manifests, store)
        self.selection = selection
        self._keep_all = keep_all
        self._only_records = only_records
        self._held_back = held_back
        self._states = RunStates()  # as they were known for the latest plan
        self._adopted_unfinished: list[Standing] = []  # runs to be adopted that aren't known to have ended
        self._adopted_failed: list[Standing] = []  # runs to be adopted that failed
        self._has_strangers = False  # whether the listing shows runs that nobody here started, for the first time
        self._watched: set[str] = set()  # groups whose run states matter
        self._unverified: PlanResult | None = None  # the plan that was made without a listing

    # --- what must be known ----------------------------------------------------------------------------------

    def questions(self, result: PlanResult) -> Questions:
        """What the latest plan depends on beside manifests and state."""
        return Questions(
            sends=result.plan.sends,
            attempts=self.baseline.open_attempts,
            standings=standings_in_question(
                self.baseline, self.selection, result.plan, self._adopted_unfinished, self._watched
            ),
            failed=self.failed_in_question(),
            undecided=result.undecided,
        )

    def failed_in_question(self) -> list[Failed]:
        """The failed runs of which it decides something whether somebody handled them elsewhere."""
        return failed_in_question(
            self.baseline, self.selection, self._states, self._adopted_failed, has_strangers=self._has_strangers
        )

    # --- the plan --------------------------------------------------------------------------------------------

    def plan(self, listing: RunListing | None = None) -> PlanResult:
        """Make the plan. Raises: `InvalidInput` for changes that policies of the manifests forbid; `UsageError`."""
        before = self._unverified
        if before is not None and listing is not None and not self._may_change(before, listing):
            return before.verified()
        self._unverified = None  # it may hold very many changes, and is of no use any more
        with self.workspace.phase("plan"):
            result = self._plan(listing)
        if listing is None:
            self._unverified = result
        return result

    def _may_change(self, before: PlanResult, listing: RunListing) -> bool:
        """Whether a listing may lead to another plan than the one without it. Usually it says nothing new."""
        if listing.runs or listing.verdicts or listing.dead_letters is not None:
            return True
        if listing.snapshot is not None and (self._adopted_unfinished or any(True for _ in self.baseline.unfinished())):
            return True
        return bool(self.baseline.attempts) or before.is_early(listing)

    def _plan(self, listing: RunListing | None) -> PlanResult:
        baseline, selection = self.baseline, self.selection
        self._check_replaced()
        now_ms = self.workspace.clock.now_ms()

        # Match the listing: whose runs it shows, and the states of recorded runs.
        matcher = Matcher(baseline, now_ms)
        remembered = baseline.store.unclaimed()
        listed = () if listing is None else listing.runs
        matches = matcher.match(listed, remembered)
        snapshot, dead_letters = (None, None) if listing is None else (listing.snapshot, listing.dead_letters)
        matches.drop_former(baseline.store.past_runs)
        adoption = with_run_states(matcher.adoption(matches), snapshot)
        self._adopted_unfinished = unfinished(adoption)
        self._adopted_failed = [one.standing for one in adoption.adopted.values() if one.run_state is RunState.FAILED]
        self._has_strangers = any(map(is_stranger, matches.unmatched)) and is_news(remembered, matches)
        self._states = states = run_states(baseline, snapshot, dead_letters)
        targets = Targets(selection.targets, self._is_selected(adoption, listing))
        successors = Successors() if listing is None else listing.successors
        matches.unmatched = [run for run in matches.unmatched if not successors.explains(run)]
        if self._held_back is not None and (adoption.adopted or adoption.noted):
            self._held_back.close()  # somebody else triggers runs of this project

        foreign = bool(adoption.adopted or adoption.noted or is_news(remembered, matches))
        adoption = with_successors(adoption, successors, baseline, now_ms)

        # Compare, block what must wait, and count.
        recurrences = self._recurrences(targets, adoption, listing, now_ms)
        context = self._context(targets, adoption, recurrences, listing, now_ms)
        inputs = Inputs(
            baseline=baseline,
            selection=selection,
            targets=targets,
            context=context,
            recurrences=recurrences,
            keep_all=self._keep_all,
        )
        compared = to_compare(inputs)
        blocker = Blocker(inputs, Headcounts(inputs, compared.unchanged))
        unclaimed = Unclaimed(
            unclaimed_runs(matcher, matches, listed) if selection.requested is None else (),
            baseline.store.dismissed(),
            baseline.identities.fingerprints_under,
        )
        gathered = self._gathered(inputs, compared, blocker, unclaimed)
        self._watched |= blocker.watched
        self._watched |= {name for name, one in recurrences.items() if one.watches}

        plan = plan_without_changes(self.workspace, self.manifests, baseline.head, verified=listing is not None)
        plan = replace(
            plan,
            changes=gathered.changes,
            sends=gathered.sends,
            summary=gathered.summary,
            housekeeping=(*states.edits, *gathered.housekeeping),  # what was observed is about the runs of until now
            kept=gathered.kept,
            warnings=(
                *plan.warnings,
                *self.manifests.cautions,
                *(f"the server knows more than one run with the id {run_id}" for run_id in matches.doubled),
            ),
            unmatched_ids=tuple(sorted(run.workflow_run_id for run in matches.unmatched)),
            orphans=gathered.orphans,
            drifted=gathered.drifted,
            handled=gathered.handled,
            backing_off=gathered.backing_off,
            possibly_renamed=tuple(gathered.possibly_renamed),
            emptied=gathered.emptied,
            possibly_triggered=tuple(gathered.possibly_triggered),
            continuations=successors.unclear(targets.match),
            in_doubt=tuple(gathered.in_doubt),
            unmet=tuple(gathered.unmet),
            declared_again=gathered.declared_again,
            idle=none_in(selection.run_states) if selection.run_states or selection.labels else "",
            notes=tuple(notes(recurrences)),
            explain=partial(explained, context=context),
        )
        policies = self.manifests.policies(baseline.store.groups())
        edits: list[Edit] = [
            *adoption.noted,
            *memory(remembered, matches),
            *(Dismiss(run_id, address) for run_id, address in gathered.possibly_triggered),
            *([PutGroups(policies)] if policies else ()),
            *baseline.renames.group_edits(),
            *blocker.edits,
        ]
        if not (self._is_narrowed or self._only_records):
            edits.extend(note_held_back(gathered.changes, baseline.head))
        withheld = frozenset[str]() if self._held_back is None else self._held_back.withheld
        is_partial = bool(targets) or selection.requested is not None
        return PlanResult(
            plan=plan,
            edits=edits,
            foreign=foreign,
            conclusions={} if is_partial else conclusions(recurrences, gathered.changes, withheld),
            planned_ms=due_until_ms(now_ms, listing),
            undecided=any(one.undecided for one in recurrences.values()),
            passes=blocker.passes,
            conflicts=taken_ids(gathered.changes, matches.unmatched, self.manifests.runs),
            due_s=max((one.due_s for one in recurrences.values() if one.due_s is not None), default=None),
        )

    # --- its parts -------------------------------------------------------------------------------------------

    def _is_selected(self, adoption: Adoption, listing: RunListing | None) -> Callable[[str], bool] | None:
        """Whether a run carries one of the selection's labels and is in one of its states; None where all are meant."""
        selection = self.selection
        tests: list[Callable[[str], bool]] = []
        if selection.labels:
            tests.append(self._labelled.__contains__)
        if selection.run_states:
            verdicts = {} if listing is None else listing.verdicts
            tests.append(in_states(selection.run_states, self.baseline, self._states, adoption, verdicts).__contains__)
        return (lambda address: all(test(address) for test in tests)) if tests else None

    def _check_replaced(self) -> None:
        """Raises: `UsageError` where `--replace` names what isn't declared."""
        found = self.manifests.runs.find(self.selection.replace).values()
        declared = {run.address for run in found if run.group.schedule is None}
        unknown = [each for each in self.selection.replace if each not in declared and self.baseline.is_mine(each)]
        if unknown:
            raise UsageError(
                f"--replace names no declared run: {', '.join(unknown)}", hint="addresses look like group/name"
            )

    def _recurrences(
        self, targets: Targets, adoption: Adoption, listing: RunListing | None, now_ms: int
    ) -> dict[str, Recurrence]:
        """Evaluate the recurring groups."""
        verdicts = {} if listing is None else listing.verdicts
        found = {address: verdict.run.state for address, verdict in verdicts.items() if verdict.run is not None}
        shown = {address: one.run_state for address, one in adoption.adopted.items() if one.run_state is not None}
        evidence = Evidence(
            now_ms=due_until_ms(now_ms, listing),
            until_ms=None if self._held_back is None else self._held_back.planned_ms,
            logs_since_s=logs_since_s(self.workspace.target, now_ms, listing),
            listed=listing is not None,
            adopted=adoption.adopted,
            troubled=self._states.troubled,
            live=ChainMap(found, shown, self._states.live),  # an adopted run follows on the recorded one
            absent={address for address, one in verdicts.items() if one.finding is AttemptFinding.ABSENT},
            wanted=targets.match
            if self.selection.requested in (RequestedAction.RESTART, RequestedAction.RETRIGGER)
            else None,
        )
        return recur(self.baseline, evidence)

    def _context(
        self,
        targets: Targets,
        adoption: Adoption,
        recurrences: Mapping[str, Recurrence],
        listing: RunListing | None,
        now_ms: int,
    ) -> DiffContext:
        baseline, selection = self.baseline, self.selection
        noted: dict[tuple[str, str], int] = {}
        for note in adoption.noted:
            key = (note.address, note.fingerprint)
            noted[key] = max(noted.get(key, 0), note.generation)
        recorded_policies = baseline.store.groups()
        return DiffContext(
            identities=baseline.identities,
            lookups=baseline.lookups,
            now_ms=now_ms,
            dlq_retention_s=self.workspace.project.server.dlq_retention_s,
            attempts=baseline.attempts,
            verdicts={} if listing is None else listing.verdicts,
            adopted=adoption.adopted,
            noted=noted,
            renames=baseline.renames.by_origin,
            states=self._states,
            removal=Removal(
                policies={**recorded_policies, **self.manifests.policies(recorded_policies)},
                is_gone=(lambda _: False) if self._is_narrowed else self.manifests.is_gone,
                is_undeclared=(lambda _: False) if self._is_chosen else self.manifests.is_gone,
                emptied_generator=baseline.emptied_generator,
                prune=selection.prune,
            ),
            past=PastInstances(
                groups=recurrences.keys(),
                expired={address for one in recurrences.values() for address in one.expired},
                shown=self._keep_all or bool(targets),
            ),
            handling=handling_recorded if listing is None else listing.handling,
            continuations={} if listing is None else listing.successors.continuations,
            requested=selection.requested,
            replace=frozenset(selection.replace),
            replaces_running=self._only_records,
        )

    def _gathered(self, inputs: Inputs, compared: Compared, blocker: Blocker, unclaimed: Unclaimed) -> Gathered:
        """Compare, block what has to wait, and count. Raises: `InvalidInput`."""
        problems: list[Diagnostic] = []
        changes = diff(compared.runs, compared.keys, inputs.context, problems)
        if unclaimed:
            changes = unclaimed.marked(changes, inputs.targets.match)
        if not self._only_records and self.selection.requested is None:
            changes = blocker.changes(changes)
        if self._held_back is not None:
            changes = self._held_back.limited(changes)
        new = first(inputs) if self._held_back is None and not unclaimed else None
        gathered = new or gather(changes, inputs)
        gathered.summary[Action.KEEP] += compared.kept
        if problems:
            raise InvalidInput(problems)
        return gathered

    @property
    def _is_chosen(self) -> bool:
        """Whether the user chose the runs that the plan is about."""
        selection = self.selection
        return bool(
            selection.targets
            or selection.labels
            or selection.run_states
            or selection.limit is not None
            or selection.requested is not None
        )

    @property
    def _is_narrowed(self) -> bool:
        """Whether the plan is about a part of all runs."""
        return self._is_chosen or self.workspace.target.shard is not None

    @cached_property
    def _labelled(self) -> frozenset[Address]:
        """The recorded addresses under one of the selection's labels. Raises: `UsageError`."""
        is_whole = self.workspace.target.shard is None
        labels = labelled(self.baseline.store, self.selection.labels, strict=is_whole)
        return frozenset(map(self.baseline.renames.renamed, labels))
