"""What a shared state needs from outside, as Protocols: a place that keeps the log of its commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import BinaryIO

    from wfdeploy.model.shared_log import Appended, Listed, Stored, Swapped, WriteAnswer


class LogBackend(Protocol):
    """A place that keeps the log of a state's commits, for many machines: entries, snapshots, and one lease.

    The whole of what a backend can do; `SharedLog` decides above it. Each method makes one try, under a timeout, and
    may be called from any thread, by several at once. All raise `StateUnreachable` where trying again may help, and
    `StateUnusable` where it can't; a method that writes raises only when this try certainly wrote nothing and never
    will. Every backend passes the conformance suite in `tests/sharedlog`.
    """

    @property
    def name(self) -> str:
        """The URL without secrets, for people."""

    def prepare(self) -> None:
        """Create what the log needs beside its entries (tables, the mark of its incarnation), where it is missing."""

    def check(self) -> None:
        """Probe what the log depends on: of sixteen concurrent creates one wins, and a stale compare-and-swap fails.

        Raises: `StateUnusable` for a store that doesn't keep this.
        """

    def warnings(self) -> Sequence[tuple[str, str]]:
        """What is unwise about how the place is set up, each with a hint. Raises nothing: what may not be read isn't
        told."""

    def incarnation(self) -> str:
        """What differs after the place was restored or made anew; empty where that can't be told."""

    def now_ms(self) -> int:
        """The backend's own clock, in Unix milliseconds. May cost a write."""

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        """Create an entry if there is none with this number. Entry 0 is the genesis.

        `content` must be unique to its writer (a nonce), or two writers would each take it for their own.
        `previous`: the digest of the entry before (`digest_of`; empty for entry 0), checked where that can be done in
        the same step.
        """

    def list_entries(self, first: int, limit: int) -> Sequence[Listed]:
        """The entries from `first` on, ordered by number: `limit` at most; fewer only when there are no more.

        Not a moment of the log: an entry that was created meanwhile may be missing while a later one is listed.
        """

    def read_entry(self, number: int) -> Stored | None:
        """Read an entry; None when there is none."""

    def delete_entry(self, number: int) -> None:
        """Delete an entry; one that isn't there is deleted already."""

    def create_snapshot(self, number: int, source: BinaryIO) -> WriteAnswer:
        """Create the snapshot of a serial from a file, if there is none."""

    def list_snapshots(self) -> Sequence[Listed]:
        """All snapshots, ordered by number."""

    def read_snapshot(self, number: int, target: BinaryIO) -> bool:
        """Write a snapshot to a file, piece by piece. False when there is none."""

    def delete_snapshot(self, number: int) -> None:
        """Delete a snapshot; one that isn't there is deleted already."""

    def read_lease(self) -> Stored | None:
        """Read the lease; None when there has never been one."""

    def create_lease(self, content: bytes) -> WriteAnswer:
        """Create the lease if there is none."""

    def swap_lease(self, content: bytes, version: str) -> WriteAnswer:
        """Replace the lease if it still has this version. `content` must differ from all that it ever was (a counter
        and a nonce): a version may follow from the content alone."""

    def close(self) -> None:
        """Close all connections."""


class SharedLog(Protocol):
    """A shared log with nothing left open: every answer says whose bytes stand there, or that it isn't known.

    Reading methods try again until their deadline. `within_s`: how long a method may go on beginning new tries.
    """

    @property
    def backend(self) -> LogBackend:
        """The place, for what needs no decision."""

    def append(self, number: int, content: bytes, previous: str, *, within_s: float) -> Appended:
        """Create an entry, as `LogBackend.create_entry` does. Raises when nothing was written and never will be."""

    def list_entries(self, first: int, *, within_s: float) -> Iterator[Listed]:
        """All entries from `first` on, ordered by number, page by page; `within_s` is for each page."""

    def read_entry(self, number: int, *, within_s: float) -> Stored | None:
        """Read an entry; None when there is none."""

    def create_snapshot(self, number: int, source: BinaryIO, *, within_s: float) -> bool:
        """Create a snapshot from a file that can be read again. False when there is one, perhaps with other content.

        Raises: `StateUnreachable` when it could not be found out.
        """

    def read_snapshot(self, number: int, target: BinaryIO, *, within_s: float) -> bool:
        """Write a snapshot into an empty file. False when there is none."""

    def read_lease(self, *, within_s: float) -> Stored | None:
        """Read the lease; None when there has never been one."""

    def swap_lease(self, content: bytes, version: str | None, *, within_s: float) -> Swapped:
        """Replace the lease if it has this version (None: if there is none). Raises when nothing was written and never
        will be."""
