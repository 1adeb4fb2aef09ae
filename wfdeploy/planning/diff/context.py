"""What the diff knows beside the two streams that it compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from wfdeploy.model.address import Address
from wfdeploy.model.edits import DropAttempt, Edit, Observe, PutRecord, Rename
from wfdeploy.model.observed import Continuation, ObservedRun, RunState
from wfdeploy.model.plan import FieldChange, NameRun, RequestedAction
from wfdeploy.model.run import DesiredRun, OnRemove
from wfdeploy.model.state import Attempt, Origin, Record, RecordKey, Standing
from wfdeploy.planning.diff.failure_policy import Case, Handling, handling_recorded


class AttemptFinding(Enum):
    """What the logs say about an attempt whose outcome is open."""

    NOT_LOOKED_UP = "not looked up"
    FOUND = "found"
    ABSENT = "absent"  # never accepted
    ABSENT_OR_DELAYED = "absent or delayed"  # not shown; if it was accepted, its id is still reserved
    TOO_OLD = "too old"  # older than what the logs remember


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and the run that was found."""

    finding: AttemptFinding
    run: ObservedRun | None = None
    send_before_ms: int | None = None  # until when it may be sent again (server time, Unix ms; None: always)


NOT_LOOKED_UP = Verdict(AttemptFinding.NOT_LOOKED_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """How identities are made. The caller supplies it, since stages never import one another."""

    run_id: NameRun
    # All fingerprints that a run has, or had under former spellings of numbers, in the version of that text; none for
    # an unknown version.
    fingerprints_under: Callable[[DesiredRun, str], Sequence[str]]
    changes: Callable[[DesiredRun, str], tuple[FieldChange, ...]]  # since its request was recorded as this JSON text
    attempt_label: Callable[[str, str, int, int], str]  # address, fingerprint, generation, tries


class Lookups(Protocol):
    """What the state holds of single addresses."""

    def fetch(self, addresses: Collection[Address]) -> None:
        """Prepare to look up these addresses."""

    def record(self, address: str) -> Record | None:
        """The full record of an address."""

    def highest(self, address: str, fingerprint: str) -> int:
        """The highest known generation of a fingerprint at an address; 0 for none."""

    def is_taken_over(self, key: RecordKey) -> bool:
        """Whether another run has this record's workflow run id now. The server gives an id away only when its run has
        ended."""


@dataclass(frozen=True, slots=True)
class RunStates:
    """The states of recorded runs, by the address that they have now."""

    troubled: Mapping[Address, Standing] = field(default_factory=dict)
    """The runs that failed, were cancelled or are missing."""

    live: dict[Address, RunState] = field(default_factory=dict)
    """What the listing says, of the runs that it says anything of."""

    edits: tuple[Observe, ...] = ()  # write down what the state doesn't hold yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What happens to recorded runs that are no longer declared."""

    policies: Mapping[str, OnRemove] = field(default_factory=dict)
    """By group: the manifest's policy where it was loaded, else the state's."""

    is_gone: Callable[[Address], bool] = lambda _: False  # whether a recorded run that isn't declared was removed
    is_undeclared: Callable[[Address], bool] = lambda _: False
    """Whether nobody declares it, also where that is no reason to cancel or forget it (in a shard)."""

    emptied_generator: Callable[[Address], str | None] = lambda _: None
    """The generator that made a run, where it is declared and makes no runs any more."""

    prune: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastInstances:
    """Past instances of recurring groups, which stay as they are."""

    groups: Collection[str] = ()  # the groups that recur
    expired: Collection[Address] = ()  # those that need no record any more
    shown: bool = False  # whether those with nothing to do make a change too


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffContext:
    """Everything but the desired runs and the record keys."""

    identities: Identities
    lookups: Lookups
    now_ms: int  # our clock
    dlq_retention_s: float = 3 * 86400.0  # how long a failed run can be resumed
    attempts: Mapping[Address, Attempt] = field(default_factory=dict)
    verdicts: Mapping[Address, Verdict] = field(default_factory=dict)  # what the listing says about the open attempts
    adopted: Mapping[Address, Record] = field(default_factory=dict)
    """Records that the listing gave and the state lacks: they stand before the state's own."""

    noted: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Generations that the listing showed, by address and fingerprint."""

    renames: Mapping[Address, Address] = field(default_factory=dict)
    """Former address -> new one, for the addresses that the state still has under the former."""

    states: RunStates = field(default_factory=RunStates)
    removal: Removal = field(default_factory=Removal)
    past: PastInstances = field(default_factory=PastInstances)
    handling: Callable[[Standing], Handling] = handling_recorded
    """Whether somebody handled a failed run elsewhere."""

    continuations: Mapping[Address, Continuation] = field(default_factory=dict)
    """The failed runs that somebody handled elsewhere. Those that certainly go on as other runs are `adopted` so."""

    requested: RequestedAction | None = None  # what is wanted instead of everything else
    replace: frozenset[str] = frozenset()  # the addresses to be triggered again
    replaces_running: bool = False  # whether re-triggers take no account of a predecessor that may still run
    former: Mapping[Address, Address] = field(init=False)  # `renames` the other way round

    def __post_init__(self) -> None:
        object.__setattr__(self, "former", {to: origin for origin, to in self.renames.items()})

    def highest(self, address: str, fingerprint: str) -> int:
        """The highest known generation of a fingerprint at an address; 0 for none."""
        return max(self.lookups.highest(address, fingerprint), self.noted.get((address, fingerprint), 0))

    def prior_edits(self, address: Address) -> Iterator[Edit]:
        """What precedes an address's own change: its rename, its adoption."""
        origin = self.former.get(address)
        if origin is not None:
            yield Rename(origin, address)
        adopted = self.adopted.get(address)
        if adopted is not None:
            yield PutRecord(adopted)

    def record_found(self, attempt: Attempt, run: ObservedRun, edits: list[Edit]) -> Record:
        """Record an attempt whose run was found, and return the latest record of its address: a run that another runner
        triggered later (and that the listing showed too) stays on top."""
        found = replace(
            attempt.record(
                origin=Origin.RECOVERED,
                created_at_ms=run.created_at_ms,
                recorded_at_ms=self.now_ms,
                workflow_run_id=run.workflow_run_id if attempt.is_resume else None,
            ),
            run_state=run.state,
            observed_at_ms=self.now_ms,
            completed_at_ms=run.completed_at_ms,
            dlq_id=run.dlq_id,
        )
        # A resumed run has another id than the attempt, which the record therefore doesn't settle.
        recording: list[Edit] = [DropAttempt(attempt.address)] if attempt.is_resume else []
        recording.append(PutRecord(found))
        adopted = self.adopted.get(attempt.address)
        if adopted is not None and (adopted.created_at_ms or 0) > run.created_at_ms:
            at = edits.index(PutRecord(adopted))
            edits[at:at] = recording
            return adopted
        edits.extend(recording)
        return found

    def observed(self, address: Address, standing: Standing) -> Standing:
        """A recorded run, with what the listing says about it."""
        live = self.states.live.get(address)
        if live is not None and live is not standing.run_state:
            standing = standing._replace(run_state=live, observed_at_ms=self.now_ms)
        return self.states.troubled.get(address, standing)

    def case(self, standing: Standing, *, is_taken_over: bool, fixed_id: bool = False) -> Case:
        """A run to decide about. `is_taken_over`: its id now belongs to another run, so it has ended."""
        if is_taken_over:
            standing = standing._replace(run_state=RunState.EXPIRED)
        return Case(
            standing=standing,
            now_ms=self.now_ms,
            dlq_retention_s=self.dlq_retention_s,
            fixed_id=fixed_id,
            handling=self.handling(standing),
            may_go_on_as=self._may_go_on_as(standing),
        )

    def how_it_goes_on(self, address: Address) -> str:
        """As which run a failed one goes on that somebody handled elsewhere; empty for others."""
        found = self.continuations.get(address)
        if found is None or not found.is_certain:
            return ""
        return f"resumed or restarted elsewhere, as {found.runs[-1].workflow_run_id}"

    def _may_go_on_as(self, standing: Standing) -> str:
        found = self.continuations.get(self.renames.get(standing.address, standing.address))
        if found is None or found.is_certain or found.workflow_run_id != standing.workflow_run_id:
            return ""
        return " or ".join(run.workflow_run_id for run in reversed(found.runs))
