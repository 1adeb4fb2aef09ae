"""Every instance that is due starts once, as `catchUp` and `concurrency` say; none that is decided starts later.

Times here are Unix seconds of the server's clock, or of the client's where that is behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf

from tests.proof.fleet import cron
from tests.proof.fleet.fleet import Picture, Timetable
from tests.proof.fleet.observer import Observer, Round, Seen, Violation
from tests.proof.fleet.wire import Clock

DEADLINE_S = 1800
"""How late an instance may be with `catchUp: none`."""


@dataclass(frozen=True, slots=True)
class Known:
    """Of one group. `decided_s`: all up to then is decided. `owed_s`: all after it is to be started (or skipped) by the
    end of the next clean apply. `shape`: schedule and runs of the last apply, which ended at `ended_s`."""

    decided_s: float = -inf
    owed_s: float = inf
    shape: object = None
    ended_s: float = 0.0
    was_clean: bool = True


@dataclass
class Recurrence:
    """An instance is due when both the client's clock and the server's say so. `since_clean`: the rounds whose
    instances may still be open, that of the last clean apply first."""

    observer: Observer
    clock: Clock
    known: dict[str, Known] = field(default_factory=dict)
    since_clean: list[Round] = field(default_factory=list)

    # --- what people do --------------------------------------------------------------------------------------

    def lost_state(self) -> None:
        """It goes on from the newest instance that the logs know; what is older is taken as decided."""
        for kind, known in self.known.items():
            newest: dict[str, int] = {}
            for run in self.observer.runs:
                if run.kind == kind and run.at is not None and run.sent is not None:
                    newest[run.who] = max(newest.get(run.who, 0), _unix(run.at))
            if newest:
                # Of the runs that are declared; which of them the newest is of may depend on that.
                decided_s = min(known.decided_s, min(newest.values()) - 1)
                self.known[kind] = replace(known, decided_s=decided_s, owed_s=max(known.owed_s, *newest.values()))
            else:
                self.known[kind] = replace(known, owed_s=inf)

    def restored_state(self, copy: dict[str, Known], since_clean: Iterable[Round]) -> None:
        """It goes on from what was decided then, and from what was open; what the schedules were meanwhile is
        forgotten."""
        self.since_clean = [*since_clean, *self.since_clean]
        for kind, known in self.known.items():
            then = copy.get(kind, Known())
            self.known[kind] = replace(
                known,
                decided_s=min(known.decided_s, then.decided_s),
                owed_s=max(known.owed_s, known.ended_s, then.owed_s),
            )

    # --- what came of it -------------------------------------------------------------------------------------

    def begins(self, round_: Round) -> None:
        """A round begins: schedules may be seen for the first time, or after an edit."""
        self.since_clean.append(round_)
        began_s = self._early_s(round_.began_ms, round_.began_ms)
        for kind, picture in round_.groups.items():
            if picture.timetable is None:
                continue
            shape = (picture.timetable, tuple(picture.runs))
            known = self.known.get(kind)
            if known is None:
                self.known[kind] = Known(decided_s=began_s, shape=shape)
            elif known.shape != shape:
                self.known[kind] = replace(known, owed_s=max(known.owed_s, known.ended_s), shape=shape)
        for kind, known in self.known.items():
            if kind not in round_.groups:
                self.known[kind] = replace(known, owed_s=inf, shape=None)

    def check(self, fresh: Iterable[Seen], round_: Round | None) -> None:
        """Raises: Violation."""
        for run in fresh:
            if run.at is not None and run.sent is not None and self.observer.newest(run.key, before=run) is None:
                self._check_instance(run, self.observer.rounds[run.sent.round])
        if round_ is not None:
            self._ended(round_)

    def _ended(self, round_: Round) -> None:
        began_s = self._early_s(round_.planned_ms, round_.ended_ms)
        ended_s = self._late_s(round_.planned_ms, round_.ended_ms)
        for kind, picture in round_.groups.items():
            if picture.timetable is None:
                continue
            known = self.known[kind]
            # What is decided stays decided where the clock is put back.
            known = replace(known, ended_s=max(known.ended_s, ended_s), was_clean=round_.is_clean)
            if round_.is_clean and kind not in round_.blocked:
                self._check_none_missed(picture, picture.timetable, known, round_)
                table = picture.timetable
                past = cron.between(
                    table.cron, table.timezone, max(known.decided_s, began_s - 40 * cron.DAY_S), began_s
                )
                # The first plan that saw a schedule begins it, at some moment of the round.
                owed_s = ended_s if known.owed_s == inf else max(known.owed_s, began_s)
                known = replace(known, decided_s=max([known.decided_s, *past[-1:]]), owed_s=owed_s)
            self.known[kind] = known
        if round_.is_clean:
            self.since_clean = [round_]

    def _check_instance(self, run: Seen, round_: Round) -> None:
        """Whether an instance was due when its request first left."""
        assert run.sent is not None
        assert run.at is not None
        at_s = _unix(run.at)
        if 1000 * at_s > run.sent.ms:
            raise Violation(f"started before its time: {run}")
        if at_s <= self.known[run.kind].decided_s:
            raise Violation(f"started after it was decided: {run}")
        reasons = {self._not_due(run, at_s, earlier) for earlier in {*self.since_clean, round_}}
        if None not in reasons:
            raise Violation(f"{run} started, and {reasons}")

    def _not_due(self, run: Seen, at_s: int, round_: Round) -> str | None:
        """Why an apply may not have decided to start an instance; None when it may."""
        picture = round_.groups.get(run.kind)
        if picture is None or picture.timetable is None or run.who not in picture.runs:
            return "it was not declared"
        table, began_s = picture.timetable, self._early_s(round_.began_ms, round_.ended_ms)
        if at_s > self._late_s(round_.began_ms, round_.ended_ms):
            return "it was not due yet"
        if at_s not in cron.between(table.cron, table.timezone, at_s - 1, at_s):
            return f"that is no time of {table}"
        if table.catch_up != "all" and cron.between(table.cron, table.timezone, at_s, began_s):
            return "a later one was due"
        if table.catch_up == "none" and at_s < began_s - DEADLINE_S:
            return "it was too late for it"
        if table.skips:
            newest = {other.key: other for other in self.observer.instances(run.who) if other.seq < run.seq}
            # What a word by hand replaced doesn't count, nor what `history.keep` has dropped.
            for other in sorted(newest.values(), key=lambda other: other.at or "")[-table.keep :]:
                was_sent = other.sent is not None and other.sent.round < round_.number
                if (
                    was_sent
                    and _unix(other.at) < at_s
                    and other.state_at(round_.ended_ms) == "RUN_STARTED"
                    and not self._was_tried_again(other, round_)
                ):
                    return f"{other} was going"
        return None

    def _was_tried_again(self, run: Seen, round_: Round) -> bool:
        """Whether a run is another try that didn't arrive before this round, so what is due may start beside it."""
        return run.created_ms >= round_.began_ms and self.observer.newest(run.key, before=run) is not None

    def _check_none_missed(self, picture: Picture, table: Timetable, known: Known, round_: Round) -> None:
        began_s = self._early_s(round_.planned_ms, round_.ended_ms)
        if known.owed_s >= began_s:
            return
        times = cron.between(table.cron, table.timezone, known.owed_s, began_s)
        meanwhile = cron.between(table.cron, table.timezone, began_s, known.ended_s)
        if table.catch_up != "all":
            times = times[-1:]
        if table.catch_up == "none":
            ahead_ms = max(0, *self.clock.skews_ms(round_.planned_ms, round_.ended_ms))
            times = [at_s for at_s in times if at_s > round_.ended_ms / 1000 + ahead_ms / 1000 - DEADLINE_S]
        for who in picture.runs:
            started = {_unix(run.at): run for run in self.observer.instances(who)}
            for at_s in times:
                if at_s in started or (table.catch_up != "all" and any(later in started for later in meanwhile)):
                    continue
                if table.skips and any(
                    earlier < at_s and any(self._was_going(one, at_s) for one in self.observer.continued(run))
                    for earlier, run in started.items()
                ):
                    continue
                raise Violation(f"{who}@{_text(at_s)} was due by {_text(began_s)} and never started ({table})")

    def _was_going(self, run: Seen, at_s: int) -> bool:
        """Whether a run may have been going at a time, or may have started since."""
        return run.completed_ms is None or self._late_s(run.completed_ms, run.completed_ms) >= at_s

    def _early_s(self, from_ms: int, until_ms: int) -> float:
        """No later than any time that a plan made between two moments of the server's clock goes by. The server's is
        told in whole seconds."""
        return (from_ms + min(0, *self.clock.skews_ms(from_ms, until_ms))) / 1000 - 1

    def _late_s(self, from_ms: int, until_ms: int) -> float:
        """No earlier than any such time."""
        return (until_ms + min(0, max(self.clock.skews_ms(from_ms, until_ms)))) / 1000


def _unix(text: str | None) -> int:
    assert text is not None
    return round(datetime.fromisoformat(text).timestamp())


def _text(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
