"""Match listed runs with addresses: which runs are ours, and which of them the state lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter

from wfdeploy.manifests.identify.describe import recorded
from wfdeploy.manifests.identify.run_ids import Naming, attempt_place, parse_attempt, place_of
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Claim, Edit, Remember
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.state import Origin, Record
from wfdeploy.model.workflow_id import DerivedId, id_key, parse_run_id, read_derived_id
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.listing.adoption import Adoption, Match, Matches, RunPlace, adopt, match_runs
from wfdeploy.planning.renames import Renames


class Matcher:
    """Matches listed runs with declared, recorded and moved addresses."""

    def __init__(self, baseline: Baseline, now_ms: int, whole: Manifests | None = None) -> None:
        """`whole`: the manifests of the whole project, where runs are matched with all of them. Raises: `InvalidInput`
        when a move in these can't be made."""
        self.baseline = baseline
        self.now_ms = now_ms
        self.project = baseline.workspace.project
        self.store = baseline.store
        self.manifests = whole or baseline.manifests
        self.renames = baseline.renames if whole is None else Renames(whole, baseline.store, sharded=False)
        self.shard = baseline.workspace.target.shard if whole is None else None

    def match(self, listed: Sequence[ObservedRun], remembered: Sequence[ObservedRun]) -> Matches:
        """Match the runs of a listing, and remembered runs that belonged to nobody until now."""
        shard, runs = self.shard, [*remembered, *self._unlike_records(listed, remembered)]
        identified = [(run, read_derived_id(run)) for run in runs]
        if shard is not None:
            # Runs of other shards carry the same label, and belong to their states.
            identified = [one for one in identified if one[1] is None or shard.covers(one[1].parts.place)]
        if not identified:
            return Matches()
        found = match_runs(identified, _Places(self, identified).locate)
        # A server may list runs of other projects too: their derived ids are those of others.
        ours, label = set(remembered), self.project.label
        found.unmatched = [run for run in found.unmatched if run in ours or label in run.labels]
        if shard is not None:
            found.unmatched = [run for run in found.unmatched if parse_attempt(run.labels) is None]
        return found

    def _unlike_records(
        self, listed: Sequence[ObservedRun], remembered: Collection[ObservedRun]
    ) -> Sequence[ObservedRun]:
        """Drop the listed runs that say nothing new: those that are recorded as they are listed, listed once, with ids
        that say so by themselves. They say nothing about other runs either. What is left is mostly little."""
        labels = {run.labels for run in (*remembered, *listed)}
        if not listed or any(map(parse_attempt, labels)):
            return listed  # a resumed run is known by the run that was triggered
        keys = [id_key(run.workflow_run_id) for run in listed]
        counted = Counter([*keys, *{id_key(run.workflow_run_id) for run in remembered}])
        resumed = {each for each in labels if any(map(parse_run_id, each))}
        recorded = {
            key
            for address, fingerprint, generation, run_id, _ in self.store.keys_with_ids(counted)
            if counted[key := id_key(run_id)] == 1
            and key.endswith(f"-g{generation}-f{fingerprint.replace(':', '', 1)}")
            and self.renames.renamed(address) not in self.baseline.attempts
        }
        return [run for key, run in zip(keys, listed, strict=True) if key not in recorded or run.labels in resumed]

    def adoption(self, matches: Matches) -> Adoption:
        """What the state must learn from the matches."""
        if not matches.matched:
            return Adoption({}, [])
        addresses = {match.address for match in matches.matched}
        declared = self.manifests.runs.find(addresses)
        owner = self.renames.owners(addresses)
        highest: dict[tuple[str, str], int] = {}
        for (name, text), generation in self.store.generations(owner.keys()).items():
            key = (owner[Address(name)], text)
            highest[key] = max(highest.get(key, 0), generation)
        renamed = self.renames.renamed
        recorded = {renamed(record.address): record for record in self.store.records(owner.keys())}
        known: dict[tuple[str, str], set[tuple[int, int]]] = {}  # (generation, tries) of what the same was
        for address, record in recorded.items():
            known.setdefault((address, record.fingerprint), set()).add((record.generation, record.tries))
        for one in matches.matched:
            known.setdefault((one.address, one.fingerprint), set()).add((one.generation, one.tries))
        return adopt(
            matches.matched,
            attempts=self.baseline.attempts,
            highest=highest,
            recorded=recorded,
            is_declared=lambda match: self._is_declared(match, declared),
            record=lambda match: self._adopted(match, declared, _tries(match, known[match.address, match.fingerprint])),
        )

    def _adopted(self, match: Match, declared: Mapping[Address, DesiredRun], tries: int) -> Record:
        run, seen = declared.get(match.address), match.run
        same = run is not None and self._is_declared(match, declared)
        project = self.project
        triggered_id = ""
        if match.tries:
            own_id = run.workflow_run_id if run is not None and same else None
            triggered_id = own_id or Naming(project.key, project.environment)(
                match.address, match.fingerprint, match.generation
            )
        request = ""
        if run is not None and same:
            request = recorded(self.manifests.requests.of(run), self.baseline.redaction_key_of(run))
        return Record(
            address=match.address,
            fingerprint=match.fingerprint,
            generation=match.generation,
            workflow_run_id=seen.workflow_run_id,
            delivery=run.delivery if run is not None and same else "",
            origin=Origin.ADOPTED,
            created_at_ms=seen.created_at_ms,
            recorded_at_ms=self.now_ms,
            request=request,
            source=str(run.source) if run is not None and same else "",
            run_state=seen.state,
            observed_at_ms=self.now_ms,
            completed_at_ms=seen.completed_at_ms,
            tries=tries,
            dlq_id=seen.dlq_id,
            triggered_id=triggered_id,
        )

    def _is_declared(self, match: Match, declared: Mapping[Address, DesiredRun]) -> bool:
        run = declared.get(match.address)
        if run is None or run.fingerprint == match.fingerprint:
            return run is not None
        former = self.renames.respelled.former(run)
        return former is not None and former.fingerprint == match.fingerprint


