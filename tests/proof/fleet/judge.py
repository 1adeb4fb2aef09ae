"""Applies, round by round, and what the rules make of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.proof.fleet.bench import FleetBench
from tests.proof.fleet.claims import Claims
from tests.proof.fleet.fleet import Picture
from tests.proof.fleet.observer import Observer, Round, Seen
from tests.proof.fleet.once import Once
from tests.proof.fleet.order import Order
from tests.proof.fleet.recurrence import Recurrence
from tests.proof.fleet.steps import Steps
from tests.proof.fleet.wire import IN_USE
from wfdeploy.model.address import group_of
from wfdeploy.model.event import ApplyReport, Outcome

_OPEN = (Outcome.UNKNOWN, Outcome.PENDING)


@dataclass(slots=True)
class Command:
    """An apply as it was given. See `Round`, which has it from here."""

    commit: dict[str, Picture] = field(default_factory=dict)
    kind: str = "everything"
    allows_cancel: bool = False
    planned_ms: int | None = None
    is_overtaken: bool = False


@dataclass
class Judge:
    """`command`: the apply that is under way; `round`: its round, None between them."""

    bench: FleetBench
    observer: Observer
    once: Once
    order: Order
    steps: Steps
    recurrence: Recurrence
    command: Command = field(default_factory=Command)
    round: Round | None = None

    def __post_init__(self) -> None:
        self._claims = Claims(self.observer)

    def round_begins(self) -> None:
        """The apply has the lock."""
        self.round_ends(None)
        self.look()
        wire, command = self.observer.wire, self.command
        wire.round += 1
        now_ms = wire.clock.now_ms()
        command.planned_ms = command.planned_ms or now_ms
        self.round = Round(
            wire.round,
            now_ms,
            command.commit,
            command.planned_ms,
            command.kind,
            allows_cancel=command.allows_cancel,
            is_overtaken=command.is_overtaken,
            ended_ms=now_ms,
        )
        self.observer.rounds[wire.round] = self.round
        self.steps.begins(self.round)
        self.recurrence.begins(self.round)

    def round_ends(self, report: ApplyReport | None) -> None:
        """The round, if there is one, is over: its apply said so, or it died, or there is another one. Raises:
        Violation."""
        round_, self.round = self.round, None
        if round_ is None:
            return
        round_.ended_ms = self.observer.wire.clock.now_ms()
        in_use = 0 if report is None else self._count_in_use(report)
        round_.is_clean = (
            report is not None
            and round_.kind == "everything"
            and report.stopped is None
            and not round_.is_overtaken
            and report.summary[Outcome.REJECTED] == in_use
            and not any(report.summary[outcome] for outcome in _OPEN)
        )
        if report is not None:
            names = {group_of(one.address) for one in report.results if one.outcome is Outcome.BLOCKED}
            round_.blocked = frozenset(kind for kind, one in round_.groups.items() if one.name in names)
        self._check(self.observer.look(), round_)

    def _count_in_use(self, report: ApplyReport) -> int:
        """How many runs couldn't be started yet, since their own ids are those of runs in progress."""
        count = sum("another run with the workflowRunId" in (one.error or "") for one in report.results)
        self.observer.wire.happened[IN_USE] += count
        return count

    def unsettled(self, groups: Mapping[str, Picture]) -> str | None:
        """A run without a schedule that hasn't succeeded as it is declared, and how it did."""
        for group in groups.values():
            for who, declared in group.runs.items() if group.timetable is None else ():
                newest = self.observer.newest(who)
                if newest is None or newest.version != declared.version or newest.state != "RUN_SUCCESS":
                    return f"{who} v{declared.version} is not there: {newest}"
        return None

    def look(self) -> None:
        """What happened since the last round: late requests may have arrived. Raises: Violation."""
        if fresh := self.observer.look():
            assert self.observer.rounds
            self._check(fresh, None)

    def _check(self, fresh: list[Seen], round_: Round | None) -> None:
        self.order.check(fresh)
        self.steps.check(fresh, round_)
        self.recurrence.check(fresh, round_)
        self.once.check(fresh, round_)
        self._claims.check(self.bench.events)
        self.bench.events.clear()
