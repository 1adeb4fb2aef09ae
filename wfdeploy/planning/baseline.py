"""What a command knows before it asks the server: its manifests and its state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from wfdeploy.manifests.identify.run_ids import Naming, place_of
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address
from wfdeploy.model.project import shard_index
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.state import Attempt, Head, Record, RecordKey, Standing
from wfdeploy.model.workflow_id import own_id
from wfdeploy.planning.diff.failure_policy import UNFINISHED
from wfdeploy.planning.identities import identities
from wfdeploy.planning.renames import Renames
from wfdeploy.ports import StateStore
from wfdeploy.workspace import Workspace


class Baseline:
    """Manifests and state as one command finds them.

    Raises: `InvalidInput` when a move can't be made; `UsageError` for moves in shards.
    """

    def __init__(self, workspace: Workspace, manifests: Manifests, store: StateStore) -> None:
        self.workspace = workspace
        self.manifests = manifests
        self.store = store
        self.head: Head = store.head()
        self.renames = Renames(manifests, store, sharded=workspace.target.shard is not None)
        self.lookups = StateLookups(store, self.renames)
        self.identities = identities(
            workspace.project, manifests.requests, self.renames.respelled, self.redaction_key_of
        )
        # By the names that runs have now, refused ones included.
        self.attempts: dict[Address, Attempt] = {}
        for attempt in store.attempts():
            address = self.renames.renamed(attempt.address)
            self.attempts[address] = attempt if address == attempt.address else attempt._replace(address=address)
        self._name = Naming(workspace.project.key, workspace.project.environment)
        self._differing: dict[str, set[Address]] = {}

    def begin_state(self) -> StateStore:
        """Begin a state on disk, where so far there was an empty one in memory."""
        self.store.close()
        self.store = self.lookups.store = self.workspace.create_state()
        self.head = self.store.head()
        return self.store

    def close(self) -> None:
        """Close the state, also one that was begun since."""
        self.store.close()

    @property
    def open_attempts(self) -> list[Attempt]:
        """The attempts whose outcome isn't known."""
        return [attempt for attempt in self.attempts.values() if attempt.is_open]

    def unfinished(self) -> Iterator[Standing]:
        """The recorded runs that aren't known to have ended."""
        return self.store.standings(UNFINISHED)

    def differing(self, group: str) -> set[Address]:
        """The addresses of a group at which what is declared and what is recorded differ."""
        if group not in self._differing:
            self._differing[group] = self.manifests.runs.differing(group, self.store.identities)
        return self._differing[group]

    def is_mine(self, address: str) -> bool:
        """Whether an address belongs to the shard that is worked on."""
        project, shard = self.workspace.project, self.workspace.target.shard
        return shard is None or shard.covers(place_of(project.key, project.environment, address))

    def redaction_key_of(self, run: DesiredRun) -> bytes:
        """The key of the digests that stand for redacted values in the record of a run."""
        keys, project = self.head.shard_keys, self.workspace.project
        if not keys:
            return self.head.redaction_key
        place = place_of(project.key, project.environment, self.renames.recorded_as(run.address))
        return keys[shard_index(place, len(keys))]

    def emptied_generator(self, address: Address) -> str | None:
        """The generator that made a run, if it is still declared but makes no runs any more."""
        name, bracket, _ = self.renames.destination(address).partition("[")
        return name if bracket and name in self._empty_generators else None

    @cached_property
    def _empty_generators(self) -> frozenset[str]:
        return self.manifests.empty_generators

    # --- what the run of an attempt is found by in a listing -------------------------------------------------

    def names_of(self, attempt: Attempt) -> list[str]:
        """The ids and labels by which a listing shows the run of an attempt."""
        if not attempt.explicit_id:
            return self._name.of_attempt(attempt)
        # It may have gone out under a name that nothing but a tombstone remembers: a rename leaves one.
        former = self._tombstones.get((attempt.fingerprint, attempt.generation), ())
        return self._name.of_attempt(attempt, (*self.renames.origins(attempt.address), *former))

    def derived_id(self, attempt: Attempt) -> str:
        """The derived id that goes out with an author's id; empty for an attempt without one."""
        return self._name.of_attempt(attempt)[0] if attempt.explicit_id else ""

    @cached_property
    def _tombstones(self) -> dict[tuple[str, int], list[str]]:
        """Former addresses by fingerprint and generation."""
        found: dict[tuple[str, int], list[str]] = {}
        for address, fingerprint, generation in self.store.tombstones():
            found.setdefault((fingerprint, generation), []).append(address)
        return found


class StateLookups:
    """Looks up records and generations in the state, by the names that runs have now, many at a time."""

    def __init__(self, store: StateStore, renames: Renames) -> None:
        self.store = store
        self._renames = renames
        self._batch: frozenset[Address] = frozenset()
        self._records: Mapping[str, Record] | None = None
        self._generations: Mapping[tuple[str, str], int] | None = None

    @cached_property
    def is_blank(self) -> bool:
        """Whether the state knows no run, past or present. Then nothing has to be looked up for new runs."""
        return next(self.store.record_keys(), None) is None and next(self.store.former_addresses(), None) is None

    def fetch(self, addresses: Collection[Address]) -> None:
        """Prepare a batch: when one of these addresses is looked up, all are. The batch before is dropped."""
        if not self.is_blank:
            self._batch = frozenset(addresses)
            self._records = self._generations = None

    def record(self, address: str) -> Record | None:
        """The full record of an address."""
        former = self._renames.recorded_as(Address(address))
        if address in self._batch:
            if self._records is None:
                records = self.store.records(set(map(self._renames.recorded_as, self._batch)))
                self._records = {record.address: record for record in records}
            record = self._records.get(former)
        else:
            record = next(iter(self.store.records([former])), None)
        return record if record is None or former == address else replace(record, address=Address(address))

    def highest(self, address: str, fingerprint: str) -> int:
        """The highest known generation of a fingerprint at an address; 0 for none."""
        if self.is_blank:
            return 0
        names = self._names(address)
        if address not in self._batch:
            known = self.store.generations(names)
        elif self._generations is None:
            all_names = {name for one in self._batch for name in self._names(one)}
            known = self._generations = self.store.generations(all_names)
        else:
            known = self._generations
        return max([known.get((name, fingerprint), 0) for name in names])

    def _names(self, address: str) -> Collection[str]:
        return (address, self._renames.recorded_as(Address(address)), *self._renames.origins(address))

    def is_taken_over(self, key: RecordKey) -> bool:
        """Whether a later record has the same workflow run id. Then this record's run has ended: the server gives an id
        to another run only after that."""
        if own_id(key.workflow_run_id) is None:
            return False
        began_ms = self._began_ms(key.address)
        return any(self._began_ms(other) > began_ms for other in self._shared_ids.get(key.workflow_run_id, ()))

    def _began_ms(self, address: str) -> int:
        record = self.record(address)
        return 0 if record is None else record.created_at_ms or record.recorded_at_ms

    @cached_property
    def _shared_ids(self) -> dict[str, list[Address]]:
        """The addresses of each id that more than one record has."""
        found: dict[str, list[Address]] = {}
        for key in self.store.record_keys():
            if own_id(key.workflow_run_id) is not None:
                found.setdefault(key.workflow_run_id, []).append(self._renames.renamed(key.address))
        return {run_id: addresses for run_id, addresses in found.items() if len(addresses) > 1}
