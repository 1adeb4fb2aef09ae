"""Requests that may be asked again: patient with the network, with 5xx, and with rate limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.event import Waiting
from wfdeploy.upstash.facts import wait_s
from wfdeploy.upstash.logs import UnreadableError
from wfdeploy.upstash.transfer import Answer, Transfer, TransferError
from wfdeploy.upstash.words import error_text, reason_of, stop_hint

if TYPE_CHECKING:
    from wfdeploy.ports import Clock, Listener
    from wfdeploy.upstash.facts import FactBook

T = TypeVar("T")

_TRIES = 5
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_ANSWER_BYTES = 8 * 1024 * 1024
_IDLE_PAGES = 100
"""A listing that brings nothing new for this many pages on end isn't going anywhere."""

FREE_S = 10.0
"""What a page, or an answer, may take before it counts as being held up."""

_MOST_BYTES = 2 * 1024**3
"""What the entries of one listing may take in memory: some five million runs."""

_LONGEST_S = 24 * 3600.0
"""Of a listing as a whole, however well it gets on."""


class Budget:
    """Seconds that one listing, or one other question, may be held up: `--timeout`.

    Rate limits take all their time out of it. Exchanges and the pauses after faults take what they need beyond
    `FREE_S`, counted from the last time that something new came.
    """

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self._free_s = FREE_S

    @property
    def longest_s(self) -> float:
        """What the next exchange may take."""
        return self._free_s + self.left_s

    def spend(self, seconds: float) -> bool:
        """Take seconds out; False, and nothing is taken, when there aren't as many."""
        if seconds > self.left_s:
            return False
        self.left_s -= seconds
        return True

    def use(self, seconds: float) -> bool:
        """Count seconds that an exchange took, or a pause will. False: there weren't as many."""
        self._free_s -= seconds
        if self._free_s < 0:
            self.left_s, self._free_s = self.left_s + self._free_s, 0.0
        return self.left_s >= 0

    def renew(self) -> None:
        """Something new came."""
        self._free_s = FREE_S


class Cursors:
    """Follows a listing from page to page, and notices when it isn't going anywhere. `what` is listed.

    Only hashes of what came are kept: a listing may have 100,000 pages.
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
        """Whether there is a page after this one, which has entries with these ids, of about `size` bytes in memory.

        Raises: `RemoteFailure` for pages that go round in circles, and for those that don't end.
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
            raise self._failure(f"the server lists more than {_MOST_BYTES:,} bytes of them")
        if not cursor:
            return False
        if hash(cursor) in self._cursors or self._idle >= _IDLE_PAGES:
            raise self._failure("the server's pages go round in circles")
        if self._budget.longest_s <= 0:
            raise self._failure("the server's pages bring nothing new")
        if self._clock.monotonic() > self._ends_at:
            raise self._failure(f"it has not ended within {_LONGEST_S / 3600:.0f} hours")
        self._cursors.add(hash(cursor))
        return True

    def _failure(self, why: str) -> RemoteFailure:
        return RemoteFailure(
            f"{self._what}: {why}", hint="nothing can be said about what was not listed; try again later"
        )


class Reader:
    """Asks idempotent questions until there is an answer or no hope of one."""

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
        """The answer as `read` understands it; `read` gets 2xx and 404 (it may refuse a 404 with `RemoteFailure`).

        `what` begins the message of a failure: "listing runs". Network faults, 5xx, 408 and unreadable answers are
        tried again, at most five times in a row; these and each 429 as long as `budget` lets it. `doubt` is called for
        each try that may have had an effect without telling. Raises: `RemoteFailure`.
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
                    hint="check the network and the server's status, or give it more time with --timeout",
                )
            await self._clock.sleep(pause_s)

    async def _throttled(self, what: str, answer: Answer, before: int, budget: Budget) -> None:
        asked = wait_s(answer.headers, now_ms=self._clock.now_ms()) or 0.0
        # The floor grows, so that a server that says "now" and means it not is still left in peace.
        seconds = max(asked, min(_FIRST_PAUSE_S * 2.0**before, _LONGEST_PAUSE_S))
        if not budget.spend(seconds):
            raise RemoteFailure(
                f"{what}: the server asks to wait {seconds:.0f} s more ({self._words(answer)})",
                hint="run the command again later, or let it wait longer with --timeout",
            )
        self._listener(Waiting(f"{what}: rate limited by the server", seconds))
        await self._clock.sleep(seconds)

    def refusal(self, what: str, answer: Answer) -> RemoteFailure:
        """The failure for an answer that asking again would not change."""
        hint = stop_hint(answer.status, answer.headers, token_source=self._token_source, scrub=self._scrub)
        return RemoteFailure(f"{what}: the server answered {self._words(answer)}", hint=hint)

    def _words(self, answer: Answer) -> str:
        raw = error_text(answer.body)
        named = reason_of(answer.status)
        return self._scrub(f"{named}: {raw}" if raw else named)
