"""What a state holds; `edits.py` beside it has the edits that change it.

Two kinds of rows per address, never mixed: the *record* is the last run known to have been triggered, the
*attempt* is one whose outcome is open (or was a refusal). So an edit that the server refused never hides which
run is the real one. Beside them, *generations* remember the highest trigger of each fingerprint at each address,
also after a record was forgotten (then they are its tombstone).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wfdeploy.model.address import Address
    from wfdeploy.model.observed import RunState


class Binding(NamedTuple):
    """What a state belongs to.

    server: an origin (`https://host`) or `local:<id of the local server>`.
    shard: `I/N`, empty where the state has all runs.
    """

    project: str
    environment: str
    server: str
    shard: str = ""

    def __str__(self) -> str:
        shard = f", shard {self.shard}" if self.shard else ""
        return f"project {self.project}, environment {self.environment}, server {self.server}{shard}"


class LockStatus(NamedTuple):
    """Who may change a state at the moment.

    holder: for people; None: nobody.
    remarks: what else there is to know about it.
    seems_gone: the holder shows no sign of life.
    """

    holder: str | None = None
    remarks: tuple[str, ...] = ()
    seems_gone: bool = False


class StorageFacts(NamedTuple):
    """What was found out about the place of a state.

    time_ms: its own clock (Unix ms); None where it has none.
    warnings: what is unwise about it, each with a hint.
    """

    time_ms: int | None = None
    warnings: tuple[tuple[str, str], ...] = ()


class Head(NamedTuple):
    """The state as a whole.

    lineage: random id of this state's line of descent.
    serial: counts its changes.
    watermark_ms: server time (Unix ms) up to which the project's runs on the server are known here; None before the
        first listing.
    foreign_ms: server time of the listing that last showed runs which another runner triggered; None where none did.
    redaction_key: key of the digests that stand for redacted values.
    nonce: random, another one with each change; empty where none was made since there are nonces.
    runs_nonce: the nonce of the last change of which runs are triggered; changes of how they do leave it.
    held_back: digest of what the latest plan held back; empty for nothing.
    moving: where it is being moved to, or has moved (`state.moved`); empty otherwise.
    written_at_ms: when the last entry of a shared state's log was written (writer's clock, Unix ms). None in a file.
    shard_keys: the redaction key of each shard, where all of them are read as one state; empty bytes for one that
        holds nothing. Empty elsewhere.
    """

    lineage: str
    serial: int
    binding: Binding
    watermark_ms: int | None = None
    foreign_ms: int | None = None
    redaction_key: bytes = b""
    nonce: str = ""
    runs_nonce: str = ""
    held_back: str = ""
    moving: str = ""
    written_at_ms: int | None = None
    shard_keys: tuple[bytes, ...] = ()

    def is_one_of_several(self, log_retention_ms: int) -> bool:
        """Whether other states of this project may be in use: until no listing has shown a foreign trigger for as long
        as the logs reach back. Both times are the server's."""
        return self.foreign_ms is not None and (self.watermark_ms or 0) < self.foreign_ms + log_retention_ms


class StateVersion(NamedTuple):
    """Which version of a shared state was read, and when.

    shard: `I/N`; empty where the state is kept as a whole.
    written_at_ms: when it was written (its writer's clock, Unix ms); None where that isn't known.
    read_at_ms: when it was read (our clock, Unix ms).
    """

    shard: str
    serial: int
    written_at_ms: int | None
    read_at_ms: int


class Origin(Enum):
    """How a record came to be known."""

    TRIGGERED = "triggered"
    DEDUPLICATED = "deduplicated"
    RECOVERED = "recovered"  # a lost answer, found in the server's logs
    ADOPTED = "adopted"


