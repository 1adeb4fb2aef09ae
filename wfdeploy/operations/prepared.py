"""Manifests, state and (where it was asked for) the server's listing, brought together into a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.plan import Action, Plan, Selection
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.request import Request
from wfdeploy.model.run import DesiredRun, OnRemove
from wfdeploy.model.state import Attempt, Claim, Edit, Head, Origin, PutGroups, Record, RecordKey, Remember
from wfdeploy.operations.manifests import Manifests
from wfdeploy.operations.renames import Renames
from wfdeploy.operations.workspace import Workspace
from wfdeploy.pipeline.diff.context import DiffContext, Identities, Verdict
from wfdeploy.pipeline.diff.differ import diff
from wfdeploy.pipeline.diff.listing import Adoption, Sighting, Sightings, adopt, sight
from wfdeploy.pipeline.diff.planner import gather
from wfdeploy.pipeline.diff.targets import Targets
from wfdeploy.pipeline.identify.describe import describe, recorded
from wfdeploy.pipeline.identify.digest import digest
from wfdeploy.pipeline.identify.fingerprint import CURRENT, fingerprint, is_known, version_of
from wfdeploy.pipeline.identify.run_ids import id_key, parse_run_id, place_of, run_id
from wfdeploy.ports import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A complete listing and what it says of open attempts, by address. `settled`: it began late enough to tell."""

    runs: tuple[ObservedRun, ...]
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)
    began_ms: int | None = None  # server time; None when the server tells no time


@dataclass(slots=True, kw_only=True)
class Outlook:
    """A plan with what carrying it out needs beside it: edits from the listing, ids that more than one run had."""

    plan: Plan
    edits: list[Edit]
    adopted: int
    doubled: list[str]


