"""Adopt: record declared runs as already triggered, without triggering them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import replace

from wfdeploy.errors import UsageError, Withheld
from wfdeploy.manifests.identify.describe import recorded
from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Dismiss, Edit, PutRecord
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import TROUBLED, Continuation, ObservedRun
from wfdeploy.model.plan import Action, Change, Plan, Selection
from wfdeploy.model.state import Origin, Record
from wfdeploy.model.workflow_id import id_key
from wfdeploy.operations.authorship import authorship
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.consent import Confirm, require_begun
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.successors import continued, is_stranger, known_run_ids
from wfdeploy.planning.planner import Planner
from wfdeploy.planning.unchanged import plan_without_changes
from wfdeploy.ports import StateStore
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.workspace import Workspace


def adopt(
    workspace: Workspace,
    *,
    paths: Sequence[str] | None,
    selection: Selection,
    confirm: Confirm,
    run_id: str | None = None,
) -> ApplyReport:
    """Record declared runs, new or changed, as triggered. Nothing is sent, and the server is not contacted.

    Runs whose outcome is open are left as they are: `apply` looks them up, `state resolve` settles them.

    run_id: record that the run with this id continues the failed one of the only target, since somebody resumed or
        restarted that one elsewhere. It is looked up on the server.

    Raises: `InvalidInput`, `StateError`, `UsageError`, `Withheld` when declined; `RemoteFailure` with a `run_id`.
    """
    workspace.require_state_name()
    if run_id is not None:
        return _adopt_run(workspace, paths, selection, run_id, confirm)
    return with_sound_cache(workspace, lambda: _adopt(workspace, paths, selection, confirm))


@contextmanager
def adoptable(
    workspace: Workspace, *, paths: Sequence[str] | None, selection: Selection, run_id: str | None = None
) -> Iterator[Plan]:
    """The plan of what `adopt` would record. Nothing is changed. Raises: as `adopt`."""
    workspace.require_state_name()

    def make() -> tuple[ExitStack, Plan]:
        with ExitStack() as stack:
            manifests = stack.enter_context(load(workspace, paths, selection))
            store = stack.enter_context(closing(workspace.open_state(readonly=True)))
            if run_id is not None:
                return stack.pop_all(), _continued(workspace, manifests, store, selection, run_id)[1]
            plan = Planner(workspace, manifests, store, selection, only_records=True).plan().plan
            return stack.pop_all(), _shown(plan, _taken(plan))

    stack, plan = with_sound_cache(workspace, make)
    with stack:
        yield plan


def _adopt_run(
    workspace: Workspace, paths: Sequence[str] | None, selection: Selection, run_id: str, confirm: Confirm
) -> ApplyReport:
    workspace.require_state()
    with load(workspace, paths, selection) as manifests, workspace.lock(), closing(workspace.open_state()) as store:
        record, plan = _continued(workspace, manifests, store, selection, run_id)
        if not workspace.state_backend.ask(lambda: confirm(plan)):
            raise Withheld("declined: nothing was recorded")
        workspace.commit(store, [PutRecord(record)])
        return _report([record], plan)


def _continued(
    workspace: Workspace, manifests: Manifests, store: StateStore, selection: Selection, run_id: str
) -> tuple[Record, Plan]:
    """The record that follows the run with this id, and a plan that shows it."""
    if len(selection.targets) != 1:
        raise UsageError("--run-id is about one address", hint="name it with --target, as in --target group/name")
    address = Address(selection.targets[0])
    record = _require_failed(address, next(store.records([address]), None))
    run = _continuing(asyncio.run(_runs_since(workspace, record)), record, store, run_id)
    found = Continuation(address=address, workflow_run_id=record.workflow_run_id, runs=(run,), is_certain=True)
    change = Change(
        address=address,
        action=Action.ADOPT,
        reason=f"resumed or restarted elsewhere, as {run.workflow_run_id}",
        run_id=run.workflow_run_id,
        fingerprint=record.fingerprint,
        generation=record.generation,
    )
    plan = plan_without_changes(workspace, manifests, store.head(), verified=True)
    plan = replace(plan, changes=(change,), summary=dict.fromkeys(Action, 0) | {Action.ADOPT: 1})
    by = authorship(workspace.environ, workspace.project.root)
    return replace(continued(record, found, {}, workspace.clock.now_ms()), by=by), plan


def _require_failed(address: Address, record: Record | None) -> Record:
    """Raises: `UsageError` for a record of a run that nothing can continue."""
    if record is None:
        raise UsageError(f"nothing is recorded for {address}", hint="--run-id takes an address, and no glob")
    if record.run_state not in TROUBLED:
        raise UsageError(
            f"{address} isn't recorded as failed, so that no other run continues it",
            hint="`wfdeploy refresh` updates what is recorded",
        )
    return record


async def _runs_since(workspace: Workspace, record: Record) -> Sequence[ObservedRun]:
    async with aclosing(workspace.gateway()) as gateway:
        discovery = Discovery(workspace, gateway, ServerTime(workspace.clock))
        return await discovery.runs_since([record.standing])


def _continuing(runs: Sequence[ObservedRun], record: Record, store: StateStore, run_id: str) -> ObservedRun:
    """The run with this id. Raises: `UsageError` where it can't continue the recorded one."""
    found = [run for run in runs if id_key(run.workflow_run_id) == id_key(run_id)]
    if not found:
        raise UsageError(
            f"the server lists no run {run_id} of this project since {record.address} was started",
            hint="the run must carry the project's label, or wfdeploy could not follow it",
        )
    run = max(found, key=lambda run: run.created_at_ms)
    if is_known := known_run_ids(store, {run.workflow_run_id}):
        raise UsageError(f"{next(iter(is_known))} is already recorded")
    if not is_stranger(run):
        raise UsageError(f"{run.workflow_run_id} was triggered by wfdeploy", hint="an apply adopts such runs by itself")
    if run.created_at_ms < (record.created_at_ms or 0):
        raise UsageError(f"{run.workflow_run_id} began before the run of {record.address} that it should continue")
    return run


def _adopt(workspace: Workspace, paths: Sequence[str] | None, selection: Selection, confirm: Confirm) -> ApplyReport:
    if not workspace.has_state:
        require_begun(workspace.target)
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
            shown = _shown(plan, taken)
            if not workspace.state_backend.ask(lambda: confirm(shown)):
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
