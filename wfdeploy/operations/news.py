"""Find what nobody was notified of yet: in the state alone, whose indexes know the runs in question."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode, several
from wfdeploy.model.address import group_of
from wfdeploy.model.edits import DropMarks
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import Standing
from wfdeploy.operations.authorship import job_url
from wfdeploy.planning.blocking.approvals import waiting_for_approval
from wfdeploy.ports import StateReader
from wfdeploy.workspace import Workspace

_MOST_GROUPS = 20
"""Groups with a notification of their own, of each kind; the runs of more are summed up."""

_MOST_ADDRESSES = 5

FACTS: Mapping[str, object] = {
    "where": "",
    "project": "",
    "environment": "",
    "shard": "",
    "text": "",
    "addresses": [],
    "more": 0,
    "count": 0,
    "states": {},
    "step": 0,
    "exitCode": 0,
    "commands": [],
    "link": "",
}
"""What there is to tell, with the values that stand for nothing."""

_BAD_OUTCOMES = (Outcome.REJECTED, Outcome.UNKNOWN, Outcome.PENDING)

_STATES: Mapping[NotificationKind, tuple[RunState, ...]] = {
    NotificationKind.RUNS_FAILED: (RunState.FAILED,),
    NotificationKind.DRIFT: (RunState.CANCELED, RunState.MISSING),
}


@dataclass(frozen=True, slots=True)
class Raised:
    """A notification to be raised, not yet addressed to any webhook, and the marks of what it is about."""

    notification: Notification
    marks: tuple[str, ...]


@dataclass(slots=True)
class News:
    """What is new, and what is over."""

    raised: list[Raised] = field(default_factory=list)
    edits: list[DropMarks] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an apply ended.

    outcomes: how many changes were not carried out, by why.
    """

    exit_code: ExitCode
    outcomes: tuple[tuple[Outcome, int], ...] = ()

    @classmethod
    def of(cls, report: ApplyReport) -> Ending:
        """Of an apply with a report. Runs that failed while it followed them are no failure of the apply."""
        outcomes = tuple((each, report.summary[each]) for each in _BAD_OUTCOMES if report.summary.get(each))
        is_incomplete = outcomes or report.unmet or report.stopped is not None or report.unsettled is not None
        return cls(report.exit_code if is_incomplete else ExitCode.OK, outcomes)

    @property
    def is_good(self) -> bool:
        return self.exit_code is ExitCode.OK

    def notification(self, workspace: Workspace, lineage: str = "") -> Notification:
        """The notification of a failure. Of the error it says no more than its exit code: its message may quote
        anything."""
        counts = ", ".join(f"{count:,} {outcome.value}" for outcome, count in self.outcomes)
        text = f"an apply failed with exit code {self.exit_code.value}: {EXIT_CODE_MEANING[self.exit_code]}"
        return _notification(
            workspace,
            NotificationKind.APPLY_FAILED,
            "",
            about=[lineage, secrets.token_hex(16)],  # each failure that is news is one of its own
            text=text + (f" ({counts})" if counts else ""),
            commands=[("plan",)],
            exitCode=self.exit_code.value,
        )


def find_news(
    store: StateReader, workspace: Workspace, kinds: Collection[NotificationKind], ending: Ending | None
) -> News:
    """What of these kinds is to be notified of. Raises: `StateUnusable`."""
    news = News()
    lineage = store.head().lineage
    for kind in NotificationKind:
        if kind not in kinds:
            continue
        match kind:
            case NotificationKind.APPLY_FAILED:
                if ending is not None:
                    _find_failure(news, store, workspace, ending, lineage)
            case NotificationKind.APPROVAL_NEEDED:
                _find_approvals(news, store, workspace, lineage)
            case NotificationKind.RUNS_FAILED | NotificationKind.DRIFT:
                _find_runs(news, store, workspace, kind, lineage)
    return news


def _find_failure(news: News, store: StateReader, workspace: Workspace, ending: Ending, lineage: str) -> None:
    """One that fails like the one before is no news; one that succeeds ends that."""
    kind = NotificationKind.APPLY_FAILED
    mark = f"exit-{ending.exit_code.value}"
    known = store.notified(kind)
    over = known if ending.is_good else [each for each in known if each != mark]
    _drop(news, kind, over)
    if not ending.is_good and mark not in known:
        news.raised.append(Raised(ending.notification(workspace, lineage), (mark,)))


def _find_approvals(news: News, store: StateReader, workspace: Workspace, lineage: str) -> None:
    kind = NotificationKind.APPROVAL_NEEDED
    known = store.notified(kind)
    current = {_mark(one.group, one.started_at_ms, one.step): one for one in waiting_for_approval(store)}
    _drop(news, kind, [mark for mark in known if mark not in current])
    for mark, one in current.items():
        if mark in known:
            continue
        steps = len(one.steps.split(", "))
        notification = _notification(
            workspace,
            kind,
            one.group,
            about=[lineage, mark],
            text=f"the rollout of {one.group} waits for approval after step {one.step + 1} of {steps}",
            commands=[("rollout", "status", one.group), ("rollout", "approve", one.group)],
            step=one.step + 1,
        )
        news.raised.append(Raised(notification, (mark,)))


