"""`apply --wait`: apply again and again, until everything has settled.

Each round is an apply like any other: it takes the lock, updates run states, releases groups and steps that may start
now, and gives the lock back. Between rounds nothing is held, so a command that dies leaves what any apply leaves.
A round may do what the first plan held back (`held_back.py`), and nothing else. Where somebody else triggers runs
meanwhile, that plan is out of date, and the rounds end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

from wfdeploy.errors import Interrupted, WfdeployError
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.event import ApplyReport, Following, Outcome, Result
from wfdeploy.model.observed import NOT_SUCCEEDED, RunState
from wfdeploy.model.plan import Action, Plan
from wfdeploy.ports import RecordReader
from wfdeploy.sending.patience import Patience
from wfdeploy.workspace import Workspace

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 15.0
_RUNNING = (None, RunState.STARTED, RunState.UNKNOWN)
_NOTHING_SENT = (Outcome.KEPT, Outcome.BLOCKED)

ANOTHER_COMMAND = "another command has changed the state meanwhile"
ANOTHER_RUNNER = "another runner triggers runs of this project meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How things stand after an apply."""

    report: ApplyReport
    running: frozenset[Address]  # recorded runs of the groups in question that may still run
    blocked: str | None = None  # why one of the blocked runs still has to wait
    passes: bool = False  # whether some of them wait for time alone
    ended: str | None = None  # why there must be no other round

    @property
    def is_settled(self) -> bool:
        """Whether another round would find nothing new, or there must be none."""
        if self.ended is not None:
            return True
        return self.report.stopped is not None or not (_was_sent(self.report) or self.running or self.passes)


def round_after(
    report: ApplyReport, plan: Plan, store: RecordReader, groups: Collection[str], *, passes: bool
) -> Round:
    """How things stand after a round's last commit. `passes`: a rollout waits for nothing but time."""
    blocked = next((change for change in plan.changes if change.action is Action.BLOCKED), None)
    return Round(
        report=report,
        running=frozenset(one.address for one in store.standings(_RUNNING) if group_of(one.address) in groups),
        blocked=None if blocked is None else f"{blocked.address}: {blocked.reason}",
        # A failed run is blocked until its backoff is over.
        passes=passes or any(c.action is Action.BLOCKED and c.run_state is not None for c in plan.changes),
    )


def ended(before: Round, why: str) -> Round:
    """A last round, in which nothing was done."""
    summary = {**dict.fromkeys(Outcome, 0), Outcome.BLOCKED: before.report.summary[Outcome.BLOCKED]}
    return replace(before, report=replace(before.report, summary=summary, results=(), took_s=0.0), ended=why)


def _failed(before: Round, error: WfdeployError) -> Round:
    """A round that failed. The report still covers the rounds before it."""
    why = "interrupted" if isinstance(error, Interrupted) else error.message
    last = ended(before, why)
    return replace(last, ended=None, report=replace(last.report, stopped=why, hint=error.hint))


async def follow_through(
    workspace: Workspace, first: Round, again: Callable[[Round], Awaitable[Round]], patience: Patience, timeout_s: float
) -> ApplyReport:
    """Do rounds until all is settled, the time is over, or the user wants to stop. The report covers all of them, and
    the ends of all runs that were running at any time."""
    clock = workspace.clock
    deadline = clock.monotonic() + timeout_s
    current, watched, total = first, set(first.running), first.report
    pause_s = _FIRST_PAUSE_S
    while not current.is_settled and not patience.stopped and clock.monotonic() < deadline:
        workspace.listener(Following(len(watched) - len(current.running), len(watched)))
        if not await patience.pause(min(pause_s, deadline - clock.monotonic())):
            break
        before = current
        try:
            current = await again(before)
        except WfdeployError as error:
            if not _was_sent(total):
                raise
            current = _failed(before, error)
        watched |= current.running
        total = _together(total, current.report)
        pause_s = _FIRST_PAUSE_S if before.running - current.running else min(pause_s * 1.5, _LONGEST_PAUSE_S)
    report = replace(total, watched=_ends(workspace, watched), unsettled=_unsettled(current))
    if current.ended is not None:
        return replace(report, hint="run it again: it plans anew, and asks again")
    if current.is_settled or report.unsettled is None:
        return report
    why = "interrupted" if patience.stopped else f"timed out after {timeout_s:g} s (--wait-timeout)"
    hint = "run it again to go on: what was triggered is not triggered again"
    return replace(report, unsettled=f"{why}: {report.unsettled}", hint=report.hint or hint)


def _unsettled(last: Round) -> str | None:
    """What didn't settle in time."""
    running = (
        f"{len(last.running):,} run{'s are' if len(last.running) > 1 else ' is'} still running"
        if last.running
        else None
    )
    blocked = None
    if last.blocked is not None:
        blocked = f"{last.report.summary[Outcome.BLOCKED]:,} blocked; {last.blocked}"
    if last.ended is None:
        return running or blocked
    left = [each for each in (running, blocked) if each is not None]
    return f"{last.ended}, so no more of this plan is carried out ({'; '.join(left) or 'nothing of it is left'})"


def _was_sent(report: ApplyReport) -> bool:
    """Whether anything was sent, or may have been."""
    return any(count for outcome, count in report.summary.items() if outcome not in _NOTHING_SENT)


def _together(total: ApplyReport, last: ApplyReport) -> ApplyReport:
    summary = {outcome: total.summary[outcome] + last.summary[outcome] for outcome in Outcome}
    summary[Outcome.BLOCKED] = last.summary[Outcome.BLOCKED]
    summary[Outcome.KEPT] = total.summary[Outcome.KEPT]  # the first plan counted what needed nothing
    results: dict[Address, Result] = {}
    for result in (*total.results, *last.results):
        # What was blocked in one round and triggered in the next was triggered.
        if result.outcome is not Outcome.BLOCKED or result.address not in results:
            results[result.address] = result
    return replace(
        last,
        summary=summary,
        results=[results[address] for address in sorted(results)],
        took_s=total.took_s + last.took_s,
    )


def _ends(workspace: Workspace, watched: Collection[Address]) -> dict[RunState, int]:
    """The states of these runs now."""
    store = workspace.open_state(readonly=True)
    try:
        states = {one.address: one.run_state for one in store.standings(NOT_SUCCEEDED) if one.address in watched}
    finally:
        store.close()
    ends = Counter(state or RunState.STARTED for state in states.values())
    ends[RunState.SUCCESS] += len(watched) - len(states)
    return {state: count for state, count in ends.items() if count}
