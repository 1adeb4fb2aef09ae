"""Follow the runs that an apply started until they have settled: for the embedded server, where that is soon."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.event import ApplyReport, Following, Notice, Outcome
from wfdeploy.model.options import StopFlag
from wfdeploy.model.plan import Plan
from wfdeploy.model.remote import ObservedRun, RunState
from wfdeploy.model.workflow_id import RunIndex, id_key
from wfdeploy.ports import RunGateway
from wfdeploy.workspace import Workspace

_FIRST_LOOK_S = 0.1
_LONGEST_PAUSE_S = 2.0


async def follow(
    report: ApplyReport,
    workspace: Workspace,
    gateway: RunGateway,
    *,
    scheduled: Collection[str],
    timeout_s: float,
    stop: StopFlag,
) -> ApplyReport:
    """The report with how the started runs ended; those still going after `timeout_s` count as RUN_STARTED.

    `scheduled`: workflow run ids that aren't waited for, since they begin later than that.
    """
    started = {
        id_key(result.workflow_run_id): result.created_at_ms
        for result in report.results
        if result.outcome in (Outcome.TRIGGERED, Outcome.DEDUPLICATED, Outcome.RESUMED)
    }
    if not started:
        return report
    states = dict.fromkeys(started, RunState.STARTED)
    late = {id_key(run_id) for run_id in scheduled}
    clock = workspace.clock
    deadline = clock.monotonic() + timeout_s
    pause = _FIRST_LOOK_S
    try:
        while not stop.requested:
            going = [run_id for run_id, state in states.items() if not state.is_final and run_id not in late]
            if not going:
                break
            oldest = min(started[run_id] or 0 for run_id in going)
            runs: list[ObservedRun] = []
            async for page in gateway.list_runs(label=workspace.project.label, since_ms=oldest):
                runs.extend(page.runs)
            index = RunIndex(runs)
            for run_id in going:
                run = index.recorded(run_id, started[run_id])
                if run is not None:
                    states[run_id] = run.state
            workspace.listener(Following(sum(state.is_final for state in states.values()), len(states)))
            if clock.monotonic() >= deadline:
                break
            if any(not states[run_id].is_final for run_id in going):
                await clock.sleep(min(pause, max(deadline - clock.monotonic(), 0.0)))
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
    except RemoteFailure as error:
        workspace.listener(Notice(f"the runs could not be followed: {error.message}", error.hint))
    except asyncio.CancelledError:
        if not stop.requested:
            raise
    return replace(report, watched=dict(Counter(states.values())))


def begin_later(workspace: Workspace, plan: Plan, longest_s: float) -> frozenset[str]:
    """The runs of a plan that begin later than anybody would wait for; only told where runs are followed."""
    if not workspace.target.local:
        return frozenset()
    until_s = workspace.clock.now_ms() / 1000 + longest_s
    return frozenset(
        change.workflow_run_id
        for change in plan.changes
        if (run := change.desired) is not None and ((run.delay_s or 0) > longest_s or (run.not_before_s or 0) > until_s)
    )
