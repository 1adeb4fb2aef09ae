"""Manifests, state and (where it was asked for) the server's listing, brought together into a plan."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.manifests.identify.describe import recorded
from wfdeploy.manifests.identify.run_ids import place_of
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import Dismiss, PutGroups
from wfdeploy.model.plan import Action, Plan, Selection, Wish
from wfdeploy.model.request import Request
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.state import Attempt, Head, Standing
from wfdeploy.planning.blocking.blocking import Turns
from wfdeploy.planning.blocking.held_back import HeldBack, note_held_back
from wfdeploy.planning.blocking.recurring import Recurrence, Surroundings, conclusions, notes, recur
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.planning.diff.differ import diff
from wfdeploy.planning.diff.reasons import explained
from wfdeploy.planning.gathering import Gathered, gather
from wfdeploy.planning.identities import identities
from wfdeploy.planning.listing.adoption import Adoption
from wfdeploy.planning.listing.claimed import brought_up_to_date, going
from wfdeploy.planning.listing.matches import Matcher, is_news, memory
from wfdeploy.planning.listing.own_ids import AttemptNames, TakenOver, taken_ids
from wfdeploy.planning.listing.refreshing import Condition, all_unfinished, asked_after, condition, labelled
from wfdeploy.planning.listing.unclaimed import Unclaimed, unclaimed_runs
from wfdeploy.planning.lookups import Lookups
from wfdeploy.planning.outlook import Outlook, Seen, due_until_ms, logs_since_s
from wfdeploy.planning.renames import Renames
from wfdeploy.planning.shortcuts import first, to_compare
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import StateStore
from wfdeploy.workspace import Workspace


class Prepared:
    """One look at manifests and state; `outlook` turns it into a plan, with or without a listing."""

    def __init__(
        self,
        workspace: Workspace,
        manifests: Manifests,
        store: StateStore,
        selection: Selection,
        *,
        only_records: bool = False,
        held_back: HeldBack | None = None,
    ) -> None:
        """`only_records`: nothing will be sent, so no run waits for another, or for its rollout. `held_back`: all that
        may be done (None: whatever is declared)."""
        self.workspace = workspace
        self.manifests = manifests
        self.store = store
        self.selection = selection
        self.held_back = held_back
        self.head: Head = store.head()
        self.desired = manifests.runs
        self._empty_generators = manifests.empty_generators
        self.moves = Renames(manifests, store, sharded=workspace.target.shard is not None)
        self._identities = identities(
            workspace.project, manifests.requests, self.moves.respelled, lambda: self.head.redaction_key
        )
        self.renames = self.moves.by_origin
        self.names_of = AttemptNames(workspace.project, lambda: self.store, self.moves.origins)
        self._former = {to: origin for origin, to in self.renames.items()}
        self._lookups = Lookups(lambda: self.store, self.recorded_address, self.moves.origins)
        self.attempts: dict[Address, Attempt] = {}
        for attempt in store.attempts():
            address = self.renames.get(attempt.address, attempt.address)
            self.attempts[address] = _moved(attempt, address)
        self._differing: dict[str, set[Address]] = {}  # by group: what is declared and recorded differs there
        self._unverified: dict[bool, Outlook] = {}  # made without a listing, by `keep_all`
        self._claimed: list[Standing] = []  # runs to be adopted that aren't known to have ended
        self._only_records = only_records
        self.condition = Condition({}, {})  # as it was known for the latest outlook
        self._watched: set[str] = set()  # groups of which it matters how their runs do

    @property
    def open_attempts(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt.is_open]

    def unfinished(self) -> Iterator[Standing]:
        """The recorded runs that aren't known to have ended."""
        return all_unfinished(self.store)

    def asked_after(self, plan: Plan) -> list[Standing]:
        """Those of them whose state should be known for this plan."""
        return asked_after(
            self.selection,
            self.manifests.groups,
            plan,
            lambda: chain(self.unfinished(), self._claimed),
            self._renamed,
            watched=self._watched,
        )

    def _renamed(self, address: Address) -> Address:
        return self.renames.get(address, address)

    def recorded(self, request: Request) -> str:
        """A request as the state records it: JSON text."""
        return recorded(request, self.head.redaction_key)

    def recorded_address(self, address: Address) -> Address:
        """The name that the state still has an address under."""
        return self._former.get(address, address)

    # --- the plan --------------------------------------------------------------------------------------------

    def outlook(self, seen: Seen | None, *, keep_all: bool = False) -> Outlook:
        """The plan. Raises: `InvalidInput` for changes that the manifests' policies forbid; `UsageError`."""
        before = self._unverified.get(keep_all)
        telling = seen is not None and (
            seen.runs
            or seen.verdicts
            or seen.letters is not None
            or (seen.view is not None and (any(True for _ in self.unfinished()) or self._claimed))
        )
        if before is not None and seen is not None and not (telling or self.attempts or before.is_early(seen)):
            # The usual listing: it told nothing, so what was planned without it stands.
            return replace(before, plan=replace(before.plan, verified=True))
        self._unverified.pop(keep_all, None)  # it may hold very many changes, and is of no use any more
        outlook = self._outlook(seen, keep_all=keep_all)
        if seen is None:
            self._unverified[keep_all] = outlook
        return outlook

    def _outlook(self, seen: Seen | None, *, keep_all: bool) -> Outlook:
        selection = self.selection
        targets = Targets(selection.targets, self._labelled.__contains__ if selection.labels else None)
        remembered = self.store.unclaimed()
        now_ms = self.workspace.clock.now_ms()
        matcher = Matcher(
            project=self.workspace.project,
            shard=self.workspace.target.shard,
            manifests=self.manifests,
            store=self.store,
            renames=self.moves,
            attempts=self.attempts,
            redaction_key=self.head.redaction_key,
            now_ms=now_ms,
        )
        listed = () if seen is None else seen.runs
        sightings = matcher.sightings(listed, remembered)
        view, letters = (None, None) if seen is None else (seen.view, seen.letters)
        adoption = brought_up_to_date(matcher.adoption(sightings), view)
        self._claimed = going(adoption)
        if self.held_back is not None and (adoption.adopted or adoption.noted):
            self.held_back.close()  # somebody else triggers runs of this project
        self.condition = runs = condition(self.store, self.unfinished, view, self._renamed, letters)
        noted: dict[tuple[str, str], int] = {}
        for note in adoption.noted:
            key = (note.address, note.fingerprint)
            noted[key] = max(noted.get(key, 0), note.generation)
        recurrences = self._recurrences(targets, adoption, runs, seen)
        self._watched |= {name for name, one in recurrences.items() if one.watches}
        policies = self.store.groups()
        changed_policies = self.manifests.policies(policies)
        problems: list[Diagnostic] = []
        shard = self.workspace.target.shard
        chosen = bool(targets) or selection.limit is not None or selection.wish is not None
        narrowed = chosen or shard is not None
        declared = {
            address: run for address, run in self.desired.find(selection.replace).items() if run.group.schedule is None
        }
        unknown = [address for address in selection.replace if address not in declared and self._is_mine(address)]
        if unknown:
            raise UsageError(
                f"--replace names no declared run: {', '.join(unknown)}", hint="addresses look like group/name"
            )
        context = DiffContext(
            identities=self._identities,
            now_ms=now_ms,
            highest=lambda address, text: max(self._highest(address, text), noted.get((address, text), 0)),
            records=self._lookups.record,
            fetch=lambda addresses: None if self.is_blank else self._lookups.fetch(addresses),
            attempts=self.attempts,
            verdicts={} if seen is None else seen.verdicts,
            adopted=adoption.adopted,
            renames=self.renames,
            on_remove={**policies, **changed_policies},
            is_gone=(lambda _: False) if narrowed else self.manifests.is_gone,
            is_undeclared=(lambda _: False) if chosen else self.manifests.is_gone,
            emptied_generator=self._emptied_generator,
            standings=runs.standings,
            live_states=runs.live,
            dlq_retention_s=self.workspace.project.server.dlq_retention_s,
            is_taken_over=TakenOver(self.store, self._renamed, self._lookups.record),
            wish=selection.wish,
            recurring=recurrences.keys(),
            names_past=keep_all or bool(targets),
            expired={address for one in recurrences.values() for address in one.expired},
            replace=frozenset(selection.replace),
            replaces_running=self._only_records,
            prune=selection.prune,
        )
        unclaimed = Unclaimed(
            unclaimed_runs(matcher, sightings, listed) if selection.wish is None else (),
            self.store.dismissed(),
            self._identities.fingerprints_under,
        )
        turns, gathered = self._compared(context, targets, recurrences, unclaimed, problems, keep_all=keep_all)
        is_whole = not (narrowed or self._only_records)
        withheld = frozenset() if self.held_back is None else self.held_back.withheld
        if problems:
            raise InvalidInput(problems)
        self._watched |= turns.watched
        target = self.workspace.target
        plan = Plan(
            project=target.project.name,
            environment=target.project.environment,
            url=target.url,
            token_source=target.token_source,
            state=str(target.state_file),
            lineage=self.head.lineage,
            serial=self.head.serial,
            verified=seen is not None,
            changes=gathered.changes,
            sends=gathered.sends,
            summary=gathered.summary,
            housekeeping=(*runs.edits, *gathered.housekeeping),  # what was observed is about the runs of until now
            kept=gathered.kept,
            warnings=(
                *self.manifests.cautions,
                *(f"the server knows more than one run with the id {run_id}" for run_id in sightings.doubled),
            ),
            unmatched_ids=tuple(sorted(run.workflow_run_id for run in sightings.unmatched)),
            orphans=gathered.orphans,
            drifted=gathered.drifted,
            possibly_renamed=tuple(gathered.possibly_renamed),
            emptied=gathered.emptied,
            possibly_triggered=tuple(gathered.possibly_triggered),
            declared_again=gathered.declared_again,
            manifests_digest=self.manifests.digest,
            notes=tuple(notes(recurrences)),
            shard="" if shard is None else str(shard),
            explain=partial(explained, context=context),
        )
        return Outlook(
            plan=plan,
            edits=[
                *adoption.noted,
                *memory(remembered, sightings),
                *(Dismiss(run_id, address) for run_id, address in gathered.possibly_triggered),
                *((PutGroups(changed_policies),) if changed_policies else ()),
                *self.moves.group_edits(),
                *turns.edits,
                *(note_held_back(gathered.changes, self.head) if is_whole else ()),
            ],
            foreign=bool(adoption.adopted or adoption.noted or is_news(remembered, sightings)),
            doubled=sightings.doubled,
            conclusions={} if targets or selection.wish else conclusions(recurrences, gathered.changes, withheld),
            planned_ms=due_until_ms(now_ms, seen),
            undecided=any(one.undecided for one in recurrences.values()),
            passes=turns.passes,
            conflicts=taken_ids(gathered.changes, sightings.unmatched, self.desired),
            due_s=max((one.due_s for one in recurrences.values() if one.due_s is not None), default=None),
        )

    def _compared(
        self,
        context: DiffContext,
        targets: Targets,
        recurrences: Mapping[str, Recurrence],
        unclaimed: Unclaimed,
        problems: list[Diagnostic],
        *,
        keep_all: bool,
    ) -> tuple[Turns, Gathered]:
        """What is to change, and whose turn it is. What the manifests' author must fix goes to `problems`."""
        selection = self.selection
        shard = self.workspace.target.shard
        compared = to_compare(self, context, targets, recurrences, keep_all=keep_all)
        changes = diff(compared.runs, compared.keys, context, problems)
        if unclaimed:
            changes = unclaimed.marked(changes, targets.match)
        turns = Turns(
            manifests=self.manifests,
            store=self.store,
            context=context,
            targets=targets,
            quiet=compared.quiet,
            runs_of=lambda name: self._runs_of(name, recurrences),
            rollouts=self.moves.rollouts,
            former=self.moves.former_groups,
            sharded=shard is not None,
        )
        if not self._only_records and selection.wish is None:
            changes = turns.changes(changes)
        if self.held_back is not None:
            changes = self.held_back.only(changes)
        whole = self.held_back is None and not unclaimed
        new = first(self, context, targets, recurrences) if whole else None
        gathered = new or gather(
            changes,
            targets=targets,
            limit=selection.limit,
            keep_all=keep_all,
            strict=shard is None,
            wished=selection.wish is not None,
            is_gone=self.manifests.is_gone,
            emptied_generator=context.emptied_generator,
        )
        gathered.summary[Action.KEEP] += compared.kept
        return turns, gathered

    def differing(self, group: str) -> set[Address]:
        """The addresses of a group at which what is declared and what is recorded differ."""
        if group not in self._differing:
            self._differing[group] = self.desired.differing(group, self.store.identities)
        return self._differing[group]

    def _recurrences(
        self, targets: Targets, adoption: Adoption, runs: Condition, seen: Seen | None
    ) -> dict[str, Recurrence]:
        """What the recurring groups come to."""
        shown = {address: one.run_state for address, one in adoption.adopted.items() if one.run_state is not None}
        verdicts = {} if seen is None else seen.verdicts
        found = {address: verdict.run.state for address, verdict in verdicts.items() if verdict.run is not None}
        wish = self.selection.wish
        server = self.workspace.project.server
        now_ms = self.workspace.clock.now_ms()
        around = Surroundings(
            now_ms=due_until_ms(now_ms, seen),
            logs_since_s=logs_since_s(self.workspace.target, now_ms, seen),
            decided=self.moves.schedules,
            until_ms=None if self.held_back is None else self.held_back.planned_ms,
            attempts=self.attempts,
            adopted=adoption.adopted,
            listed=seen is not None,
            live=ChainMap(found, shown, runs.live),  # a run that is adopted follows on the recorded one
            standings=runs.standings,
            dlq_retention_s=server.dlq_retention_s,
            wanted=targets.match if wish in (Wish.RESTART, Wish.RETRIGGER) else None,
            former=self.moves.former_groups,
            renamed=self._renamed,
            is_mine=self._is_mine,
        )
        return recur(self.manifests, self.store, around)

    def _runs_of(self, name: str, recurrences: Mapping[str, Recurrence]) -> Iterable[DesiredRun]:
        """The desired runs of a group: of a recurring one, instances."""
        return recurrences[name].runs if name in recurrences else self.desired.runs([name])

    # --- what the state says ---------------------------------------------------------------------------------

    @cached_property
    def _labelled(self) -> frozenset[str]:
        """The recorded addresses under one of the selection's labels. Raises: `UsageError`."""
        is_whole = self.workspace.target.shard is None
        return frozenset(map(self._renamed, labelled(self.store, self.selection.labels, strict=is_whole)))

    def _highest(self, address: str, fingerprint_text: str) -> int:
        if self.is_blank:
            return 0
        return self._lookups.highest(address, fingerprint_text)

    @cached_property
    def is_blank(self) -> bool:
        """Whether the state knows of no run, past or present: then there is nothing to look up for each new one."""
        return next(self.store.record_keys(), None) is None and next(self.store.former_addresses(), None) is None

    def _emptied_generator(self, address: Address) -> str | None:
        name, bracket, _ = self.moves.destination(address).partition("[")
        return name if bracket and name in self._empty_generators else None

    def _is_mine(self, address: str) -> bool:
        """Whether an address belongs to the shard that is worked on."""
        project, shard = self.workspace.project, self.workspace.target.shard
        return shard is None or shard.covers(place_of(project.key, project.environment, address))


def _moved(attempt: Attempt, address: Address) -> Attempt:
    return attempt if attempt.address == address else attempt._replace(address=address)