class _Places:
    """The places that the ids and labels of listed runs may name."""

    def __init__(self, matcher: Matcher, identified: Sequence[tuple[ObservedRun, DerivedId | None]]) -> None:
        self._matcher = matcher
        self._wanted = {derived.parts.place for _, derived in identified if derived is not None}
        self._times = {derived.parts.at for _, derived in identified if derived is not None and derived.parts.at}
        self._first: dict[str, str] = {}  # of several runs with one label, the one that got it from us
        known = set[tuple[str, ...]]()  # mostly all runs carry the same labels
        runs = [run for run, _ in reversed(identified)]
        runs.sort(key=attrgetter("created_at_ms"))
        for run in runs:
            if run.labels not in known:
                known.add(run.labels)
                for label in run.labels:
                    self._first.setdefault(label, run.workflow_run_id)
        self._wanted_tries = {found.place for labels in known if (found := parse_attempt(labels)) is not None}
        self._places: dict[str, Address] = {}
        self._names: dict[str, str] = {}  # by place, as its id has it
        self._tried: dict[str, tuple[Address, str]] = {}
        self._explicit: dict[str, RunPlace] = {}
        if not self._wanted_tries and self._are_recorded(identified):
            return
        self._fill()
        for _, derived in identified if self._wanted_tries else ():
            # A resume of an edited run: the run that was triggered has its fingerprint.
            if derived is not None and derived.parts.place in self._places:
                place, fingerprint = derived.parts.place, derived.parts.fingerprint
                address = self._places[place]
                for name in {address, self._names[place]}:  # it may have been renamed before or after its resume
                    self._offer_try(name, fingerprint, address)

    def _are_recorded(self, identified: Sequence[tuple[ObservedRun, DerivedId | None]]) -> bool:
        """Whether the state knows all of them, as it mostly does. Then no other place has to be considered."""
        matcher, project = self._matcher, self._matcher.project
        name = Naming(project.key, project.environment)
        known: dict[str, RunPlace] = {}
        for key in matcher.store.keys_with_ids({run.workflow_run_id for run, _ in identified}):
            parts = parse_run_id(key.workflow_run_id)
            fingerprint = key.fingerprint if parts is None else parts.fingerprint
            address = matcher.renames.renamed(key.address)
            place = address, fingerprint, key.generation, 0
            known[id_key(key.workflow_run_id)] = place
            if parts is None:  # of several runs that had this id, one after the other, the record is about this one
                known[name(key.address, key.fingerprint, key.generation)] = place
        if any(_identity(*one) not in known for one in identified):
            return False
        self._explicit = known
        return True

    def locate(self, run: ObservedRun, derived: DerivedId | None) -> RunPlace | None:
        """The place that a run belongs to; None when it belongs nowhere."""
        text = run.workflow_run_id
        identity = _identity(run, derived)
        if identity != id_key(text) and self._first.get(identity, text) != text:
            return None  # a resume, by hand, of the run that has this label
        if (named := self._explicit.get(identity)) is not None:
            return named
        if derived is not None:
            parts = derived.parts
            address = self._places.get(parts.place)
            return None if address is None else (address, parts.fingerprint, parts.generation, 0)
        attempt = parse_attempt(run.labels)
        if attempt is None or attempt.place not in self._tried:
            return None
        if any(self._first[label] != text for label in run.labels if parse_attempt((label,)) is not None):
            return None
        return *self._tried[attempt.place], attempt.generation, attempt.tries

    def _fill(self) -> None:
        matcher = self._matcher
        for run in matcher.manifests.runs.runs():
            if run.group.schedule is not None:
                self._offer_instances(run)
                continue
            self._offer(run.address, run.address, own=True)
            former = matcher.renames.respelled.former(run)
            texts = [run.fingerprint] if former is None else [run.fingerprint, former.fingerprint]
            for text in texts:
                self._offer_try(run.address, text)
            for origin in matcher.renames.names(run):
                self._offer(origin, run.address)
                for text in texts:
                    self._offer_try(origin, text, run.address)
        for key in matcher.store.record_keys():
            address = matcher.renames.renamed(key.address)
            self._offer(key.address, address)
            self._offer_try(key.address, key.fingerprint, address)
            if parse_run_id(key.workflow_run_id) is None:
                # The author gave the id, or the server, to a resumed run: then it is a try that the state knows.
                self._explicit[id_key(key.workflow_run_id)] = (address, key.fingerprint, key.generation, 0)
        for attempt in matcher.baseline.attempts.values():
            self._offer(attempt.address, attempt.address)
            self._offer_try(attempt.address, attempt.fingerprint)
            if attempt.explicit_id:
                place = (attempt.address, attempt.fingerprint, attempt.generation, 0)
                self._explicit[id_key(attempt.workflow_run_id)] = place
        for address in matcher.store.former_addresses():
            self._offer(address, address)

    def _offer_instances(self, run: DesiredRun) -> None:
        """Offer the instances of a recurring run at the times that the listed ids name."""
        for name in (run.address, *self._matcher.renames.names(run)):
            for at in self._times:
                self._offer(f"{name}@{at}", Address(f"{run.address}@{at}"))

    def _offer(self, name: str, address: Address, *, own: bool = False) -> None:
        """Offer a place that ids may name. The `own` place of a declared run belongs to no other."""
        project = self._matcher.project
        place = place_of(project.key, project.environment, name)
        if place in self._wanted:
            if own:
                self._places.pop(place, None)
                self._names.pop(place, None)
            self._places.setdefault(place, address)
            self._names.setdefault(place, name)

    def _offer_try(self, name: str, fingerprint: str, address: Address | None = None) -> None:
        if not self._wanted_tries:
            return
        project = self._matcher.project
        place = attempt_place(project.key, project.environment, name, fingerprint)
        if place in self._wanted_tries:
            self._tried.setdefault(place, (address or Address(name), fingerprint))


