"""What the core needs from outside, as Protocols: time, the server, a state, the host of a pull request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wfdeploy.model.address import Address, Span
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.edits import Edit
    from wfdeploy.model.event import ApplyReport, Event
    from wfdeploy.model.notification import DeliveryResult, Notification, NotificationKind
    from wfdeploy.model.observed import ObservedRun, RunLog, RunState, SavedListing
    from wfdeploy.model.pull_request import Comment
    from wfdeploy.model.remote import CancelReply, DeadLetter, Item, ResumeReply, RunPage, ServerFacts, TriggerReply
    from wfdeploy.model.request import Request
    from wfdeploy.model.run import OnRemove, Tally
    from wfdeploy.model.state import (
        Attempt,
        Binding,
        Head,
        HistoryEntry,
        LockStatus,
        Record,
        RecordKey,
        Standing,
        StateVersion,
        StorageFacts,
    )


class Clock(Protocol):
    """Time, which tests control."""

    def now_ms(self) -> int:
        """The wall clock, in Unix milliseconds."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, and that pass while the machine sleeps too."""

    async def sleep(self, seconds: float) -> None:
        """Wait. May be cancelled."""


class Listener(Protocol):
    """Receives events as they happen. Must neither raise nor block."""

    def __call__(self, event: Event, /) -> None: ...


class Telemetry(Protocol):
    """Receives how long the parts of a command take, and what came of it. Must neither raise nor block."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a part of the command."""

    def traced(self, store: StateStore) -> StateStore:
        """Time the commits to a state."""

    def applied(self, report: ApplyReport) -> None:
        """Count what became of the changes of an apply."""


class Encoder(Protocol):
    """Makes items of a batch. Not for use by several threads at once."""

    def encode(self, request: Request, workflow_run_id: str, label: str = "") -> Item:
        """Encode one request. `label`: identifies a run whose id its author gave; empty for others.

        Raises: `KeyError` with the name of a secret without a value; `ValueError` for a body that JSON or UTF-8 can't
        carry.
        """


MakeEncoder: TypeAlias = "Callable[[str, Mapping[str, str]], Encoder]"
"""Makes an encoder for a project's label, with the values of its secrets. Other processes import it by name."""


class Permit(Protocol):
    """The right to send requests that change something on the server, for as long as a lease lasts."""

    async def confirm(self) -> None:
        """Make sure that it is still held, where that is not known for a moment already. May take a while.

        Raises: `StateUnusable`.
        """

    def remaining_s(self) -> float:
        """How long it surely lasts, in seconds; more than 0. Raises: `StateUnusable` when it is over."""


class RunGateway(Protocol):
    """The server, as the core sees it. Methods may run concurrently."""

    @property
    def facts(self) -> ServerFacts:
        """What the server has reported about itself so far."""

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        """Send one batch trigger call, once. Never raises for what the network or the server do: every way it can end
        is a `TriggerReply`. Cancelling it leaves the outcome open."""

    def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        """List the runs that carry `label` and were created at or after `since_ms` (server time, Unix ms; None: all),
        page by page, waiting out rate limits. A listing without a page that is marked as the last is incomplete.

        `cursor`: begin with the page that an earlier listing had there. Raises: `RemoteFailure`.
        """

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        """Read one run with its steps; None when the logs don't know it. Raises: `RemoteFailure`.

        `created_at_ms`: which of several runs that had an author's id (None: the newest).
        """

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        """Digest the payload that a run began with, as the logs show it; None when they don't. Two runs with one digest
        have the same payload. Raises: `RemoteFailure`."""

    def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        """List the dead letters of runs that carry `label` and were created, or failed, at or after `since_ms` (server
        time, Unix ms; None: all), page by page, waiting out rate limits. Raises: `RemoteFailure`."""

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        """Resume one run from the dead-letter queue, once; the new run carries `labels`. Never raises for what the
        network or the server do. Cancelling it leaves the outcome open."""

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        """Cancel the runs with these ids: at least one, and no more than fit into one request. Runs that aren't in
        progress are skipped. Retried where that may help. Never raises for what the network or the server do.

        `label`: carried by all of them.
        """

    async def may_trigger(self) -> bool | None:
        """Whether the token may trigger runs, found out by a request that starts none; None when the server's answer
        doesn't tell. Raises: `RemoteFailure`."""

    async def aclose(self) -> None:
        """Close all connections."""


