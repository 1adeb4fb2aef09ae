"""Desired runs: what the manifests declare, with the identity that the diff compares; and tallies of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from wfdeploy.model.address import group_of

if TYPE_CHECKING:
    from wfdeploy.model.address import Address
    from wfdeploy.model.blocking import Dependency, Rollout, Schedule
    from wfdeploy.model.diagnostic import Place
    from wfdeploy.model.request import Request

_WIDTH = 32
_MODULUS = 1 << 8 * _WIDTH


@dataclass(frozen=True, slots=True)
class Tally:
    """A multiset of runs in 32 bytes: how many, and the sum of their terms modulo 2^256.

    Two sides that hold equal tallies hold the same runs, so a group in which nothing changed costs one comparison,
    however many runs it has. A tally is a sum of hashes (an additive multiset hash: Clarke et al., ASIACRYPT 2003), so
    it takes no order and follows each change at the cost of that change. Sums of this kind resist accidents, not an
    attacker who can choose terms by the billion; whoever writes the manifests has no use for that.
    """

    count: int = 0
    total: int = 0

    def plus(self, count: int, total: int) -> Tally:
        """Add `count` runs whose terms sum up to `total`; both may be negative."""
        return Tally(self.count + count, (self.total + total) % _MODULUS)

    def to_bytes(self) -> bytes:
        """The sum, big-endian."""
        return self.total.to_bytes(_WIDTH)

    @classmethod
    def of(cls, terms: Iterable[int]) -> Tally:
        """The tally of these terms."""
        count = total = 0
        for value in terms:
            count += 1
            total += value
        return cls(count, total % _MODULUS)


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """The tally of all the runs of these."""
    total = Tally()
    for one in tallies:
        total = total.plus(one.count, one.total)
    return total


def term(address: str, fingerprint: str, delivery: str) -> int:
    """What one run adds: a number below 2^256. None of the three texts holds a line break."""
    return int.from_bytes(sha256(f"{address}\n{fingerprint}\n{delivery}".encode()).digest())


class OnChange(Enum):
    RETRIGGER = "retrigger"
    IGNORE = "ignore"
    ERROR = "error"


class OnRemove(Enum):
    KEEP = "keep"
    FORGET = "forget"
    CANCEL = "cancel"


LONGEST_BACKOFF_S = 86_400


class FailureAction(Enum):
    REPORT = "report"
    RESUME = "resume"  # from where it failed, by the dead-letter queue
    RESTART = "restart"  # from the beginning, as a new generation


class OnFailure(NamedTuple):
    """`policy.onFailure`.

    max_attempts: how often a run is resumed or restarted at most, all together.
    backoff_s: how long after its failure was observed the first time; twice as long each further time, a day at most.
    """

    action: FailureAction = FailureAction.REPORT
    max_attempts: int = 3
    backoff_s: int = 0

    def due_ms(self, observed_at_ms: int, tries: int) -> int:
        """When a run that was tried again `tries` times may be tried once more (our clock, Unix ms)."""
        wait_s = self.backoff_s
        for _ in range(tries):
            if wait_s >= LONGEST_BACKOFF_S:
                break
            wait_s *= 2
        return observed_at_ms + 1000 * min(wait_s, max(LONGEST_BACKOFF_S, self.backoff_s))


class OnCancelled(Enum):
    REPORT = "report"
    RESTART = "restart"


class ReplaceRunning(Enum):
    """What a re-trigger does while the run that it replaces may still be going."""

    ALLOW = "allow"  # both run
    WAIT = "wait"
    CANCEL = "cancel"


class Policy(NamedTuple):
    """What a group wants done when a declared run changes, goes away, or ends badly."""

    on_change: OnChange = OnChange.RETRIGGER
    on_remove: OnRemove = OnRemove.KEEP
    on_failure: OnFailure = OnFailure()
    on_cancelled: OnCancelled = OnCancelled.REPORT
    replace_running: ReplaceRunning = ReplaceRunning.ALLOW

    @property
    def acts(self) -> bool:
        """Whether it does more about runs that ended badly than to report them, and so must know their states."""
        return self.on_failure.action is not FailureAction.REPORT or self.on_cancelled is not OnCancelled.REPORT


class Identity(NamedTuple):
    """Which fields beyond (`include`) or without (`exclude`) the usual ones make a run what it is.

    Paths are those of a plan's diff: `contentType`, `headers.x-trace`, `labels`, `retries`, ...
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """What the runs of one RunGroup share. With a `schedule` they are templates: their instances are what is triggered.

    history: how many of the newest instances of each stay recorded; None for all.
    """

    name: str
    policy: Policy = field(default=Policy())
    identity: Identity = field(default=Identity())
    schedule: Schedule | None = None
    history: int | None = None
    depends_on: tuple[Dependency, ...] = ()
    rollout: Rollout | None = None


class Source(NamedTuple):
    """What declares a run: a line of a manifest, and a row of a data file where a generator read one.

    Files are project-relative with forward slashes.

    entry: the index in the document's `spec.runs`.
    row: the line at which the row begins, or its number where the file has no lines (Parquet); both count from 1.
    """

    file: str
    line: int
    entry: int = 0
    data: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        """The place to look at: that of the row, where there is one."""
        return f"{self.file}:{self.line}" if self.data is None else f"{self.data}:{self.row}"

    @property
    def place(self) -> Place:
        """The place for a diagnostic."""
        from wfdeploy.model.diagnostic import Place

        return Place(self.file, self.line) if self.data is None else Place(self.data, self.row or 1)


class DeclaredRun(NamedTuple):
    """One run after expansion: what `expand` yields and `identify` turns into a `DesiredRun`."""

    address: Address
    group: Group
    source: Source
    request: Request
    workflow_run_id: str | None = None  # explicit, as the author wrote it


class DesiredRun(NamedTuple):
    """A declared run with its identity and without its request: what the diff compares. There may be a million.

    fingerprint: `<version>:<hash>` over what the run does.
    delivery: short digest over how it is delivered.
    workflow_run_id: explicit, as the author wrote it.
    file, number: find its request again: the position of the file among those loaded, and of the run in it (`number`
        grows in the order of declaration).
    delay_s, not_before_s: of the request (seconds; Unix seconds).
    has_secrets: some of it comes from the environment.
    at_s: the time of a scheduled instance (Unix seconds).
    """

    address: Address
    fingerprint: str
    delivery: str
    group: Group
    source: Source
    workflow_run_id: str | None = None
    file: int = 0
    number: int = 0
    delay_s: int | None = None
    not_before_s: int | None = None
    has_secrets: bool = False
    at_s: int | None = None


class DesiredGroup(NamedTuple):
    """A declared group and the tally of its runs.

    respelled: some text of theirs was another one while numbers were written otherwise.
    """

    group: Group
    tally: Tally
    respelled: bool = False


class Move(NamedTuple):
    """`moved: [{from, to}]`: an address, or a whole group (both without a slash), that got another name."""

    origin: str
    to: str

    def after(self, address: str) -> str | None:
        """Return the address's name after the move, or None where the move isn't about it."""
        return _renamed(address, self.origin, self.to)

    def before(self, address: str) -> str | None:
        """Return the address's name before the move, or None where the move isn't about it."""
        return _renamed(address, self.to, self.origin)


def _renamed(address: str, origin: str, to: str) -> str | None:
    if "/" in origin:
        return to if origin == address else None
    return f"{to}/{address.partition('/')[2]}" if group_of(address) == origin else None