def _find_runs(news: News, store: StateReader, workspace: Workspace, kind: NotificationKind, lineage: str) -> None:
    known = store.notified(kind)
    current: set[str] = set()
    totals: dict[str, int] = {}
    fresh: dict[str, list[tuple[str, Standing]]] = {}
    for one in store.standings(_STATES[kind]):
        if one.handled:  # by hand, so somebody knows
            continue
        mark = _mark(one.workflow_run_id, one.created_at_ms, one.tries, one.run_state)
        current.add(mark)
        group = group_of(one.address)
        totals[group] = totals.get(group, 0) + 1
        if mark not in known:
            fresh.setdefault(group, []).append((mark, one))
    _drop(news, kind, [mark for mark in known if mark not in current])
    groups = sorted(fresh, key=lambda name: (-len(fresh[name]), name))
    apart = groups if len(groups) <= _MOST_GROUPS else groups[: _MOST_GROUPS - 1]
    for group in apart:
        news.raised.append(_of_runs(workspace, group, fresh[group], kind=kind, total=totals[group], lineage=lineage))
    if others := groups[len(apart) :]:
        runs = [each for group in others for each in fresh[group]]
        total = sum(totals[group] for group in others)
        more = _of_runs(workspace, "", runs, kind=kind, total=total, lineage=lineage, groups=len(others))
        news.raised.append(more)


def _of_runs(
    workspace: Workspace,
    group: str,
    runs: Sequence[tuple[str, Standing]],
    *,
    kind: NotificationKind,
    total: int,
    lineage: str,
    groups: int = 1,
) -> Raised:
    """The notification of runs of one group, or of several (`group`: empty)."""
    marks = tuple(sorted(mark for mark, _ in runs))
    counts = {state: sum(one.run_state is state for _, one in runs) for state in _STATES[kind]}
    where = f"of {group}" if group else f"of {several(groups, 'more group')}"
    chosen = (f"{group}/*",) if group else ()
    if kind is NotificationKind.RUNS_FAILED:
        text = f"{several(len(runs))} {where} {'has' if len(runs) == 1 else 'have'} failed"
        commands = [("logs", *chosen, "--failed"), ("resume", *chosen, "--failed")]
    else:
        words = {RunState.CANCELED: "cancelled", RunState.MISSING: "missing from the server's logs"}
        what = ", ".join(f"{count:,} {words[state]}" for state, count in counts.items() if count)
        text = f"{several(len(runs))} {where} {'is' if len(runs) == 1 else 'are'} not as declared: {what}"
        states = ("--run-state", "cancelled,missing")
        commands = [("status", *chosen, *states), ("restart", *chosen, *states)]
    if total > len(runs):
        text += f" ({total:,} in all)"
    notification = _notification(
        workspace,
        kind,
        group,
        about=[lineage, *marks],
        text=text,
        commands=commands,
        addresses=sorted(one.address for _, one in runs)[:_MOST_ADDRESSES],
        count=len(runs),
        states={state.value: count for state, count in counts.items()},
    )
    return Raised(notification, marks)


def _notification(
    workspace: Workspace,
    kind: NotificationKind,
    group: str,
    *,
    about: Iterable[str],
    text: str,
    commands: Sequence[Sequence[str]],
    addresses: Sequence[str] = (),
    count: int = 0,
    **more: object,
) -> Notification:
    """A notification whose id follows from what it is about: a state that was restored raises the same one again."""
    target = workspace.target
    project, shard = target.project, "" if target.shard is None else str(target.shard)
    where = f"{project.name}, {project.environment}" + (f", shard {shard}" if shard else "")
    facts = {
        **FACTS,
        "where": where,
        "project": project.name,
        "environment": project.environment,
        "shard": shard,
        "text": text,
        "addresses": list(addresses),
        "more": max(count - len(addresses), 0),
        "count": count,
        "commands": [target.command(*arguments) for arguments in commands],
        "link": job_url(workspace.environ) or "",
        **more,
    }
    return Notification(
        id=_mark(kind.value, *about, size=16),
        kind=kind,
        group=group,
        facts=json.dumps(facts, ensure_ascii=True, separators=(",", ":"), sort_keys=True),
        raised_at_ms=workspace.clock.now_ms(),
        webhooks=(),
    )


def _drop(news: News, kind: NotificationKind, over: Collection[str]) -> None:
    if over:
        news.edits.append(DropMarks(kind, tuple(sorted(over))))


def _mark(*values: object, size: int = 8) -> str:
    digest = blake2b(digest_size=size)
    for value in _texts(values):
        digest.update(value)
    return digest.hexdigest()


def _texts(values: Iterable[object]) -> Iterator[bytes]:
    for value in values:
        yield str(value).encode(errors="surrogatepass") + b"\0"
