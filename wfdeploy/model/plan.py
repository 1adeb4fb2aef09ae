"""Plans: what apply would do, as a value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, overload

from wfdeploy.errors import UsageError
from wfdeploy.model.run import DesiredRun

if TYPE_CHECKING:
    from wfdeploy.model.address import Address
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.edits import Edit
    from wfdeploy.model.observed import Continuation, RunState
    from wfdeploy.model.run import DesiredRun, Source
    from wfdeploy.model.state import Attempt, StateVersion
    from wfdeploy.model.status import ShownState


class Action(Enum):
    """What is to be done about one address. Imperative: outcomes speak the past tense."""

    TRIGGER = "trigger"
    RETRIGGER = "retrigger"
    RESUME = "resume"
    RESTART = "restart"
    CANCEL = "cancel"
    FORGET = "forget"
    RECOVER = "recover"
    ADOPT = "adopt"
    BLOCKED = "blocked"
    KEEP = "keep"

    @property
    def sign(self) -> str:
        """The glyph of a plan's line."""
        return _SIGNS[self]


_SIGNS = {
    Action.TRIGGER: "+",
    Action.RETRIGGER: "~",
    Action.RESUME: "!",
    Action.RESTART: "!",
    Action.CANCEL: "-",
    Action.FORGET: "-",
    Action.RECOVER: "?",
    Action.ADOPT: "=",
    Action.BLOCKED: ".",
    Action.KEEP: " ",
}


class FieldChange(NamedTuple):
    """One field that differs, its values as JSON, already masked. `ABSENT` stands for a field that one side doesn't
    have.

    path: as in `headers.x-team` or `body.items[2].sku`.
    """

    path: str
    old: object
    new: object


