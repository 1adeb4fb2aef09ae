"""The edits that change a state. A plan without changes has none, and doesn't import this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from wfdeploy.model.address import Address
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.notification import Notification, NotificationKind
    from wfdeploy.model.observed import ObservedRun, RunState
    from wfdeploy.model.run import OnRemove
    from wfdeploy.model.state import Attempt, Origin, Record


@dataclass(frozen=True, slots=True)
class PutAttempt:
    """Write or replace the attempt of an address."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Intend:
    """Write the attempts of a batch, as `PutAttempt` does: intents, of one address each.

    Mostly they are settled together, by a `RecordOutcomes` of the same attempts in the same order.
    """

    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class DropAttempt:
    """Remove an attempt: it never started a run."""

    address: Address
    tombstone: bool = False
    """Whether to keep its generation from being used again."""


@dataclass(frozen=True, slots=True)
class PutRecord:
    """Record a run that is known to be triggered, or resumed.

    The record before it becomes history; an attempt of the same workflow run id is settled by it.
    """

    record: Record


@dataclass(frozen=True, slots=True)
class RecordOutcomes:
    """Record the runs of these attempts, which are known to be triggered, as `PutRecord` does.

    created_at_ms: the server's time of each run.
    """

    attempts: Sequence[Attempt]
    created_at_ms: Sequence[int | None]
    origin: Origin
    recorded_at_ms: int


@dataclass(frozen=True, slots=True)
class PutTombstone:
    """A run of the past was seen on the server: remember its generation, leave the record as it is."""

    address: Address
    fingerprint: str
    generation: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the record (and attempt) of an address; its generations stay as tombstone."""

    address: Address


@dataclass(frozen=True, slots=True)
class Expire:
    """Drop the record of a recurring run's past instance without a trace: its schedule remembers it."""

    address: Address


@dataclass(frozen=True, slots=True)
class Rename:
    """Rename an address; record, attempt, generations and history go along.

    The former name keeps its generations too, as a tombstone.
    """

    origin: Address
    to: Address


@dataclass(frozen=True, slots=True)
class RenameGroup:
    """Rename what is known of a group as a whole: up to when its schedule is decided, its rollout, the runs released by
    it.

    What is already known under the new name stands.
    """

    origin: str
    to: str


class Observe(NamedTuple):
    """Note the last observed state of the recorded run.

    None leaves a value as it is. The time of an observation counts where the state differs from the one before, and of
    a run that is still running: then it says when it was last seen.
    """

    address: Address
    run_state: RunState | None
    observed_at_ms: int
    completed_at_ms: int | None = None
    dlq_id: str | None = None
    handled: bool | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Same run, newer form: the fingerprint under a newer version, or other delivery options."""

    address: Address
    fingerprint: str
    delivery: str


@dataclass(frozen=True, slots=True)
class PutGroups:
    """The policies of groups, for the day they are gone from the manifests."""

    on_remove: Mapping[str, OnRemove]


@dataclass(frozen=True, slots=True)
class Remember:
    """Remember a run that the server lists for this project and that belongs to no address known today.

    The watermark moves past it, and its address may be declared (again) tomorrow.
    """

    run: ObservedRun


@dataclass(frozen=True, slots=True)
class Claim:
    """Give a remembered run to its address.

    created_at_ms: of the run, since several may have had the id of an author.
    """

    workflow_run_id: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Note that a remembered run is confirmed not to be a former run of this new address; don't ask about it again."""

    workflow_run_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class SetHead:
    """Change the head; None leaves a value as it is."""

    watermark_ms: int | None = None
    foreign_ms: int | None = None
    held_back: str | None = None


@dataclass(frozen=True, slots=True)
class Decide:
    """Note that every instance of a group up to this time (Unix seconds) is triggered, or skipped for good.

    An earlier time than the known one changes nothing.
    """

    group: str
    until_s: int


@dataclass(frozen=True, slots=True)
class PutProgress:
    """Note how far a rollout is."""

    progress: RolloutProgress


@dataclass(frozen=True, slots=True)
class ReleaseRuns:
    """Note that a rollout releases these runs (address, fingerprint), before anything is sent for them."""

    group: str
    runs: tuple[tuple[Address, str], ...]


@dataclass(frozen=True, slots=True)
class EndRollout:
    """End a rollout: all runs are released, or another rollout takes its place."""

    group: str


@dataclass(frozen=True, slots=True)
class RaiseNotification:
    """Keep a notification until each of its webhooks has it, and remember what it is about.

    One with a known id changes nothing of that one.
    """

    notification: Notification

    marks: tuple[str, ...]
    """Digests of what it is about, which no other notification of its kind has to be."""


@dataclass(frozen=True, slots=True)
class RecordDelivery:
    """Note that a webhook has got a notification, or is gone."""

    notification_id: str
    webhook: str


@dataclass(frozen=True, slots=True)
class DropMarks:
    """Forget what was notified of: it is over, and would be news if it came again."""

    kind: NotificationKind
    marks: tuple[str, ...]


Edit: TypeAlias = (
    PutAttempt
    | Intend
    | DropAttempt
    | PutRecord
    | RecordOutcomes
    | PutTombstone
    | Forget
    | Expire
    | Rename
    | RenameGroup
    | Observe
    | Rewrite
    | PutGroups
    | Remember
    | Claim
    | Dismiss
    | SetHead
    | Decide
    | PutProgress
    | ReleaseRuns
    | EndRollout
    | RaiseNotification
    | RecordDelivery
    | DropMarks
)


def is_about_triggers(edit: Edit) -> bool:
    """Whether an edit changes which runs are triggered, or are to be.

    Other edits change run states, a rollout, how far the server's runs are known, or what people are told.
    """
    if isinstance(edit, SetHead):
        return edit.held_back is not None
    return not isinstance(edit, Observe | PutProgress | RaiseNotification | RecordDelivery | DropMarks)
