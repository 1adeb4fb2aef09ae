"""Adopt: record declared runs as already triggered, without triggering them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from wfdeploy.errors import Withheld
from wfdeploy.manifests.identify.describe import recorded
from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.model.edits import Dismiss, Edit, PutRecord
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.plan import Action, Change, Plan, Selection
from wfdeploy.model.state import Origin, Record
from wfdeploy.operations.authorship import authorship
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.consent import Confirm
from wfdeploy.planning.planner import Planner
from wfdeploy.workspace import Workspace


def adopt(workspace: Workspace, *, paths: Sequence[str] | None, selection: Selection, confirm: Confirm) -> ApplyReport:
    """Record declared runs, new or changed, as triggered. Nothing is sent, and the server is not contacted.

    Runs whose outcome is open are left as they are: `apply` looks them up, `state resolve` settles them.

    Raises: `InvalidInput`, `StateError`, `UsageError`, `Withheld` when declined.
    """
    workspace.require_state_name()
    return with_sound_cache(workspace, lambda: _adopt(workspace, paths, selection, confirm))


@contextmanager
def adoptable(workspace: Workspace, *, paths: Sequence[str] | None, selection: Selection) -> Iterator[Plan]:
    """The plan of what `adopt` would record. Nothing is changed. Raises: as `adopt`."""
    workspace.require_state_name()

    def make() -> tuple[ExitStack, Plan]:
        with ExitStack() as stack:
            manifests = stack.enter_context(load(workspace, paths, selection))
            store = stack.enter_context(closing(workspace.open_state(readonly=True)))
            plan = Planner(workspace, manifests, store, selection, only_records=True).plan().plan
            return stack.pop_all(), _shown(plan, _taken(plan))

    stack, plan = with_sound_cache(workspace, make)
    with stack:
        yield plan


def _adopt(workspace: Workspace, paths: Sequence[str] | None, selection: Selection, confirm: Confirm) -> ApplyReport:
    with load(workspace, paths, selection, begins=True) as manifests, workspace.lock():
        store = workspace.open_state()
        try:
            planner = Planner(workspace, manifests, store, selection, only_records=True)
            is_new = not workspace.has_state
            result = planner.plan()
            plan = result.plan
            taken = _taken(plan)
            if not taken:
                return _report([], plan)
            if not confirm(_shown(plan, taken)):
                raise Withheld("declined: nothing was recorded")
            began = workspace.clock.monotonic()
            if is_new:
                store = planner.baseline.begin_state()
            by = authorship(workspace.environ, workspace.project.root)
            addresses = {change.address for change in taken}
            # Questions about runs that --limit left out were not answered.
            edits: list[Edit] = [e for e in result.edits if not isinstance(e, Dismiss) or e.address in addresses]
            records = [_record(change, planner.baseline, by) for change in taken]
            for change, record in zip(taken, records, strict=True):
                edits.extend(change.edits)
                edits.append(PutRecord(record))
            edits.extend(result.conclusions.values())
            workspace.commit(store, edits, is_new=is_new)
            return replace(_report(records, plan), took_s=workspace.clock.monotonic() - began)
        finally:
            store.close()


def _taken(plan: Plan) -> list[Change]:
    return [
        change
        for change in plan.changes
        if change.action in (Action.TRIGGER, Action.RETRIGGER) and change.sends and change.desired is not None
    ]


def _shown(plan: Plan, taken: list[Change]) -> Plan:
    summary = dict.fromkeys(Action, 0) | {Action.KEEP: plan.summary[Action.KEEP], Action.ADOPT: len(taken)}
    return replace(
        plan,
        sends=0,
        changes=tuple(
            change._replace(
                action=Action.ADOPT, reason=f"recorded as triggered, not sent ({change.reason})", sends=False
            )
            for change in plan.explain(taken)
        ),
        explain=iter,
        summary=summary,
    )


def _record(change: Change, baseline: Baseline, by: str) -> Record:
    assert change.desired is not None
    return Record(
        address=change.address,
        fingerprint=change.fingerprint,
        generation=change.generation,
        workflow_run_id=change.workflow_run_id,
        delivery=change.desired.delivery,
        origin=Origin.ADOPTED,
        recorded_at_ms=baseline.workspace.clock.now_ms(),
        by=by,
        source=str(change.desired.source),
        request=recorded(baseline.manifests.requests.of(change.desired), baseline.head.redaction_key),
    )


def _report(records: list[Record], plan: Plan) -> ApplyReport:
    summary = dict.fromkeys(Outcome, 0)
    summary[Outcome.ADOPTED] = len(records)
    summary[Outcome.KEPT] = plan.summary[Action.KEEP]
    return ApplyReport(
        summary=summary,
        results=tuple(
            Result(address=record.address, outcome=Outcome.ADOPTED, workflow_run_id=record.workflow_run_id)
            for record in records
        ),
        warnings=plan.warnings,
    )