class Absent(Enum):
    """The value of a field that isn't there; JSON null is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


NameRun: TypeAlias = Callable[[str, str, int], str]
"""Makes the workflow run id of an address, a fingerprint and a generation."""


class Change(NamedTuple):
    """One address, what to do about it and why. There may be a million.

    Apply looks at `action`, `sends`, `edits`, `desired` and `generation`; `reason`, `diff` and `warnings` are for
    people.

    run_id: the workflow run id, or what makes it: most of a plan's changes are counted and never named.
    sends: a request leaves that starts a run: a trigger, or a resume, where there is a `dlq_id`.
    edits: committed before anything is sent for this address (settling what an older attempt started, recording an
        adopted run).
    send_before_ms: not after this (server time, Unix ms).
    tries: how often the run was resumed or restarted then.
    cancels: the workflow run id of a run to be cancelled first.
    run_state: of the recorded run, where that is not as declared (it failed, was cancelled, or vanished).
    handled: whether it failed, and somebody handled that elsewhere.
    unclaimed: the workflow run id of a run that did the same under a name that nothing declares, where a new run may be
        that one.
    in_doubt: why the failed run that this is about may go on already, since somebody handled it elsewhere; a start, or
        what was requested and isn't done, needs a person's look.
    brief: `Plan.explained` has more for people, since finding out takes longer than all the rest.
    """

    address: Address
    action: Action
    reason: str
    run_id: str | NameRun = ""
    fingerprint: str = ""
    generation: int = 0
    source: Source | None = None
    diff: tuple[FieldChange, ...] = ()
    warnings: tuple[str, ...] = ()
    sends: bool = False
    edits: tuple[Edit, ...] = ()
    desired: DesiredRun | None = None
    attempt: Attempt | None = None
    send_before_ms: int | None = None
    tries: int = 0
    dlq_id: str | None = None
    cancels: str = ""
    run_state: RunState | None = None
    handled: bool = False
    unclaimed: str = ""
    in_doubt: str = ""
    brief: bool = False

    @property
    def workflow_run_id(self) -> str:
        """The id of the run that this is about: of the one to start, else of the one that is recorded."""
        run_id = self.run_id
        return run_id if isinstance(run_id, str) else run_id(self.address, self.fingerprint, self.generation)

    @property
    def resumes(self) -> bool:
        """Whether what leaves is a resume."""
        return self.sends and self.dlq_id is not None

    @property
    def starts(self) -> bool:
        """Whether it starts what is declared. A resume or a restart goes on with what was started before, and a
        recovery sends again what was released."""
        return self.sends and self.action in (Action.TRIGGER, Action.RETRIGGER)

    @property
    def is_put_off(self) -> bool:
        """Whether it would start what is declared, were there nothing to wait for: another group, the run that it
        replaces. (A failed run that is blocked waits for its own restart.)"""
        return self.action is Action.BLOCKED and self.run_state is None

    @property
    def is_found(self) -> bool:
        """Whether a run whose answer was lost turned out to have started."""
        return self.action is Action.RECOVER and not self.sends and bool(self.edits)

    def blocked(self, reason: str) -> Change:
        """The change put off. What it learned about its address is kept."""
        return self._replace(action=Action.BLOCKED, reason=reason, sends=False, cancels="")


class Refresh(Enum):
    """Whose states are read from the server before planning."""

    AUTO = "auto"  # those whose state decides something
    ALL = "all"  # every recorded run that isn't known to have ended
    OFF = "off"


class RequestedAction(Enum):
    """What a person wants done with the selected runs now, whatever the manifests' policies say."""

    CANCEL = "cancel"
    RESUME = "resume"
    RESTART = "restart"
    RETRIGGER = "retrigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What narrows or forces a plan; the same for `plan` and `apply`.

    requested: do nothing else, and only to what is recorded under the targets (and under one of the `labels`, and in
        one of the `run_states`, where there are some).

    Raises: `UsageError` for a limit below 1.
    """

    targets: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    limit: int | None = None
    prune: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    refresh: Refresh = Refresh.AUTO
    requested: RequestedAction | None = None
    labels: tuple[str, ...] = ()
    run_states: frozenset[ShownState] = frozenset()

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit is {self.limit}, and must be at least 1")


@dataclass(frozen=True, slots=True)
class Sending:
    """The changes among others that send. They may be a million, so each iteration finds them again."""

    changes: Sequence[Change]

    def __iter__(self) -> Iterator[Change]:
        return (change for change in self.changes if change.sends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ordered list of changes between desired runs and state.

    verified: the server's runs were listed and are part of it.
    changes: everything but plain keeps (a keep with a reason is among them), in address order; some of them are brief.
    summary: counts every action, keeps and zeros included.
    sends: how many trigger requests apply would send.
    housekeeping: edits that change nothing a user declared (what the server's listing showed about other addresses,
        digests under a newer version); apply commits them first.
    kept: plain keeps, only when requested with `--all`.
    unmatched_ids: workflow run ids that the server lists for this project and that match no address.
    orphans: recorded, no longer declared, kept.
    drifted: declared runs in a state that they should not be in, which are left as they are, counted by state.
    handled: how many of these failed, and somebody handled them elsewhere.
    backing_off: declared runs that are to be tried again once their backoff is over, counted by state.
    possibly_renamed: pairs (orphan, new address) with equal fingerprints.
    emptied: how many runs would be cancelled, by generator that is declared and makes no runs any more.
    possibly_triggered: pairs (workflow run id that no address stands for, new address) with equal fingerprints.
    continuations: failed runs whose dead letters are gone, of which it is not certain as which run they go on, and
        former runs that somebody continued.
    in_doubt: (address, why) of runs that would be started again though somebody may have done so elsewhere.
    approvals: the groups whose rollouts wait for a person's approval, and hold back some of these changes.
    unmet: (address, why) of requests that aren't carried out since somebody handled the run elsewhere.
    declared_again: how many triggers are of runs that were triggered before, and forgotten.
    notes: what there is to know of schedules and rollouts beside the changes.
    shard: `I/N` where the plan is about a part of all runs.
    versions: which versions of a shared state were read, without a lock; empty for a file, and under a lock.
    cancels_later: how many running runs `apply --wait` may cancel for what it releases later.
    violations: what policies forbid or warn of; one that is an error keeps the plan from being applied.
    idle: why a requested action has nothing to do, where its selection is empty.
    explain: gives all that there is to report of brief changes, while manifests and state are there.
    """

    project: str
    environment: str
    url: str
    token_source: str
    state: str
    lineage: str
    serial: int
    verified: bool
    changes: Sequence[Change]
    summary: Mapping[Action, int]
    sends: int
    housekeeping: tuple[Edit, ...] = ()
    kept: Sequence[Change] = ()
    warnings: tuple[str, ...] = ()
    unmatched_ids: tuple[str, ...] = ()
    orphans: int = 0
    drifted: Mapping[RunState, int] = field(default_factory=dict)
    handled: int = 0
    backing_off: Mapping[RunState, int] = field(default_factory=dict)
    possibly_renamed: tuple[tuple[Address, Address], ...] = ()
    emptied: Mapping[str, int] = field(default_factory=dict)
    possibly_triggered: tuple[tuple[str, Address], ...] = ()
    continuations: tuple[Continuation, ...] = ()
    in_doubt: tuple[tuple[Address, str], ...] = ()
    unmet: tuple[tuple[Address, str], ...] = ()
    approvals: tuple[str, ...] = ()
    declared_again: int = 0
    manifests_digest: str = ""
    notes: tuple[str, ...] = ()
    shard: str = ""
    versions: tuple[StateVersion, ...] = field(default=(), compare=False)
    cancels_later: int = 0
    violations: tuple[Diagnostic, ...] = ()
    idle: str = ""
    explain: Callable[[Iterable[Change]], Iterator[Change]] = field(default=iter, compare=False, repr=False)

    @property
    def has_changes(self) -> bool:
        """True when apply would do something: anything but keep and blocked."""
        return any(n for action, n in self.summary.items() if action not in (Action.KEEP, Action.BLOCKED))

    @property
    def is_forbidden(self) -> bool:
        """Whether a policy forbids it, so that apply would refuse."""
        return any(violation.is_error for violation in self.violations)

    def explained(self) -> Iterator[Change]:
        """All changes that are to be shown, in address order, with everything that there is to report of them."""
        return merge(self.explain(self.changes), self.kept, key=attrgetter("address"))

    @property
    def sending(self) -> Sending:
        """The changes that send."""
        return Sending(self.changes)

    @property
    def has_edits(self) -> bool:
        """True when there is something to write down, if only for the books."""
        return bool(self.housekeeping) or any(change.edits for change in self.changes)