def memory(remembered: Collection[ObservedRun], matches: Matches) -> Iterator[Edit]:
    """Remember runs that belong to no known address; claim those that found theirs."""
    known, unmatched = set(map(_which, remembered)), set(map(_which, matches.unmatched))
    for run in matches.unmatched:
        if _which(run) not in known:
            # Other labels are the users' own; the state doesn't need them.
            own = tuple(label for label in run.labels if parse_attempt((label,)) or parse_run_id(label))
            yield Remember(run._replace(labels=own))
    for claimed in sorted(known - unmatched):
        yield Claim(*claimed)


def is_news(remembered: Collection[ObservedRun], matches: Matches) -> bool:
    """Whether there are runs that belong to no known address, and weren't remembered."""
    return not set(map(_which, matches.unmatched)) <= set(map(_which, remembered))


def _which(run: ObservedRun) -> tuple[str, int]:
    """The key of a remembered run. An author's id alone may have been given to several."""
    return run.workflow_run_id, run.created_at_ms


def _identity(run: ObservedRun, derived: DerivedId | None) -> str:
    """The derived id that a listed run carries, else its own id."""
    return id_key(run.workflow_run_id) if derived is None else derived.text


def _tries(match: Match, known: Collection[tuple[int, int]]) -> int:
    """How often a listed run may have been tried. `known`: (generation, tries) of all runs that did the same.

    It isn't known whether restarts or edits made a generation, so this errs towards too few attempts.
    """
    tries = -1
    for generation in sorted({generation for generation, _ in known if generation <= match.generation}):
        most = max(each_tries for each, each_tries in known if each == generation)
        tries = max(tries + 1, generation - 1, most)
    return tries
