"""The seams: what the pipeline needs of the outside, as Protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wfdeploy.model.address import Address, Span
    from wfdeploy.model.blocking import Progress
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


class StateStore(Protocol):
    """Where a state is kept. One writer at a time (the lock is not the store's business).

    Every backend passes the conformance suite in `tests/contracts`. All methods raise `StateUnusable` when the
    storage fails.
    """

    def head(self) -> Head:
        """The state as a whole, fresh from storage."""

    def tallies(self) -> Mapping[str, Tally]:
        """What the records of each group sum up to (`model.tally`). A group that has records and isn't here hasn't
        been summed up."""

    def record_keys(self, within: Iterable[Span] | None = None) -> Iterator[RecordKey]:
        """The keys of the records in these spans (None: of all), ordered by address (by code point). Here as below, the
        spans are in order, and none of them reaches into another; only what is in them is read."""

    def record_keys_of(self, addresses: Collection[str]) -> Iterator[RecordKey]:
        """The keys of the records of these addresses, ordered by address; unknown addresses are passed over."""

    def identities(self, low: str, high: str) -> Sequence[tuple[str, str, str]]:
        """Address, fingerprint and delivery of the records from the address `low` up to (without) `high`."""

    def keys_with_ids(self, workflow_run_ids: Collection[str]) -> Iterator[RecordKey]:
        """The keys of the records that have one of these workflow run ids, in any order."""

    def records(
        self, addresses: Collection[str] | None = None, *, within: Iterable[Span] | None = None
    ) -> Iterator[Record]:
        """The records of these addresses, or in these spans (None: all), ordered by address; unknown addresses are
        passed over."""

    def standings(self, states: Collection[RunState | None], group: str | None = None) -> Iterator[Standing]:
        """How the recorded runs (of one group; None: of all) do that were last observed in one of these states (None:
        not observed yet), by state and address. Costs what it gives, however many records there are; SUCCESS isn't
        kept track of and gives none."""

    def attempts(self, within: Sequence[Span] | None = None) -> Iterator[Attempt]:
        """The attempts in these spans (None: all), ordered by address."""

    def generations(self, addresses: Collection[str]) -> Mapping[tuple[str, str], int]:
        """The highest known generation by (address, fingerprint), for these addresses."""

    def groups(self) -> Mapping[str, OnRemove]:
        """The policies last seen, by group."""

    def schedules(self) -> Mapping[str, int]:
        """By recurring group: until when (Unix seconds) each of its instances was triggered or skipped."""

    def rollouts(self) -> Mapping[str, Progress]:
        """Rollouts under way, by group."""

    def members(self, group: str) -> Mapping[Address, str]:
        """The runs that a group's rollout has let go, each with the fingerprint it had then."""

    def former_addresses(self) -> Iterator[Address]:
        """Addresses that have a past here and no record (forgotten, or dropped), ordered."""

    def history(self, within: Iterable[Span] | None = None) -> Sequence[HistoryEntry]:
        """Former records, oldest first: of all addresses, or span after span."""

    def unclaimed(self) -> Sequence[ObservedRun]:
        """Remembered runs of this project that belong to no known address, by id."""

    def dismissed(self) -> Mapping[str, Address]:
        """By id of such a run: the new address that was confirmed not to be it."""

    def burned(self) -> Iterator[tuple[str, str, int]]:
        """Generations that no record tells: (address, fingerprint, generation), ordered."""

    def commit(self, edits: Sequence[Edit]) -> int:
        """Apply edits in order, all or none, and durably: they survive a power loss after this returns.

        Returns the new serial. Equal content leaves the serial as it is. It is `stage` and `finish` in one.
        """

    def stage(self, edits: Sequence[Edit]) -> None:
        """Begin a commit: what takes the processor. All or none of the edits; nothing is durable yet, and until
        `finish` nothing else may be asked of the store."""

    def finish(self) -> int:
        """End it: what waits for the disk, from any thread. Returns as `commit` does; when it raises, nothing of what
        was staged was written."""

    def close(self) -> None: ...


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

        Raises: `StateLocked` when it isn't had within `timeout_s`, `StateUnusable`.
        """

    def is_latest(self, store: StateStore) -> bool:
        """Whether no newer version of this state is known to have been. False when in doubt."""

    def mark_latest(self, store: StateStore) -> None:
        """Remember this state as the latest. Failing to is no harm."""

    def clear_mark(self, store: StateStore) -> None:
        """Take the mark away before anything is sent: should this process die, no earlier copy passes for the latest.

        Raises: `StateUnusable`.
        """

    def export(self, store: StateStore) -> Iterator[str]:
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
