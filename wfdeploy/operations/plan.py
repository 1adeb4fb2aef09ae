"""Plan: say what apply would do, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from wfdeploy.manifests.loading import load, with_sound_cache
from wfdeploy.planning.unchanged import unchanged

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.plan import Plan, Selection, Sending
    from wfdeploy.model.state import Standing
    from wfdeploy.planning.outlook import Outlook
    from wfdeploy.planning.prepared import Prepared
    from wfdeploy.ports import StateStore
    from wfdeploy.workspace import Workspace


@contextmanager
def planned(
    workspace: Workspace,
    *,
    paths: Sequence[str] | None,
    selection: Selection,
    offline: bool,
    keep_all: bool,
) -> Iterator[Plan]:
    """The plan for these manifests, which are there for as long as it is in use, as the state is: changes may be made,
    and explained, when they are looked at.

    One that would trigger lists the server's runs first, so that it shows what apply would adopt; so does one that
    depends on how runs do. `offline`, or without a token, it says that it is unverified. Needs no secret's value and no
    lock.

    Raises: `InvalidInput`, `StateUnusable`, `UsageError`, `RemoteFailure`.
    """

    def make() -> tuple[ExitStack, Plan]:
        with ExitStack() as stack:
            manifests = stack.enter_context(load(workspace, paths, selection))
            store = stack.enter_context(closing(workspace.open_state(readonly=True)))
            plan = _plan(workspace, manifests, store, selection, offline=offline, keep_all=keep_all)
            return stack.pop_all(), plan

    stack, plan = with_sound_cache(workspace, make)
    with stack:
        yield plan


def _plan(
    workspace: Workspace,
    manifests: Manifests,
    store: StateStore,
    selection: Selection,
    *,
    offline: bool,
    keep_all: bool,
) -> Plan:
    plain = None if keep_all else unchanged(workspace, manifests, store, selection, offline=offline)
    if plain is not None:
        return plain
    from wfdeploy.model.plan import but_plain_triggers
    from wfdeploy.planning.prepared import Prepared

    prepared = Prepared(workspace, manifests, store, selection)
    outlook = prepared.outlook(None, keep_all=keep_all)
    if not offline:
        outlook = _asked(workspace, prepared, outlook, keep_all=keep_all)
    outlook.require_no_conflicts()
    changes = but_plain_triggers(outlook.plan.changes)
    manifests.requests.fetch(change.desired for change in changes if change.brief and change.desired is not None)
    return outlook.plan


def _asked(workspace: Workspace, prepared: Prepared, outlook: Outlook, *, keep_all: bool) -> Outlook:
    """The outlook once the server was asked, if there is anything that it could tell."""
    from wfdeploy.planning.listing.looking_up_letters import lacking
    from wfdeploy.planning.outlook import Seen

    asked = prepared.asked_after(outlook.plan)
    if not (outlook.plan.sends or prepared.open_attempts or asked or outlook.undecided or lacking(prepared)):
        return prepared.outlook(Seen(runs=()), keep_all=keep_all)
    if workspace.target.token is None:
        from wfdeploy.model.event import Notice

        workspace.listener(
            Notice(
                f"no token ({workspace.target.token_source}): the plan is made without asking the server",
                "--offline says the same without this note",
            )
        )
        return outlook
    return _look(workspace, prepared, outlook.plan.sending, asked, keep_all=keep_all)


def _look(
    workspace: Workspace,
    prepared: Prepared,
    sending: Sending,
    asked: Sequence[Standing],
    *,
    keep_all: bool,
) -> Outlook:
    # A plan with nothing to send, which is most of them, never gets here and doesn't pay for it.
    import asyncio

    from wfdeploy.planning.listing.discovery import Discovery
    from wfdeploy.planning.listing.looking_up_letters import with_letters
    from wfdeploy.sending.server_time import ServerTime

    found: list[Outlook] = []

    async def look() -> None:  # returning the outlook would have asyncio's signal handling format all of it
        gateway = workspace.gateway()
        try:
            discovery = Discovery(workspace, gateway, ServerTime(workspace.clock))
            seen = await discovery.look(prepared, sending, asked)
            seen, outlook = await with_letters(discovery, prepared, seen, keep_all=keep_all)
            sends = outlook.plan.sending
            if not discovery.covers(prepared, seen, sends):
                # What it showed adds runs to be sent, about which more must be known.
                more = await discovery.look(prepared, sends, asked)
                _, outlook = await with_letters(discovery, prepared, more, known=seen.letters, keep_all=keep_all)
            found.append(outlook)
        finally:
            await gateway.aclose()

    asyncio.run(look())
    return found[0]
