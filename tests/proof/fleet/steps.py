"""A rollout never lets more runs go than its step allows, before the step's condition was really met on the server.

Where the team's doings leave it open what a rollout covers (an apply that died while it began anew), every possibility
is followed, and what the server did must fit one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.proof.fleet.fleet import Picture, Step
from tests.proof.fleet.observer import Observer, Round, Seen, Violation
from tests.proof.fleet.once import Once

_ENDED = ("RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")


@dataclass(frozen=True, slots=True)
class Course:
    """One way in which a rollout may stand. `members`: (who, version) of the runs started in it, with the round."""

    members: frozenset[tuple[str, int]] = frozenset()
    passed: int = 0
    is_approved: bool = False
    is_running: bool = True
    tolerated: int = 0


@dataclass
class Steps:
    """Of the groups of one kind. `lag_ms`: how late the logs may tell of a run. `slack_s`: see `Once`."""

    observer: Observer
    once: Once
    kind: str
    lag_ms: int
    slack_s: int = 0
    courses: set[Course] = field(default_factory=lambda: {Course()})
    _pending: dict[int, frozenset[str]] = field(default_factory=dict)
    _totals: list[int] = field(default_factory=list)
    _begun_in: dict[tuple[str, int], int] = field(default_factory=dict)
    _let_go: set[str] = field(default_factory=set)
    _on_the_list: set[tuple[str, int]] = field(default_factory=set)

    # --- what people do --------------------------------------------------------------------------------------

    def steered(self, what: str, ms: int) -> None:
        """`wfdeploy rollout WHAT` went through."""
        self.courses = {self._steered(course, what, ms) for course in self.courses}

    def _steered(self, course: Course, what: str, ms: int) -> Course:
        match what:
            case "approve":
                return replace(course, is_approved=True)
            case "resume":
                return replace(course, is_running=True, tolerated=len(self._failed(course, ms)))
        return replace(course, is_running=False)

    def lost_state(self) -> None:
        """It begins anew, with the runs that are left."""
        self.courses = {Course()}

    def restored_state(self, courses: set[Course]) -> None:
        """It goes on from where it was then."""
        self.courses = set(courses)

    # --- what came of it -------------------------------------------------------------------------------------

    def begins(self, round_: Round) -> None:
        """A round of an apply begins: what is there to be started?"""
        picture = round_.groups.get(self.kind)
        if picture is None:
            return
        started = self.once.started(picture, ms=round_.began_ms)
        self._pending[round_.number] = frozenset(picture.runs.keys() - started.keys())

    def check(self, fresh: Iterable[Seen], round_: Round | None) -> None:
        """Raises: Violation."""
        for run in fresh:
            if run.kind != self.kind or run.sent is None or run.label is not None:
                continue
            sent_in = self.observer.rounds[run.sent.round]
            before = self.observer.newest(run.key, before=run)
            is_restart = before is not None and before.version == run.version
            if not is_restart and sent_in.kind != "by hand":
                self._started(run, sent_in)
        if round_ is not None:
            self._ended(round_)

    def _started(self, run: Seen, round_: Round) -> None:
        picture = round_.groups[self.kind]
        pending = self._pending[round_.number]
        possible = set(self.courses)
        for course in self.courses:
            let_go = course.members | self._on_the_list
            if any((declared := picture.runs.get(who)) and declared.version != v for who, v in let_go):
                possible.add(Course())  # what was let go has changed since
        reasons: list[str] = []
        left: set[Course] = set()
        for course in possible:
            fits = self._fits(run, course, picture, pending, round_)
            if isinstance(fits, str):
                reasons.append(fits)
            else:
                left.add(fits)
        if not left:
            raise Violation(f"{run} started; {'; or '.join(sorted(set(reasons)))}")
        self.courses = left
        self._begun_in[run.who, run.version] = round_.number

    def _fits(
        self, run: Seen, course: Course, picture: Picture, pending: frozenset[str], round_: Round
    ) -> Course | str:
        """The course with one run more; or why it may not have it."""
        assert run.sent is not None
        if run.who not in self._let_go:
            if not course.is_running:
                return "the rollout was paused or aborted"
            shown_ms = round_.began_ms - self.lag_ms
            failed = [one for one in self._failed(course, round_.began_ms) if one.created_ms < shown_ms]
            if picture.max_failures is not None and len(failed) - course.tolerated > picture.max_failures:
                return f"{len(failed)} had failed"
        if (run.who, run.version) in course.members:
            return course
        of_interest = {member for member in course.members if member[0] in picture.runs}
        count = len(of_interest) + 1
        total = max([len({who for who, _ in of_interest} | pending), *self._totals])
        passed = course.passed
        for index, step in enumerate(picture.steps):
            if count <= step.of(total) or index < passed:
                continue
            prior = [member for member in of_interest if self._begun_in.get(member, 0) < round_.number]
            closed = self._closed(step, prior, course, run.sent.ms)
            if closed is not None:
                return f"it was the {count}th of {total}, and step {index + 1} not over: {closed}"
            passed = index + 1
        return replace(course, members=course.members | {(run.who, run.version)}, passed=passed)

    def _closed(self, step: Step, members: Iterable[tuple[str, int]], course: Course, ms: int) -> str | None:
        if step.until == "approved":
            return None if course.is_approved else "nobody approved it"
        wanted = ("RUN_SUCCESS",) if step.until == "succeeded" else _ENDED
        then_ms = ms - 1000 * max(step.bake_s - self.slack_s, 0)
        for who, _ in members:
            run = self._newest(who, then_ms)
            if run is None or run.state_at(then_ms) not in wanted:
                return f"{run or who} had not {step.until} for {step.bake_s} s"
        return None

    def _failed(self, course: Course, ms: int) -> list[Seen]:
        newest = [self._newest(who, ms) for who, _ in course.members]
        return [run for run in newest if run is not None and run.state_at(ms) in ("RUN_FAILED", "RUN_CANCELED")]

    def _newest(self, who: str, ms: int) -> Seen | None:
        return next((run for run in reversed(self.observer.own.get(who, [])) if run.created_ms <= ms), None)

    def _ended(self, round_: Round) -> None:
        """A round is over: it may have been the last of a rollout."""
        pending = self._pending.get(round_.number)
        if pending is None or round_.kind == "by hand":
            return
        if not round_.is_clean:  # it may have let runs go that it didn't start
            runs = round_.groups[self.kind].runs
            self._on_the_list |= {(who, runs[who].version) for who in pending}
        if round_.kind != "everything":
            return
        if round_.is_clean:
            self._totals.clear()
            self._let_go.clear()
            if not pending:
                self.courses = {Course()}
            return
        if not pending:
            self.courses.add(Course())
        self._let_go |= pending
        members = {who for course in self.courses for who, _ in course.members}
        self._totals.append(len(members | pending))
