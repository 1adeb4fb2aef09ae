"""Idempotent requests, with retries after network faults, 5xx answers and rate limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.event import Waiting
from wfdeploy.model.remote import daily_limit_refusal
from wfdeploy.upstash.facts import daily_limit_end_ms, wait_s
from wfdeploy.upstash.logs import UnreadableError
from wfdeploy.upstash.refusals import error_text, reason_of, stop_hint
from wfdeploy.upstash.transfer import Answer, Transfer, TransferError

if TYPE_CHECKING:
    from wfdeploy.ports import Clock, Listener
    from wfdeploy.upstash.facts import FactBook

T = TypeVar("T")

_TRIES = 5
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_ANSWER_BYTES = 8 * 1024 * 1024
_IDLE_PAGES = 100
"""A listing fails after this many consecutive pages without anything new."""

FREE_S = 10.0
"""The time that a page or an answer may take before it counts as delayed."""

_MOST_BYTES = 2 * 1024**3
"""The memory that one listing may take: some five million runs."""

_LONGEST_S = 24 * 3600.0
"""The limit of a whole listing, also of one that makes progress."""


class Budget:
    """The seconds that one listing or one other request may be delayed (`--timeout`).

    Waits for rate limits count in full. Exchanges and pauses after faults count beyond `FREE_S` per progress.
    """

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self._free_s = FREE_S

    @property
    def longest_s(self) -> float:
        """The seconds that the next exchange may take."""
        return self._free_s + self.left_s

    def spend(self, seconds: float) -> bool:
        """Take seconds from the budget; False, and nothing is taken, if it has fewer."""
        if seconds > self.left_s:
            return False
        self.left_s -= seconds
        return True

    def use(self, seconds: float) -> bool:
        """Count the seconds of an exchange or of a pause; False if the budget had fewer."""
        self._free_s -= seconds
        if self._free_s < 0:
            self.left_s, self._free_s = self.left_s + self._free_s, 0.0
        return self.left_s >= 0

    def renew(self) -> None:
        """Start a new free period, after progress."""
        self._free_s = FREE_S


class Cursors:
    """Follows a listing from page to page, and detects when it makes no progress. `what`: for messages.

    It only keeps hashes of pages and cursors, since a listing may have 100,000 pages.
    """

    def __init__(self, what: str, budget: Budget, clock: Clock) -> None:
        self._what = what
        self._budget = budget
        self._clock = clock
        self._ends_at = clock.monotonic() + _LONGEST_S
        self._cursors: set[int] = set()
        self._pages: set[int] = set()
        self._idle = 0
        self._bytes = 0

    def go_on(self, cursor: str, ids: Sequence[str], size: int) -> bool:
        """Note a page with these ids and about `size` bytes of memory; whether there is a next page.

        Raises: `RemoteFailure` for pages that repeat, and for a listing that does not end.
        """
        page = hash(tuple(ids))
        if ids and page not in self._pages:
            self._pages.add(page)
            self._idle = 0
            self._budget.renew()
        else:
            self._idle += 1
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            raise self._failure(f"the list is larger than {_MOST_BYTES:,} bytes")
        if not cursor:
            return False
        if hash(cursor) in self._cursors or self._idle >= _IDLE_PAGES:
            raise self._failure("the server's pages repeat")
        if self._budget.longest_s <= 0:
            raise self._failure("the server's pages bring nothing new")
        if self._clock.monotonic() > self._ends_at:
            raise self._failure(f"it did not end within {_LONGEST_S / 3600:.0f} hours")
        self._cursors.add(hash(cursor))
        return True

    def _failure(self, why: str) -> RemoteFailure:
        return RemoteFailure(
            f"{self._what}: {why}", hint="nothing is known about the runs that were not listed; try again later"
        )


class Reader:
    """Repeats idempotent requests until there is an answer, or a failure that another try would not change."""

    def __init__(
        self,
        transfer: Transfer,
        *,
        clock: Clock,
        facts: FactBook,
        scrub: Callable[[str], str],
        token_source: str,
        listener: Listener,
    ) -> None:
        self._transfer = transfer
        self._clock = clock
        self._facts = facts
        self._scrub = scrub
        self._token_source = token_source
        self._listener = listener

    async def ask(
        self,
        what: str,
        method: str,
        url: str,
        *,
        read: Callable[[Answer], T],
        budget: Budget,
        doubt: Callable[[], object] = lambda: None,
    ) -> T:
        """Send the request and return what `read` makes of its answer.

        `what`: begins the message of a failure, such as "listing runs".
        `read`: gets 2xx and 404 answers; it may refuse a 404 with `RemoteFailure`.
        `doubt`: called for each try that may have had an effect unnoticed.

        Network faults, 5xx, 408 and unreadable answers are tried again up to five times, and a 429 any number of times,
        both within `budget`. Raises: `RemoteFailure`.
        """
        faults = throttles = 0
        while True:
            began = self._clock.monotonic()
            try:
                answer = await self._transfer.exchange(
                    method, url, max_bytes=_ANSWER_BYTES, deadline_s=budget.longest_s
                )
                in_time = budget.use(self._clock.monotonic() - began)
                self._facts.learn(answer.headers)
                if 200 <= answer.status < 300 or answer.status == 404:
                    return read(answer)
                if answer.status == 429:
                    await self._throttled(what, answer, throttles, budget)
                    throttles += 1
                    continue
                if answer.status != 408 and answer.status < 500:
                    raise self.refusal(what, answer)
                problem = self._words(answer)
                doubt()
            except TransferError as fault:
                in_time = budget.use(self._clock.monotonic() - began)
                problem = self._scrub(fault.reason)
                if fault.left:
                    doubt()
            except UnreadableError as fault:
                problem = str(fault)
                doubt()
            faults += 1
            if faults >= _TRIES:
                raise RemoteFailure(
                    f"{what} failed {faults} times, last with: {problem}",
                    hint="check the network and the server's status, then run the command again",
                )
            pause_s = min(_FIRST_PAUSE_S * 2.0 ** (faults - 1), _LONGEST_PAUSE_S)
            if not (in_time and budget.use(pause_s)):
                raise RemoteFailure(
                    f"{what} took too long: {problem}",
                    hint="check the network and the server's status, or allow more time with --timeout",
                )
            await self._clock.sleep(pause_s)

    async def _throttled(self, what: str, answer: Answer, before: int, budget: Budget) -> None:
        requested = wait_s(answer.headers, now_ms=self._clock.now_ms()) or 0.0
        # The minimum grows, for servers that always request a wait of zero.
        seconds = max(requested, min(_FIRST_PAUSE_S * 2.0**before, _LONGEST_PAUSE_S))
        if not budget.spend(seconds):
            end_ms = daily_limit_end_ms(answer.headers, now_ms=self._clock.now_ms())
            if end_ms is not None:
                message, hint = daily_limit_refusal(self._words(answer), end_ms)
                raise RemoteFailure(f"{what}: {message}", hint=hint)
            raise RemoteFailure(
                f"{what}: the server requests a wait of {seconds:.0f} s more ({self._words(answer)})",
                hint="run the command again later, or let it wait longer with --timeout",
            )
        self._listener(Waiting(f"{what}: rate limited by the server", seconds))
        await self._clock.sleep(seconds)

    def refusal(self, what: str, answer: Answer) -> RemoteFailure:
        """The failure for an answer that another try would not change."""
        hint = stop_hint(
            answer.status,
            answer.headers,
            error_text(answer.body),
            token_source=self._token_source,
            scrub=self._scrub,
        )
        return RemoteFailure(f"{what}: the server answered {self._words(answer)}", hint=hint)

    def _words(self, answer: Answer) -> str:
        raw = error_text(answer.body)
        named = reason_of(answer.status)
        return self._scrub(f"{named}: {raw}" if raw else named)