def without_first_triggers(changes: Sequence[Change]) -> Sequence[Change]:
    """Leave out changes that are known, without a look at them, to trigger a run and do nothing else."""
    return () if isinstance(changes, FirstChanges) else changes


class FirstChanges(Sequence[Change]):
    """The changes of a first plan: one for each run of these groups, by address, made from its declaration alone.

    Each iteration makes them again, which takes less time than keeping many of them takes memory. Code that only counts
    them, or reads a few, needs none of the others.

    counts: how many runs each group has.
    runs: gives the runs of some groups in address order.
    change: makes a run's change.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        runs: Callable[[Collection[str]], Iterator[DesiredRun]],
        change: Callable[[DesiredRun], Change],
    ) -> None:
        self._counts = counts
        self._runs = runs
        self._change = change

    def blocks(self) -> Iterator[tuple[int, Iterator[Change]]]:
        """Yield, group by group, how many changes it has and these; all of a group are of one kind."""
        for name in sorted(self._counts, key=lambda name: f"{name}/"):
            if count := self._counts[name]:
                yield count, map(self._change, self._runs([name]))

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[Change]:
        return map(self._change, self._runs(self._counts.keys()))

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Change]: ...
    def __getitem__(self, index: int | slice) -> Change | Sequence[Change]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
