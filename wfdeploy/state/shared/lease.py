"""The lease of a shared state: who may append to its log, and send.

Its holder counts from before the first try of its last confirmed renewal, by two clocks: one that continues while the
machine sleeps, and the wall clock, since a virtual machine may be stopped with the first. Everybody else watches it: a
lease is over when it hasn't changed for a life and a tenth by the observer's own clock. So no two machines' clocks are
ever compared.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wfdeploy.errors import StateError, StateLocked, StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import NumberTaken, Stored, Undecided, Written
from wfdeploy.state.shared.lease_content import (
    LEFT_OPEN,
    LOST,
    TAKEN_OVER,
    UNLOCKED,
    Holder,
    LeaseContent,
    Released,
    Unlocked,
    holder_of,
    renewed,
)
from wfdeploy.state.shared.replica import not_appended

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog

LIFE_S: Final = 120.0
"""How long a lease lasts without a renewal, in seconds."""

_RENEWED_AFTER: Final = 0.25
"""Of its life."""

_OBSERVED_FOR: Final = 1.1
"""Of its life: so long somebody else has to see it unchanged."""

_TRY_S: Final = 10.0
"""How long one read or write of the lease goes on trying, in seconds."""

_TRIED_AGAIN_S: Final = 2.0
"""Pause before a renewal that failed is tried again."""

_CONFIRMED_FOR_S: Final = 1.0
"""So long after it was seen to be held, a request leaves without another look."""

_LOOKED_AT_AGAIN_S: Final = 1.0
"""Pause between two looks at a lease that somebody else holds."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks by which a holder counts, and an observer watches."""

    steady: Callable[[], float]
    """Seconds that never go back and go on while the machine sleeps."""

    wall: Callable[[], float] = time.time

    pause: Callable[[float], None] = time.sleep