class RecordKey(NamedTuple):
    """The part of a record that the diff reads for every run; kept small, there may be a million."""

    address: Address
    fingerprint: str
    generation: int
    workflow_run_id: str
    delivery: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The last run known to have been triggered at an address.

    delivery: digest of the delivery options last seen in the manifest.
    created_at_ms: the server's time of the run (Unix ms); None when it never gave one.
    recorded_at_ms: our time.
    by: JSON, who and where (host, CI job, git commit).
    source: `file:line`.
    request: JSON of the request as recorded (secrets by reference, redacted values as keyed digests); empty when an
        adopted run's request is not known.
    run_state: what was last observed.
    observed_at_ms: when it was first observed so; of a running run, when it was last refreshed (our time).
    completed_at_ms: the server's time of its end.
    tries: how often this fingerprint was resumed or restarted so far, this run included.
    dlq_id: the entry of a failed run in the dead-letter queue.
    handled: its end was handled by hand or elsewhere, so no policy acts on it.
    triggered_id: of a resumed run, whose id the server made, the workflow run id that was once triggered; else empty.
    """

    address: Address
    fingerprint: str
    generation: int
    workflow_run_id: str
    delivery: str = ""
    origin: Origin = Origin.TRIGGERED
    created_at_ms: int | None = None
    recorded_at_ms: int = 0
    by: str = "{}"
    source: str = ""
    request: str = ""
    run_state: RunState | None = None
    observed_at_ms: int | None = None
    completed_at_ms: int | None = None
    tries: int = 0
    dlq_id: str | None = None
    handled: bool = False
    triggered_id: str = ""

    @property
    def key(self) -> RecordKey:
        """The part that is compared."""
        return RecordKey(self.address, self.fingerprint, self.generation, self.workflow_run_id, self.delivery)

    @property
    def standing(self) -> Standing:
        """The last observed state of its run."""
        return Standing(
            address=self.address,
            workflow_run_id=self.workflow_run_id,
            run_state=self.run_state,
            created_at_ms=self.created_at_ms,
            recorded_at_ms=self.recorded_at_ms,
            observed_at_ms=self.observed_at_ms,
            completed_at_ms=self.completed_at_ms,
            tries=self.tries,
            dlq_id=self.dlq_id,
            handled=self.handled,
        )


class Standing(NamedTuple):
    """How a recorded run does, as last observed; the fields are those of `Record`."""

    address: Address
    workflow_run_id: str
    run_state: RunState | None
    created_at_ms: int | None
    recorded_at_ms: int
    observed_at_ms: int | None
    completed_at_ms: int | None
    tries: int
    dlq_id: str | None
    handled: bool


class AttemptStatus(Enum):
    INTENT = "intent"  # written before the request leaves; the outcome isn't known yet
    UNKNOWN = "unknown"  # the request may have left and no usable answer came: ambiguous
    REJECTED = "rejected"  # the server refused; the run was not started


class Attempt(NamedTuple):
    """A trigger that isn't known to have taken. There may be many: a tuple is made in a third of a dataclass's time.

    With a `dlq_id` it is a resume of that dead letter. Its run gets an id from the server, so `workflow_run_id` holds
    the attempt's label instead, by which the logs find it.

    intent_at_ms: our clock when the intent was made, right before it was written; for people.
    since_ms: a server time (Unix ms) that surely lies before the server can have accepted it, so a listing must begin
        there to find it; None for the beginning.
    delay_s, not_before_s: of the request, since a delayed run may not show in the logs before it starts.
    shared: how many characters at the end of `request` other runs have too, and need not be kept for each.
    tries: as in the record that it becomes.
    ended_at_ms: a server time (Unix ms) after which no byte of an UNKNOWN attempt left; None where the server had given
        no time yet. It is fixed once, and only another intent reopens it.
    resend: the user allowed to send it again whatever its age.
    inconclusive: the logs did not know it, but it may be a delayed run that they don't show yet: only a positive answer
        clears it.
    triggered_id: as in `Record`.
    """

    address: Address
    fingerprint: str
    generation: int
    workflow_run_id: str
    intent_at_ms: int
    since_ms: int | None = None
    delay_s: int | None = None
    not_before_s: int | None = None
    explicit_id: bool = False
    delivery: str = ""
    source: str = ""
    request: str = ""
    shared: int = 0
    tries: int = 0
    by: str = "{}"
    # From here on, what a first attempt has as it is here.
    status: AttemptStatus = AttemptStatus.INTENT
    ended_at_ms: int | None = None
    resend: bool = False
    inconclusive: bool = False
    error: str | None = None
    dlq_id: str | None = None
    triggered_id: str = ""

    @property
    def is_resume(self) -> bool:
        return self.dlq_id is not None

    @property
    def run_id(self) -> str:
        """The id of the run that it is about: the one to start, or, of a resume, the one that was once triggered."""
        return self.triggered_id if self.is_resume else self.workflow_run_id

    @property
    def is_open(self) -> bool:
        """True while it may have started a run that isn't recorded."""
        return self.status is not AttemptStatus.REJECTED

    def record(
        self, *, origin: Origin, created_at_ms: int | None, recorded_at_ms: int, workflow_run_id: str | None = None
    ) -> Record:
        """The record that it becomes once its run is known to be triggered.

        workflow_run_id: what the server called the run, where that isn't what was sent.
        """
        return Record(
            address=self.address,
            fingerprint=self.fingerprint,
            generation=self.generation,
            workflow_run_id=workflow_run_id or self.workflow_run_id,
            delivery=self.delivery,
            origin=origin,
            created_at_ms=created_at_ms,
            recorded_at_ms=recorded_at_ms,
            by=self.by,
            source=self.source,
            request=self.request,
            tries=self.tries,
            triggered_id=self.triggered_id,
        )


class Ended(Enum):
    """Why a record is history."""

    SUPERSEDED = "superseded"
    RESUMED = "resumed"
    FORGOTTEN = "forgotten"
    MOVED = "moved"


class HistoryEntry(NamedTuple):
    record: Record
    ended: Ended
    ended_at_ms: int