class RecordReader(Protocol):
    """The records of a state, and what is known of addresses without one.

    Methods that take spans read only what is in them. Spans are in order and don't overlap; None stands for everything.
    """

    def head(self) -> Head:
        """The state as a whole, fresh from storage."""

    def tallies(self) -> Mapping[str, Tally]:
        """The tally of each group's records (`model.tally`). A group that lacks one has not been summed up."""

    def record_keys(self, within: Iterable[Span] | None = None) -> Iterator[RecordKey]:
        """The keys of the records in these spans, ordered by address (by code point)."""

    def record_keys_of(self, addresses: Collection[str]) -> Iterator[RecordKey]:
        """The keys of the records of these addresses, ordered by address. Unknown addresses are skipped."""

    def identities(self, low: str, high: str) -> Sequence[tuple[str, str, str]]:
        """Address, fingerprint and delivery of the records from the address `low` up to, but not including, `high`."""

    def keys_with_ids(self, workflow_run_ids: Collection[str]) -> Iterator[RecordKey]:
        """The keys of the records that have one of these workflow run ids, in any order."""

    def records(
        self, addresses: Collection[str] | None = None, *, within: Iterable[Span] | None = None
    ) -> Iterator[Record]:
        """The records of these addresses, or in these spans, ordered by address. Unknown addresses are skipped."""

    def standings(self, states: Collection[RunState | None], group: str | None = None) -> Iterator[Standing]:
        """The standings of the runs last observed in one of these states (None: not observed yet), by state and
        address. Costs as much as it yields, however many records there are. SUCCESS is not indexed and yields nothing.

        `group`: only its runs (None: all)."""

    def attempts(self, within: Sequence[Span] | None = None) -> Iterator[Attempt]:
        """The attempts in these spans, ordered by address."""

    def generations(self, addresses: Collection[str]) -> Mapping[tuple[str, str], int]:
        """The highest known generation by (address, fingerprint), for these addresses."""

    def groups(self) -> Mapping[str, OnRemove]:
        """The removal policy last seen of each group."""

    def former_addresses(self) -> Iterator[Address]:
        """Addresses that have a past and no record (forgotten, or dropped), ordered."""

    def history(self, within: Iterable[Span] | None = None) -> Sequence[HistoryEntry]:
        """Former records, oldest first; with spans, one span after the other."""

    def past_runs(self, workflow_run_ids: Collection[str]) -> Collection[tuple[str, int | None]]:
        """The runs of former records that have one of these workflow run ids: (id, createdAt in Unix ms, where it is
        known)."""

    def tombstones(self) -> Iterator[tuple[str, str, int]]:
        """Generations that are used up and that no record tells: (address, fingerprint, generation), ordered."""


class RolloutReader(Protocol):
    """How far schedules and rollouts are."""

    def schedules(self) -> Mapping[str, int]:
        """By recurring group: the time (Unix seconds) up to which each instance was triggered or skipped."""

    def rollouts(self) -> Mapping[str, RolloutProgress]:
        """Rollouts under way, by group."""

    def members(self, group: str) -> Mapping[Address, str]:
        """The runs that a group's rollout has released, each with the fingerprint it had then."""


class ListingMemory(Protocol):
    """What former listings showed and nothing recorded explains."""

    def unclaimed(self) -> Sequence[ObservedRun]:
        """Runs of this project that belong to no known address, by id."""

    def dismissed(self) -> Mapping[str, Address]:
        """By id of an unclaimed run: the new address that the user confirmed not to be it."""


class NotificationMemory(Protocol):
    """What people are told by webhooks, and were."""

    def notifications(self) -> Sequence[Notification]:
        """The notifications that some webhook still has to get, oldest first."""

    def notified(self, kind: NotificationKind) -> Collection[str]:
        """The marks of what was notified of."""


class StateReader(RecordReader, RolloutReader, ListingMemory, NotificationMemory, Protocol):
    """Everything that can be read of a state. All methods raise `StateUnusable` when the storage fails."""


class Webhooks(Protocol):
    """The way to the webhooks of a project. Methods may run concurrently, for different webhooks."""

    async def deliver(self, webhook: str, notification: Notification, body: object) -> DeliveryResult:
        """Send a notification once, and again where that may help, for a few seconds at most. Never raises for what the
        network or the far end do.

        body: a JSON value; None for one that Slack understands.
        """

    async def aclose(self) -> None:
        """Close all connections."""


class CodeHost(Protocol):
    """One pull request at its host, for the owner of a token.

    Rate limits and passing failures are waited out, for a limited time. All methods raise `RemoteFailure`, and
    `CommentRefused` where the token may not do this.
    """

    async def head(self) -> str:
        """The latest commit of the pull request; empty where the host doesn't say."""

    def comments(self) -> AsyncIterator[Comment]:
        """The comments of the token's owner, oldest first."""

    async def create(self, body: str) -> Comment | None:
        """Post a comment, once. None if it isn't known to be there: whoever tries again looks for it first, and needn't
        wait before that."""

    async def replace(self, comment: Comment, body: str) -> Comment | None:
        """Replace the text of a comment, once. None if it isn't known to be done, or if the comment is gone: as for
        `create`."""

    async def delete(self, comment: Comment) -> None:
        """Delete a comment, if it is there."""

    async def aclose(self) -> None:
        """Close all connections."""