class Prepared:
    """One look at manifests and state; `outlook` turns it into a plan, with or without a listing."""

    def __init__(self, workspace: Workspace, manifests: Manifests, store: StateStore, selection: Selection) -> None:
        self.workspace = workspace
        self.manifests = manifests
        self.store = store
        self.selection = selection
        self.head: Head = store.head()
        self.desired = manifests.runs
        self._moves = Renames(manifests, store, sharded=workspace.target.shard is not None)
        self.renames = self._moves.by_origin
        self._former = {to: origin for origin, to in self.renames.items()}
        self.attempts: dict[Address, Attempt] = {}
        for attempt in store.attempts():
            address = self.renames.get(attempt.address, attempt.address)
            self.attempts[address] = _moved(attempt, address)
        self._unverified: dict[bool, Outlook] = {}  # made without a listing, by `keep_all`

    @property
    def open_attempts(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt.is_open]

    @cached_property
    def manifests_digest(self) -> str:
        """Over addresses, fingerprints and delivery options: equal manifests, equal digest."""
        groups = sorted((name, group.tally) for name, group in self.desired.groups.items() if group.tally.count)
        return digest(canonical_json([[name, tally.count, tally.to_bytes().hex()] for name, tally in groups]))

    def describe(self, run: DesiredRun) -> dict[str, Any]:
        """The request's fields, as the state records them."""
        return describe(self.manifests.requests.of(run).request, self.head.redaction_key)

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
        if before is not None and seen is not None and not (seen.runs or seen.verdicts or self.attempts):
            # The usual listing: it told nothing, so what was planned without it stands.
            return replace(before, plan=replace(before.plan, verified=True))
        outlook = self._outlook(seen, keep_all=keep_all)
        if seen is None:
            self._unverified[keep_all] = outlook
        return outlook

    def _outlook(self, seen: Seen | None, *, keep_all: bool) -> Outlook:
        selection = self.selection
        targets = Targets(selection.targets)
        remembered = self.store.unclaimed()
        sightings = self._sightings((*remembered, *(() if seen is None else seen.runs)))
        adoption = self._adoption(sightings)
        noted: dict[tuple[str, str], int] = {}
        for note in adoption.noted:
            key = (note.address, note.fingerprint)
            noted[key] = max(noted.get(key, 0), note.generation)
        problems: list[Diagnostic] = []
        shard = self.workspace.target.shard
        narrowed = bool(targets) or selection.limit is not None or shard is not None
        declared = self.desired.find(selection.replace)
        unknown = [address for address in selection.replace if address not in declared and self._is_mine(address)]
        if unknown:
            raise UsageError(
                f"--replace names no declared run: {', '.join(unknown)}", hint="addresses look like group/name"
            )
        context = DiffContext(
            identities=Identities(
                run_id=self._run_id, fingerprint_under=self._fingerprint_under, describe=self.describe
            ),
            now_ms=self.workspace.clock.now_ms(),
            highest=lambda address, text: max(self._highest(address, text), noted.get((address, text), 0)),
            records=self._record,
            attempts=self.attempts,
            verdicts={} if seen is None else seen.verdicts,
            adopted=adoption.adopted,
            renames=self.renames,
            on_remove=dict(self.store.groups()) | self.on_remove,
            in_scope=(lambda _group: False) if narrowed else self._in_scope,
            live_states={id_key(run_id): state for run_id, state in sightings.states.items()},
            replace=frozenset(selection.replace),
            prune=selection.prune,
        )
        quiet = {} if keep_all or targets else self._quiet(context)
        gathered = gather(
            diff(self._runs_but(quiet), self._keys_but(quiet), context, problems),
            targets=targets,
            limit=selection.limit,
            keep_all=keep_all,
            strict=shard is None,
        )
        gathered.summary[Action.KEEP] += sum(quiet.values())
        if problems:
            raise InvalidInput(problems)
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
            housekeeping=tuple(gathered.housekeeping),
            kept=gathered.kept,
            warnings=(
                *self.manifests.omissions,
                *(f"the server knows more than one run with the id {run_id}" for run_id in sightings.doubled),
            ),
            unmatched_ids=tuple(sorted(run.workflow_run_id for run in sightings.unmatched)),
            orphans=gathered.orphans,
            possibly_renamed=tuple(gathered.possibly_renamed),
            manifests_digest=self.manifests_digest,
            shard="" if shard is None else str(shard),
        )
        return Outlook(
            plan=plan,
            edits=[*adoption.noted, *_memory(remembered, sightings), *self._policies()],
            adopted=len(adoption.adopted) + len(adoption.noted) + len(sightings.unmatched),
            doubled=sightings.doubled,
        )

    # --- what didn't change ----------------------------------------------------------------------------------

    def _quiet(self, context: DiffContext) -> dict[str, int]:
        """The groups in which every run is kept, with how many these are: declared and recorded runs are the very
        same, and nothing else is known or asked of any of them. They are passed over, however many runs they have."""
        busy = {
            group_of(address)
            for addresses in (
                context.attempts,
                context.adopted,
                context.renames,
                context.renames.values(),
                context.replace,
            )
            for address in addresses
        }
        recorded = self.store.tallies()
        return {
            name: group.tally.count
            for name, group in self.desired.groups.items()
            if name not in busy and group.tally.count and recorded.get(name) == group.tally
        }

    def _runs_but(self, quiet: Mapping[str, int]) -> Iterator[DesiredRun]:
        return self.desired.runs([name for name in self.desired.groups if name not in quiet])

    def _keys_but(self, quiet: Mapping[str, int]) -> Iterator[RecordKey]:
        if not quiet:
            return self.store.record_keys()
        return self.store.record_keys([name for name in self.store.tallies() if name not in quiet])

    def _policies(self) -> Iterator[Edit]:
        """What a group wants done with removed runs is written down while its manifest is there to say it."""
        known = self.store.groups()
        changed = {name: policy for name, policy in self.on_remove.items() if known.get(name) is not policy}
        if changed:
            yield PutGroups(changed)

    @property
    def on_remove(self) -> dict[str, OnRemove]:
        """The loaded groups' policies."""
        return {name: group.policy.on_remove for name, group in self.manifests.groups.items()}

    # --- what the state says ---------------------------------------------------------------------------------

    def _record(self, address: str) -> Record | None:
        former = self.recorded_address(Address(address))
        record = next(iter(self.store.records([former])), None)
        return record if record is None or former == address else replace(record, address=Address(address))

    def _highest(self, address: str, fingerprint_text: str) -> int:
        if self._is_blank:
            return 0
        known = self.store.generations([address, *self._moves.origins(address)])
        return max((n for (_, text), n in known.items() if text == fingerprint_text), default=0)

    @cached_property
    def _is_blank(self) -> bool:
        """Whether the state knows of no run, past or present: then there is nothing to look up for each new one."""
        return next(self.store.record_keys(), None) is None and next(self.store.former_addresses(), None) is None

    def _in_scope(self, group: str) -> bool:
        return self.manifests.complete or group in self.manifests.groups

    def _fingerprint_under(self, run: DesiredRun, text: str) -> str | None:
        version = version_of(text)
        if version == CURRENT:
            return run.fingerprint
        if not is_known(version):
            return None
        return fingerprint(self.manifests.requests.of(run).request, run.group.identity, version)

    def _is_mine(self, address: str) -> bool:
        """Whether an address belongs to the shard that is worked on."""
        project, shard = self.workspace.project, self.workspace.target.shard
        return shard is None or shard.covers(place_of(project.key, project.environment, address))

    def _run_id(self, address: str, fingerprint_text: str, generation: int) -> str:
        project = self.workspace.project
        return run_id(project.key, project.environment, address, fingerprint_text, generation)

    # --- the listing -----------------------------------------------------------------------------------------

    def _sightings(self, runs: tuple[ObservedRun, ...]) -> Sightings:
        shard = self.workspace.target.shard
        if shard is not None:
            # What other shards trigger carries the same label, and is theirs to know.
            runs = tuple(
                run for run in runs if (parts := parse_run_id(run.workflow_run_id)) is None or shard.covers(parts.place)
            )
        if not runs:
            return Sightings()
        project = self.workspace.project
        wanted = {parts.place for run in runs if (parts := parse_run_id(run.workflow_run_id)) is not None}
        places: dict[str, Address] = {}

        def offer(name: str, address: Address) -> None:
            place = place_of(project.key, project.environment, name)
            if place in wanted:
                places.setdefault(place, address)

        explicit: dict[str, tuple[Address, str, int]] = {}
        for run in self.desired.runs():
            offer(run.address, run.address)
            for origin in self._moves.origins(run.address):
                offer(origin, run.address)
            if run.workflow_run_id is not None:
                explicit[id_key(run.workflow_run_id)] = (run.address, run.fingerprint, 1)
        for key in self.store.record_keys():
            address = self.renames.get(key.address, key.address)
            offer(key.address, address)
            if parse_run_id(key.workflow_run_id) is None:
                explicit[id_key(key.workflow_run_id)] = (address, key.fingerprint, key.generation)
        for attempt in self.attempts.values():
            offer(attempt.address, attempt.address)
            if attempt.explicit_id:
                explicit[id_key(attempt.workflow_run_id)] = (attempt.address, attempt.fingerprint, attempt.generation)
        for address in self.store.former_addresses():
            offer(address, address)

        def locate(text: str) -> tuple[Address, str, int] | None:
            if (named := explicit.get(id_key(text))) is not None:
                return named
            parts = parse_run_id(text)
            if parts is None or parts.place not in places:
                return None
            return places[parts.place], parts.fingerprint, parts.generation

        return sight(runs, locate)

    def _adoption(self, sightings: Sightings) -> Adoption:
        if not sightings.sightings:
            return Adoption({}, [], {})
        addresses = {sighting.address for sighting in sightings.sightings}
        names = {name for address in addresses for name in (address, *self._moves.origins(address))}
        highest: dict[tuple[str, str], int] = {}
        owner = {origin: address for address in addresses for origin in (address, *self._moves.origins(address))}
        for (name, text), generation in self.store.generations(names).items():
            key = (owner[Address(name)], text)
            highest[key] = max(highest.get(key, 0), generation)
        created: dict[Address, int] = {
            self.renames.get(record.address, record.address): record.created_at_ms or record.recorded_at_ms
            for record in self.store.records(names)
        }
        declared = self.desired.find(addresses)
        return adopt(
            sightings.sightings,
            attempts=self.attempts,
            highest=highest,
            created_at=created.get,
            is_declared=lambda sighting: _is_declared(sighting, declared),
            record=lambda sighting: self._adopted_record(sighting, declared),
        )

    def _adopted_record(self, sighting: Sighting, declared: Mapping[Address, DesiredRun]) -> Record:
        run = declared.get(sighting.address)
        same = _is_declared(sighting, declared)
        now_ms = self.workspace.clock.now_ms()
        return Record(
            address=sighting.address,
            fingerprint=sighting.fingerprint,
            generation=sighting.generation,
            workflow_run_id=sighting.run.workflow_run_id,
            delivery=run.delivery if run is not None and same else "",
            origin=Origin.ADOPTED,
            created_at_ms=sighting.run.created_at_ms,
            recorded_at_ms=now_ms,
            request=self.recorded(self.manifests.requests.of(run).request) if run is not None and same else "",
            source=str(run.source) if run is not None and same else "",
            run_state=sighting.run.state,
            observed_at_ms=now_ms,
        )


def _memory(remembered: Sequence[ObservedRun], sightings: Sightings) -> Iterator[Edit]:
    """Remember runs that belong to no known address, claim those that found theirs."""
    known = {run.workflow_run_id for run in remembered}
    unmatched = {run.workflow_run_id for run in sightings.unmatched}
    for run in sightings.unmatched:
        if run.workflow_run_id not in known:
            yield Remember(run)
    for claimed in sorted(known - unmatched):
        yield Claim(claimed)


def _is_declared(sighting: Sighting, declared: Mapping[Address, DesiredRun]) -> bool:
    run = declared.get(sighting.address)
    return run is not None and run.fingerprint == sighting.fingerprint


def _moved(attempt: Attempt, address: Address) -> Attempt:
    return attempt if attempt.address == address else attempt._replace(address=address)
