"""The seams: what the pipeline needs of the outside, as Protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wfdeploy.model.address import Address, Span
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.edits import Edit
    from wfdeploy.model.event import Event
    from wfdeploy.model.observed import ObservedRun, RunLog, SavedListing
    from wfdeploy.model.remote import (
        CancelReply,
        DeadLetter,
        Item,
        ResumeReply,
        RunPage,
        RunState,
        ServerFacts,
        TriggerReply,
    )
    from wfdeploy.model.request import Request
    from wfdeploy.model.run import OnRemove, Tally
    from wfdeploy.model.state import Attempt, Binding, Head, HistoryEntry, Record, RecordKey, Standing


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now_ms(self) -> int:
        """Wall clock, Unix milliseconds."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, and go on while the machine sleeps."""

    async def sleep(self, seconds: float) -> None:
        """Wait, cancellably."""


class Listener(Protocol):
    """Takes events as they happen. Must not raise and must not block."""

    def __call__(self, event: Event, /) -> None: ...


class Encoder(Protocol):
    """Makes items of a batch. Not for use from several threads at once. Raises: `KeyError` with the name of a secret
    that has no value; `ValueError` for a body that JSON or UTF-8 can't carry."""

    def encode(self, request: Request, workflow_run_id: str, label: str = "") -> Item:
        """The item of one request. `label`: what identifies a run whose id its author gave; empty for others."""


MakeEncoder: TypeAlias = "Callable[[str, Mapping[str, str]], Encoder]"
"""Makes what encodes for a project's label, with the values of its secrets. Other processes import it by its name."""


class RunGateway(Protocol):
    """The whole far end, as the core sees it. Methods may run concurrently."""

    @property
    def facts(self) -> ServerFacts:
        """What the server told about itself so far."""

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        """One batch trigger call, sent once. Never raises for what the network or the server do: every way it can
        end is a `TriggerReply`. Cancelling it leaves the outcome open."""

    def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        """The runs that carry `label` and were created at or after `since_ms` (server time, Unix ms; None: all),
        page by page, waiting out rate limits. The last page says so; a listing that doesn't reach one is
        incomplete. `cursor`: begin with the page that an earlier listing had there. Raises: `RemoteFailure`."""

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        """One run with its steps: of several that had an author's id, the one of that time (None: the newest). None
        when the logs don't know it. Raises: `RemoteFailure`."""

    def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        """The dead letters of runs that carry `label` and were created, or failed, at or after `since_ms` (server time,
        Unix ms; None: all), page by page, waiting out rate limits. Raises: `RemoteFailure`."""

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        """Resume one run from the dead-letter queue, sent once; the new run carries `labels`. Never raises for what the
        network or the server do. Cancelling it leaves the outcome open."""

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        """Cancel the runs with these ids, as many as fit into one request and at least one; `label` is what all of them
        carry. Those that aren't in progress are passed over. Asked again where that may help. Never raises for what the
        network or the server do."""

    async def aclose(self) -> None:
        """Give the connections back."""


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


class StateReader(RecordReader, RolloutReader, ListingMemory, Protocol):
    """Everything that can be read of a state. All methods raise `StateUnusable` when the storage fails."""


class StateWriter(Protocol):
    """Commits to a state. All methods raise `StateUnusable` when the storage fails."""

    def commit(self, edits: Sequence[Edit]) -> int:
        """Apply edits in order, all or none, and durably: they survive a power loss after this returns.

        Returns the new serial. Equal content leaves the serial as it is. Short for `stage` and `finish`.
        """
        self.stage(edits)
        return self.finish()

    def stage(self, edits: Sequence[Edit]) -> None:
        """Begin a commit: the part that takes the processor. Nothing is durable yet, and nothing else may be asked of
        the store until `finish`."""

    def finish(self) -> int:
        """End the commit: the part that waits for the disk, from any thread. Returns the new serial. When it raises,
        nothing that was staged was written."""


class StateStore(StateReader, StateWriter, Protocol):
    """An open state. It has one writer at a time; the lock is not the store's business.

    Every store passes the conformance suite in `tests/contracts`.
    """

    def close(self) -> None:
        """Give the storage back."""


class StateBackend(Protocol):
    """Where one state is kept: opens it, locks it, and tells whether it is the latest."""

    @property
    def binding(self) -> Binding:
        """What the state belongs to."""

    @property
    def new_key(self) -> bytes:
        """The redaction key of a state that `create` or `empty` makes."""

    def exists(self) -> bool:
        """Whether there is a state."""

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


class ListingFile(Protocol):
    """Where the pages of one listing are kept while it goes on. Failing to keep them is no harm."""

    def load(self) -> SavedListing | None:
        """What is there; pages are added to it from then on."""

    def begin(self, since_ms: int | None, began_ms: int) -> None:
        """Begin anew."""

    def add(self, cursor: str, runs: Sequence[ObservedRun]) -> None:
        """Keep one more page, and what it was asked for by."""

    def drop(self) -> None:
        """Forget everything."""
