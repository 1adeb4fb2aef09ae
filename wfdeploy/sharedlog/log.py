"""What is decided above every backend: whose bytes stand there, when to try again, and when to stop.

While a write is undecided, only the same bytes are offered again, until a create succeeds or a read shows what stands
there. An empty read decides nothing, since the write may land later.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from wfdeploy.errors import StateError, StateUnreachable
from wfdeploy.model.shared_log import (
    Appended,
    Detached,
    Listed,
    NumberTaken,
    Stored,
    Swapped,
    Undecided,
    WriteAnswer,
    WriteOutcome,
    Written,
)

if TYPE_CHECKING:
    from wfdeploy.log_ports import LogBackend

T = TypeVar("T")

_FIRST_PAUSE_S = 0.05

_LONGEST_PAUSE_S = 2.0

_PAGE = 1000
"""Entries of a page: what object stores list in one request."""


@dataclass(frozen=True, slots=True)
class DecidedLog:
    """A `SharedLog` over any backend."""

    backend: LogBackend

    monotonic: Callable[[], float] = time.monotonic

    pause: Callable[[float], None] = time.sleep

    def append(self, number: int, content: bytes, previous: str, *, within_s: float) -> Appended:
        return self._write(
            content,
            lambda: self.backend.create_entry(number, content, previous),
            lambda: self.backend.read_entry(number),
            within_s,
        )

    def swap_lease(self, content: bytes, version: str | None, *, within_s: float) -> Swapped:
        def offer() -> WriteAnswer:
            if version is None:
                return self.backend.create_lease(content)
            return self.backend.swap_lease(content, version)

        done = self._write(content, offer, self.backend.read_lease, within_s, replaced=version)
        assert not isinstance(done, Detached), "the lease follows nothing"
        return done

    def _write(
        self,
        content: bytes,
        offer: Callable[[], WriteAnswer],
        read: Callable[[], Stored | None],
        within_s: float,
        *,
        replaced: str | None = None,
    ) -> Appended:
        """Offer `content` until it is known whose bytes stand there.

        replaced: the version that a compare-and-swap names. While it stands there, nothing is decided.
        Raises: what the first try raised, which wrote nothing. After an undecided try, no error decides anything.
        """
        may_land = False  # an earlier try may have been carried out, or still be
        tries = self._tries(within_s)
        while True:
            reason = ""
            try:
                answer = offer()
            except StateError as error:
                if not may_land:
                    raise
                answer = WriteAnswer(WriteOutcome.UNDECIDED, reason=error.message)
            reason = answer.reason
            if answer.outcome is WriteOutcome.WRITTEN:
                return Written(answer.version)
            if answer.outcome is WriteOutcome.DETACHED and not may_land:
                return Detached()
            may_land = may_land or answer.outcome is WriteOutcome.UNDECIDED
            try:
                found = read()
            except StateError as error:
                # A refusal that can't be looked at may be our own bytes, written by an earlier life of this request.
                may_land, found, reason = True, None, error.message
            else:
                if found is not None and found.content == content:
                    return Written(found.version)
                if found is not None and found.version != replaced:
                    return NumberTaken(found)
                if found is None and replaced is not None and answer.outcome is WriteOutcome.REFUSED and not may_land:
                    return NumberTaken(None)
                may_land = may_land or answer.outcome is not WriteOutcome.DETACHED
            if not next(tries):
                return Undecided(reason or "what was written can't be seen")

    def list_entries(self, first: int, *, within_s: float) -> Iterator[Listed]:
        while True:
            page = self._read(partial(self.backend.list_entries, first, _PAGE), within_s)
            yield from page
            if len(page) < _PAGE:
                return
            first = page[-1].number + 1

    def read_entry(self, number: int, *, within_s: float) -> Stored | None:
        return self._read(lambda: self.backend.read_entry(number), within_s)

    def create_snapshot(self, number: int, source: BinaryIO, *, within_s: float) -> bool:
        tries = self._tries(within_s)
        reason = ""
        while True:
            source.seek(0)
            answer = self.backend.create_snapshot(number, source)
            if answer.outcome is WriteOutcome.WRITTEN:
                return True
            reason = answer.reason or reason
            if any(listed.number == number for listed in self._read(self.backend.list_snapshots, within_s)):
                return False
            if not next(tries):
                raise StateUnreachable(f"cannot write a snapshot to {self.backend.name}: {reason}")

    def read_snapshot(self, number: int, target: BinaryIO, *, within_s: float) -> bool:
        def read() -> bool:
            target.seek(0)
            target.truncate()
            return self.backend.read_snapshot(number, target)

        return self._read(read, within_s)

    def read_lease(self, *, within_s: float) -> Stored | None:
        return self._read(self.backend.read_lease, within_s)

    def _read(self, read: Callable[[], T], within_s: float) -> T:
        tries = self._tries(within_s)
        while True:
            try:
                return read()
            except StateUnreachable:
                if not next(tries):
                    raise

    def _tries(self, within_s: float) -> Iterator[bool]:
        """Wait before each further try, longer each time. False when the time is over."""
        end, pause = self.monotonic() + within_s, _FIRST_PAUSE_S
        while True:
            if self.monotonic() + pause >= end:
                yield False
                return
            self.pause(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads tries, hides nothing
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            yield True
