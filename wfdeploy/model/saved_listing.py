"""A listing that was interrupted, as far as it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wfdeploy.model.observed import ObservedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedListing:
    """Pages from the first one on, without a gap."""

    since_ms: int | None
    """Where it was asked to begin (server time, Unix ms; None: at the beginning)."""

    began_ms: int
    """No later than its first page was asked for (server time, Unix ms)."""

    runs: Sequence[ObservedRun]
    """All entries, whoever they belong to."""

    cursor: str
    """What the last of the pages was asked for by."""

    last_ids: frozenset[str]
    """The ids of the runs in that page."""


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