class Lease:
    """The lease, held by this process. A thread renews it."""

    def __init__(
        self, log: SharedLog, content: LeaseContent, version: str, began: tuple[float, float], clocks: Clocks
    ) -> None:
        """`began`: when the write of `content` was first tried, by both clocks."""
        self._log = log
        self._content = content
        self._version = version
        self._began = began
        self._clocks = clocks
        self._gone: str | None = None  # why it is no longer ours
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # of two writes at once, one would meet the other's version
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._confirmed = began[0]  # when something last showed that it is held
        self.taken_at = began[0]
        """When it was taken (the steady clock)."""

    # --- what is asked of it ---------------------------------------------------------------------------------

    @property
    def writer(self) -> str:
        """Who appends: stands in each entry."""
        return f"{self._content.holder} {self._content.tenure}"

    @property
    def suspect(self) -> str:
        """Why the state may not hold all that was triggered; empty when it surely does."""
        return self._content.suspect

    @property
    def stray_s(self) -> float:
        """How long after it was taken a former holder may still send, in seconds."""
        return self._content.life_s if self._content.stray else 0.0

    def remaining_s(self) -> float:
        """How long it surely lasts, in seconds. Raises: `StateUnusable` when it is over, or lost."""
        with self._lock:
            gone, (steady, wall) = self._gone, self._began
        if gone is not None:
            raise StateUnusable(gone, hint="run it again: it goes on where this one stopped")
        life_s = self._content.life_s
        left = min(steady + life_s - self._clocks.steady(), wall + life_s - self._clocks.wall())
        if left <= 0:
            raise StateUnusable(
                f"the lease of the state could not be renewed for {life_s:.0f} seconds, so nothing more is sent",
                hint="run it again: it goes on where this one stopped",
            )
        return left

    def append(self, serial: int, data: bytes, before: str) -> None:
        """Make an entry durable; see `replica.Appender`."""
        began = self._clocks.steady()
        done = self._log.append(serial, data, before, within_s=self.remaining_s())
        match done:
            case Written():
                self._confirmed = max(self._confirmed, began)  # nobody has fenced the log before it
            case _:
                if isinstance(done, Undecided):
                    self.distrust(LEFT_OPEN)
                raise not_appended(serial, done, self._log.backend.name)

    @property
    def unconfirmed_s(self) -> float:
        """For how many seconds nothing has shown that it is still held."""
        return self._clocks.steady() - self._confirmed

    def confirm(self) -> None:
        """Look whether it is still held. Raises: `StateUnusable`."""
        began = self._clocks.steady()
        stored = self._log.read_lease(within_s=min(self.remaining_s(), _TRY_S))
        content = None if stored is None else LeaseContent.from_bytes(stored.content)
        if content is None or content.tenure != self._content.tenure or content.released is not None:
            with self._lock:
                self._gone = (
                    f"the lease of the state was lost: {'it was removed' if stored is None else holder_of(content)}"
                )
        self.remaining_s()
        self._confirmed = max(self._confirmed, began)

    def distrust(self, why: str, *, stray: bool = False) -> None:
        """From now on, the state may not hold all that was triggered. Stands in the lease from the next write on.

        stray: somebody else may still be sending, for a life from when it is taken next.
        """
        with self._lock:
            self._content = replace(
                self._content, suspect=self._content.suspect or why, stray=self._content.stray or stray
            )

    def trust(self) -> None:
        """A listing that began late enough has shown all that was triggered."""
        with self._lock:
            self._content = replace(self._content, suspect="", stray=False)

    # --- renewing --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to renew it, in a thread."""
        self._thread = threading.Thread(target=self._renew_again_and_again, name="lease", daemon=True)
        self._thread.start()

    def _renew_again_and_again(self) -> None:
        pause_s = _RENEWED_AFTER * self._content.life_s
        while not self._ended.wait(pause_s):
            try:
                self.renew()
                pause_s = _RENEWED_AFTER * self._content.life_s
            except StateError:
                if self._gone is not None:
                    return
                pause_s = _TRIED_AGAIN_S  # as long as it lasts

    def renew(self) -> None:
        """Renew it, once. Raises: `StateError`; then it is lost, or lasts as long as before."""
        self._write(lambda content: content, self.remaining_s())

    def stop(self) -> None:
        """Renew it no more. Others take it over when its life is over, unless it is released."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def is_released(self) -> bool:
        """Whether `release` was called: it may not be used any more."""
        return self._ended.is_set()

    def release(self, end: tuple[int, str], incarnation: str) -> None:
        """Give it back, at this end (serial, digest) of the log. Does no harm when it fails: others then wait until it
        is over. The thread is joined first."""
        self.stop()
        serial, digest = end
        released = Released(serial=serial, digest=digest, incarnation=incarnation)
        try:
            self._write(lambda content: replace(content, released=released), min(self.remaining_s(), _TRY_S))
        except StateError:
            return

    def _write(self, change: Callable[[LeaseContent], LeaseContent], within_s: float) -> None:
        with self._writing:
            self._write_alone(change, within_s)

    def _write_alone(self, change: Callable[[LeaseContent], LeaseContent], within_s: float) -> None:
        began = self._clocks.steady(), self._clocks.wall()
        with self._lock:
            content = renewed(change(self._content))
            version = self._version
        done = self._log.swap_lease(content.to_bytes(), version, within_s=within_s)
        match done:
            case Written(new):
                with self._lock:
                    # `distrust` and `trust` may have come in between.
                    self._content = replace(content, suspect=self._content.suspect, stray=self._content.stray)
                    self._version, self._began = new, began
                self._confirmed = max(self._confirmed, began[0])
            case NumberTaken(found):
                holder = None if found is None else LeaseContent.from_bytes(found.content)
                words = "it was removed" if found is None else holder_of(holder)
                with self._lock:
                    self._gone = f"the lease of the state was lost: {words}"
                raise StateUnusable(self._gone)
            case Undecided(reason):
                # Offering the next content would be refused where this one has landed, so it is over.
                with self._lock:
                    self._gone = f"whether the lease of the state was renewed could not be found out: {reason}"
                raise StateUnreachable(self._gone)


class LeasePermit:
    """A `Permit`, as long as a lease is held."""

    def __init__(self, held: Callable[[], Lease]) -> None:
        """`held`: the lease, another one in each tenure. Raises: `StateUnusable` when none is held."""
        self._held = held

    async def confirm(self) -> None:
        """Read the lease, where its holder hasn't written it or the log for a moment."""
        lease = self._held()
        lease.remaining_s()
        if lease.unconfirmed_s > _CONFIRMED_FOR_S:
            await asyncio.to_thread(lease.confirm)

    def remaining_s(self) -> float:
        return self._held().remaining_s()


