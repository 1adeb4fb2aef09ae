"""Apply: trigger each declared run once. Mostly there is nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from wfdeploy.errors import UsageError
from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.planning.targets import require_chosen
from wfdeploy.planning.unchanged import unchanged

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.event import ApplyReport
    from wfdeploy.model.options import ApplyRequest
    from wfdeploy.model.plan import Plan
    from wfdeploy.planning.saved_plan import SavedPlan
    from wfdeploy.ports import StateStore
    from wfdeploy.workspace import Workspace


def apply(
    workspace: Workspace, request: ApplyRequest, *, paths: Sequence[str] | None, saved: SavedPlan | None = None
) -> ApplyReport:
    """Plan and carry out. With a saved plan, carry out just that; its own paths and selection count then.

    Raises: `InvalidInput`, `StateError`, `RemoteFailure`, `Withheld`, `UsageError`; `StalePlan` for a saved plan that
    may not be applied any more.
    """
    if saved is not None:
        paths, request = saved.paths, replace(request, selection=saved.selection)
    if workspace.webhooks is not None and request.selection.requested is None:
        from wfdeploy.operations.notifying import apply_and_notify

        report = apply_and_notify(workspace, request, lambda request: _apply(workspace, request, paths, saved))
    else:
        report = _apply(workspace, request, paths, saved)
    if workspace.telemetry is not None:
        workspace.telemetry.applied(report)
    return report


def _apply(
    workspace: Workspace, request: ApplyRequest, paths: Sequence[str] | None, saved: SavedPlan | None
) -> ApplyReport:
    selection = request.selection
    if selection.requested is not None:
        require_chosen(selection.targets, selection.labels, selection.run_states)
        workspace.require_named_state()
    else:
        workspace.require_state_name()
    if request.options.create_state:
        workspace.state_backend.prepare()
    if workspace.state_backend.is_shared and not workspace.has_state:
        from wfdeploy.planning.consent import require_no_state_needed

        require_no_state_needed(workspace.target, request.options)  # before a lease is left at a mistyped URL
    if request.options.wait and request.selection.limit is not None:
        raise UsageError("--wait goes on until everything has settled, so --limit makes no sense beside it")

    def once() -> ApplyReport:
        with load(workspace, paths, request.selection, begins=True) as manifests:
            if saved is None and not request.options.wait and workspace.has_state:
                report = _nothing_to_do(workspace, manifests, request)
                if report is not None:
                    return report
            from wfdeploy.operations.applying import carry_out

            return carry_out(workspace, manifests, request, saved)

    return with_sound_cache(workspace, once)


def _nothing_to_do(workspace: Workspace, manifests: Manifests, request: ApplyRequest) -> ApplyReport | None:
    """The report where there is nothing to send, to ask or to write down; None where a closer look is needed (which may
    come to the same)."""

    def plan_of(store: StateStore) -> Plan | None:
        plan = unchanged(workspace, manifests, store, request.selection, offline=False)
        # The policies of groups, and what was held back, may still have to be written down.
        if plan is None or manifests.policies(store.groups()) or store.head().held_back:
            return None
        return plan

    with closing(workspace.open_state(readonly=True)) as store:  # mostly this is enough to know that the lock is needed
        plan = plan_of(store)
    if plan is not None and not workspace.state_backend.is_shared:  # else it was at the end of the log
        with workspace.lock(request.options.lock_timeout_s), closing(workspace.open_state()) as store:
            plan = plan_of(store)
    if plan is None:
        return None
    from wfdeploy.model.event import ApplyReport

    return ApplyReport.of_nothing(plan)
