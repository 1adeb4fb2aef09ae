"""What a model of the protocol is made of: what may be left out of it, and how everything stands."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

LIFE = 2
"""Ticks that a lease lasts by the clock of its holder, which may be slower than others by a tenth."""

LAG = 1
"""Ticks within which a request arrives and its run shows in the logs."""


class Protection(Enum):
    """What the protocol does. The model can be without one of them."""

    FENCE = "the first entry of a holder is a fence"
    FENCES_STAY = "fences are never pruned"
    SUSPICION = "a log that isn't as it was left is suspect: all runs are listed"
    STICKY = "suspicion stays until a listing that began late enough"
    STRAY = "after an unlock or a lost lease, a life is waited for beside the lag of the logs"
    LATE_LISTING = "a listing that is to prove something begins late enough"
    CHECK = "the lease is checked before the first byte"
    WATCH = "a lease is taken over only when it has stood still for longer than its life"
    UNDECIDED = "what is undecided stays so: an empty read proves nothing"
    READ_BACK = "an undecided write of the lease is read back"
    FROM_BEFORE = "a renewal counts from before its first try"
    BUT_ONE = "pruning stops at the last snapshot but one"


ALL = frozenset(Protection)


class Lease(NamedTuple):
    """The lease. `version` is never met again. `end`: of the log when it was given back; None while it is held."""

    owner: int
    version: tuple[int, int]
    end: int | None
    suspect: bool
    stray: bool


class Entry(NamedTuple):
    """`kind`: F fence, I intent, O outcome. `writer`: with the number of its entry, so that no two have equal bytes."""

    kind: str
    writer: int
    number: int
    is_pruned: bool = False


class Write(NamedTuple):
    """What was offered to the store, and may still arrive: an entry at a number, or a lease over a version."""

    at: int
    entry: Entry | None
    expected: tuple[int, int] | None
    lease: Lease | None


class Process(NamedTuple):
    """`at`: where it stands. `left`: of its lease, by its clock; `held_for`: since it was taken. `watched`: for how
    long it has seen the version `seen`. `end`: of its replica; `run`: what that says of the run: none, open or done.
    `offer`: what it is writing, for `age` ticks; `renewing`, `renewal_age`: the same, of its other thread."""

    at: str = "new"
    left: int = 0
    held_for: int = 0
    seen: tuple[int, int] | None = None
    watched: int = 0
    version: tuple[int, int] | None = None
    suspect: bool = False
    stray: bool = False
    left_end: int | None = None
    end: int = 0
    run: str = "none"
    offer: Write | None = None
    age: int = 0
    tries: int = 0
    renewing: Write | None = None
    renewal_age: int = 0
    renewals: int = 0


class State(NamedTuple):
    """Everything. `snapshots`: the last but one, and the last. `requests`: the ticks within which each will arrive.
    `starts`: of the run. `luck`: how much more may go wrong. `broken`: which promise is."""

    log: tuple[Entry | None, ...] = ()
    snapshots: tuple[int, int] = (0, 0)
    lease: Lease | None = None
    late: tuple[Write, ...] = ()
    requests: tuple[int, ...] = ()
    starts: int = 0
    processes: tuple[Process, ...] = ()
    luck: int = 0
    is_cut: bool = False
    broken: str = ""


class Beginning(Enum):
    """What came before."""

    ANEW = "nothing"
    LATE = "a holder died, and its entry is still on its way"
    SET_BACK = "the run was started, and the log was set back to before that"
