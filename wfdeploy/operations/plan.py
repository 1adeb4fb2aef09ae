"""Plan: show what apply would do, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.planning.targets import require_chosen
from wfdeploy.planning.unchanged import unchanged

if TYPE_CHECKING:
    from wfdeploy.model.plan import Plan, Selection
    from wfdeploy.planning.plan_result import PlanResult
    from wfdeploy.planning.planner import Planner
    from wfdeploy.workspace import Workspace


@contextmanager
def planned(
    workspace: Workspace, *, paths: Sequence[str] | None, selection: Selection, offline: bool, keep_all: bool
) -> Iterator[Plan]:
    """Make the plan for these manifests and the state as it is. Manifests and state stay open as long as the plan is in
    use: its changes may be made, and explained, when they are looked at.

    A plan that would trigger runs, or that depends on run states, lists the server's runs first, so that it shows what
    apply would adopt. `offline`, or without a token, it is marked as unverified. Needs no secret's value and no lock.

    Raises: `InvalidInput`, `StateUnusable`, `UsageError`, `RemoteFailure`.
    """
    if selection.requested is not None:
        require_chosen(selection.targets, selection.labels, selection.run_states)
        workspace.require_named_state()
    else:
        workspace.require_state_name()

    def make() -> tuple[ExitStack, Plan]:
        with ExitStack() as stack:
            manifests = stack.enter_context(load(workspace, paths, selection))
            store = stack.enter_context(closing(workspace.open_state(readonly=True)))
            plan = None if keep_all else unchanged(workspace, manifests, store, selection, offline=offline)
            if plan is None:
                from wfdeploy.planning.planner import Planner

                plan = _plan(Planner(workspace, manifests, store, selection, keep_all=keep_all), offline=offline)
            return stack.pop_all(), plan

    stack, plan = with_sound_cache(workspace, make)
    with stack:
        yield plan


def _plan(planner: Planner, *, offline: bool) -> Plan:
    from dataclasses import replace

    from wfdeploy.model.plan import without_first_triggers
    from wfdeploy.operations.policing import policed
    from wfdeploy.planning.blocking.approvals import awaiting_approval

    result = planner.plan()
    if not offline:
        result = _verified(planner, result)
    result.require_no_conflicts()
    changes = without_first_triggers(result.plan.changes)
    requests = planner.manifests.requests
    requests.fetch(change.desired for change in changes if change.brief and change.desired is not None)
    approvals = tuple(awaiting_approval(planner.baseline.store, changes))
    plan = replace(result.plan, approvals=approvals) if approvals else result.plan
    return policed(planner.workspace, planner.manifests, plan, planner.selection.requested)


def _verified(planner: Planner, result: PlanResult) -> PlanResult:
    """Ask the server, if the plan depends on anything that it knows."""
    workspace = planner.workspace
    questions = planner.questions(result)
    if not questions:
        return result.verified()
    if workspace.target.token is None:
        from wfdeploy.model.event import Notice

        workspace.listener(
            Notice(
                f"no token ({workspace.target.token_source}): the plan is made without asking the server",
                "--offline says the same without this note",
            )
        )
        return result
    # A plan with nothing to send, which is most of them, never gets here and doesn't pay for it.
    import asyncio

    from wfdeploy.planning.inquiry import Inquiry
    from wfdeploy.planning.listing.discovery import Discovery
    from wfdeploy.sending.server_time import ServerTime

    found: list[PlanResult] = []

    async def ask() -> None:  # returning the plan would have asyncio's signal handling format all of it
        gateway = workspace.gateway()
        try:
            discovery = Discovery(workspace, gateway, ServerTime(workspace.clock))
            found.append((await Inquiry(planner, discovery).run(result, questions))[0])
        finally:
            await gateway.aclose()

    asyncio.run(ask())
    return found[0]