class StateWriter(Protocol):
    """Commits to a state. All methods raise `StateUnusable` when the storage fails."""

    def commit(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> int:
        """Apply edits in order, all or none, and durably: they survive a power loss after this returns.

        Returns the new serial. Equal content leaves the serial as it is. Short for `stage` and `finish`.
        """
        self.stage(edits, precedes_request=precedes_request)
        return self.finish()

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        """Begin a commit: the part that takes the processor. Nothing is durable yet, and nothing else may be asked of
        the store until `finish`.

        precedes_request: a request to the server follows that relies on this commit. In a shared state it is an entry
            of the log even where it changes nothing, so that whoever took over meanwhile is noticed.
        """

    def finish(self) -> int:
        """End the commit: the part that waits for the disk, from any thread. Returns the new serial. When it raises,
        nothing that was staged was written."""


class StateStore(StateReader, StateWriter, Protocol):
    """An open state. It has one writer at a time; the lock is not the store's business.

    Every store passes the conformance suite in `tests/contracts`.
    """

    def close(self) -> None:
        """Close the storage."""


class StateBackend(Protocol):
    """Where one state is kept: opens it, locks it, and tells whether it is the latest."""

    @property
    def binding(self) -> Binding:
        """What the state belongs to."""

    @property
    def new_key(self) -> bytes:
        """The redaction key of a state that `create` or `empty` makes."""

    def prepare(self) -> None:
        """Make whatever a state that may begin here needs first, such as the tables of a database.

        Raises: `StateUnusable`.
        """

    def exists(self) -> bool:
        """Whether there is a state."""

    @property
    def versions(self) -> Sequence[StateVersion]:
        """The version of a shared state that was last opened to be read; of each shard, where all are read together.
        Empty for a file."""

    def open(self, *, readonly: bool) -> StateStore:
        """Open the state. Raises: `StateUnusable`, also where it belongs elsewhere."""

    def create(self) -> StateStore:
        """Begin a state where there is none. Raises: `StateUnusable`."""

    def empty(self) -> StateStore:
        """An empty state that is gone when closed: what a plan without a state compares against."""

    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        """Keep other writers out. `on_wait` gets the holder, once, when it must wait.

        Raises: `StateLocked` after `timeout_s`, `StateUnusable`.
        """

    def lock_status(self) -> LockStatus:
        """Who holds the lock, found out without keeping anybody out. Raises: `StateUnusable`."""

    def try_out(self) -> StorageFacts:
        """Try whether the place keeps what the state depends on, beside the state, and leave nothing behind.

        Raises: `StateUnusable` where it doesn't; `StateUnreachable`.
        """

    @property
    def is_shared(self) -> bool:
        """Whether other machines use it too. Then reading it needs no lock, and no lock is taken to find out that there
        is nothing to do."""

    @property
    def stray_s(self) -> float:
        """How long after the lock was taken a former holder may still send, in seconds."""

    def ask(self, confirm: Callable[[], bool]) -> bool:
        """Ask a person, with the lock held. That of a shared state is given back if it takes long, and taken again.

        Raises: `StateMoved` when the state has changed meanwhile; `StateLocked`, `StateUnusable`.
        """

    @property
    def permit(self) -> Permit | None:
        """The right to send, while the lock is held. None: it lasts as long as the process."""

    def is_latest(self, store: RecordReader) -> bool:
        """Whether this is surely the latest version of the state. False when in doubt: it may be a copy of an older."""

    def mark_latest(self, store: RecordReader) -> None:
        """Remember this version as the latest. Does no harm when it fails."""

    def clear_mark(self, store: RecordReader) -> None:
        """Take the mark away before anything is sent: should this process die, no earlier copy passes for the latest.

        Raises: `StateUnusable`.
        """

    def export(self, store: StateReader) -> Iterator[str]:
        """The state as sorted JSON Lines, without newlines."""

    def import_(self, lines: Iterable[str]) -> StateStore:
        """Make the state from exported lines, all of them or none. Raises: `StateUnusable`."""

    def listing_file(self, name: str) -> ListingFile:
        """Where the pages of the listing with this name are kept."""

    def close(self) -> None:
        """Close all connections to where it is."""


class ListingFile(Protocol):
    """Keeps the pages of one listing while it goes on. A failure to keep them does no harm."""

    def load(self) -> SavedListing | None:
        """Load the saved pages; from then on, pages are added to them."""

    def begin(self, since_ms: int | None, began_ms: int) -> None:
        """Begin again, without pages."""

    def add(self, cursor: str, runs: Sequence[ObservedRun]) -> None:
        """Add one page, and the cursor that it was requested by."""

    def drop(self) -> None:
        """Remove all pages."""