def take(
    log: SharedLog,
    holder: Holder,
    clocks: Clocks,
    *,
    timeout_s: float,
    on_wait: Callable[[str], None],
    is_begun: Callable[[], bool],
    may_take_over: bool = True,
    life_s: float = LIFE_S,
) -> tuple[Lease, Released | None]:
    """Take the lease. Returns it with how the log stood when it was last given back; None: it wasn't.

    `is_begun`: whether there is a log. Without one, nobody can have held a lease.
    `on_wait` gets the holder, once, when it must wait.

    Raises: `StateLocked` when somebody holds it for longer than `timeout_s`; `StateUnreachable`, `StateUnusable`.
    """
    end = clocks.steady() + timeout_s
    watch: tuple[str, float] | None = None  # a version, and since when it stands there
    told = False
    while True:
        stored = log.read_lease(within_s=_TRY_S)
        found = None if stored is None else LeaseContent.from_bytes(stored.content)
        suspect: str | None = None
        if stored is None:
            suspect = LOST if is_begun() else ""
        elif found is not None and found.released is not None:
            suspect = found.suspect
        else:
            now = clocks.steady()
            if watch is None or watch[0] != stored.version:
                watch = stored.version, now
            life = LIFE_S if found is None else found.life_s
            if may_take_over and now - watch[1] >= _OBSERVED_FOR * life:
                suspect = TAKEN_OVER.format(holder=holder_of(found))
            elif now >= end and not (may_take_over and _seems_over(log, stored, life)):
                raise StateLocked(
                    f"the state is locked by {holder_of(found)}",
                    hint="wait for it to end, or let this command wait with --lock-timeout SECONDS; if it is surely "
                    "gone: wfdeploy state unlock",
                )
        if suspect is None:
            if not told:
                told = True
                on_wait(holder_of(found))
            clocks.pause(_LOOKED_AT_AGAIN_S)
            continue
        began = clocks.steady(), clocks.wall()
        content = LeaseContent(
            counter=0 if found is None else found.counter,
            nonce="",
            tenure=secrets.token_hex(8),
            holder=holder,
            life_s=life_s,
            taken_at_ms=round(1000 * began[1]),
            suspect=suspect,
            stray=suspect == LOST or (found is not None and found.stray),
        )
        done = _offer(log, renewed(content), None if stored is None else stored.version)
        if done is not None:
            lease = Lease(log, done[0], done[1], began, clocks)
            return lease, None if found is None else found.released


def _offer(log: SharedLog, content: LeaseContent, version: str | None) -> tuple[LeaseContent, str] | None:
    """Write a lease over this version. None: another one stands there now."""
    match log.swap_lease(content.to_bytes(), version, within_s=_TRY_S):
        case Written(new):
            return content, new
        case NumberTaken():
            return None
        case Undecided(reason):
            raise StateUnreachable(
                f"whether the lease of the state was taken could not be found out: {reason}", hint="run it again"
            )


def read(log: SharedLog) -> tuple[LeaseContent | None, Stored] | None:
    """The lease as it stands; its content is None where it can't be read. None: there is none."""
    stored = log.read_lease(within_s=_TRY_S)
    return None if stored is None else (LeaseContent.from_bytes(stored.content), stored)


def unlock(log: SharedLog, seen: Stored, *, by: Holder, now: Callable[[], float] = time.time) -> None:
    """Take the lease away from its holder, if it is still the one that was seen. Whoever takes it next distrusts the
    state. Raises: `StateLocked` when it has changed since, `StateUnreachable`."""
    found = LeaseContent.from_bytes(seen.content)
    content = LeaseContent(
        counter=0 if found is None else found.counter,
        nonce="",
        tenure=secrets.token_hex(8),
        holder=None if found is None else found.holder,
        life_s=LIFE_S,
        taken_at_ms=None if found is None else found.taken_at_ms,
        suspect=UNLOCKED.format(holder=holder_of(found)),
        # Its holder counts on it until its life is over, and may just be sending.
        stray=True,
        released=Released(serial=-1, digest="", incarnation=""),
        unlocked=Unlocked(by=by, at_ms=round(1000 * now())),
    )
    if _offer(log, renewed(content), seen.version) is None:
        raise StateLocked("the lease has changed meanwhile", hint="look again: wfdeploy state holder")


def _seems_over(log: SharedLog, stored: Stored, life_s: float) -> bool:
    """Whether the backend's own times say that it has not been renewed for a life: a hint that waiting is worth it."""
    return stored.written_at_ms is not None and log.backend.now_ms() - stored.written_at_ms > 1000 * life_s
