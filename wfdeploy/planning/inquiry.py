"""Ask the server what a plan depends on, until it depends on nothing more."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from wfdeploy.model.event import Notice
from wfdeploy.model.plan import Sending
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.run_listing import RunListing
from wfdeploy.planning.listing.successors import find_successors
from wfdeploy.planning.plan_result import PlanResult
from wfdeploy.planning.planner import Planner
from wfdeploy.planning.questions import Questions
from wfdeploy.sending.server_time import ROUNDED_S

_MOST_AHEAD_S = 300.0
"""By so much a clock may be ahead for a due instance to be waited for; further ahead, it is just wrong."""


class Inquiry:
    """Puts the questions of one plan to the server. With the lock, the answers prove what was never triggered."""

    def __init__(self, planner: Planner, discovery: Discovery, *, is_new: bool = False) -> None:
        """`is_new`: there was no state when the command began."""
        self._planner = planner
        self._discovery = discovery
        self._is_new = is_new
        self.asked_for_absence = False
        """Whether the listing was made to prove what was never triggered."""

    async def run(self, result: PlanResult, questions: Questions) -> tuple[PlanResult, RunListing]:
        """Ask until nothing more must be known. Return the final plan and the listing that it was made from.

        result: the plan without a listing.
        Raises: `RemoteFailure`; `Withheld` when there is no time to wait for an answer.
        """
        planner = self._planner
        listing = await self._until_due(result, await self._list(result.plan.sending, questions))
        while True:
            result = planner.plan(listing)
            if listing.dead_letters is None and (failed := planner.failed_in_question()):
                letters = await self._discovery.dead_letters([one.standing for one in failed])
                successors = await find_successors(self._discovery, failed, letters, planner.baseline.store)
                listing = replace(listing, dead_letters=letters, successors=successors)
            elif result.plan.sends and not self._covers(listing, result.plan.sending):
                # The listing added runs to be sent, and more must be known about these.
                questions = replace(questions, sends=result.plan.sends)
                listing = replace(
                    await self._list(result.plan.sending, questions),
                    dead_letters=listing.dead_letters,
                    successors=listing.successors,
                )
            else:
                return result, listing

    async def _list(self, sends: Sending, questions: Questions) -> RunListing:
        baseline, standings = self._planner.baseline, questions.standings
        if self._discovery.lock is None or not questions.ask_for_absence:
            return await self._discovery.list_runs(baseline, sends, standings)
        self.asked_for_absence = True
        return await self._discovery.list_late(baseline, sends, standings, suspect=self._suspicion)

    def _covers(self, listing: RunListing, sends: Sending) -> bool:
        """Whether a listing says all that must be known before these changes are sent."""
        if self._discovery.lock is not None and not self.asked_for_absence and self._suspicion is not None:
            return False
        return self._discovery.covers(self._planner.baseline, listing, sends)

    async def _until_due(self, result: PlanResult, listing: RunListing) -> RunListing:
        """Wait for the server's clock, where an instance is due by ours and almost by the server's. Otherwise a job
        that begins on the stroke of its schedule would leave it for the next."""
        lock = self._discovery.lock
        if lock is None or result.due_s is None or listing.now_ms is None or listing.now_ms >= 1000 * result.due_s:
            return listing
        early_s = result.due_s - listing.now_ms / 1000
        if early_s > _MOST_AHEAD_S:
            return listing
        await lock.patience.wait(early_s + ROUNDED_S, "an instance is due, but not yet by the server's clock: waiting")
        return replace(listing, now_ms=self._discovery.time.earliest_ms())

    @cached_property
    def _suspicion(self) -> str | None:
        return why_suspect(self._planner, is_new=self._is_new)


def why_suspect(planner: Planner, *, is_new: bool) -> str | None:
    """Why this state may not hold all that was triggered; None when it surely does."""
    workspace, store = planner.workspace, planner.baseline.store
    server = workspace.project.server
    if is_new:
        if not workspace.target.local:  # whose server remembers everything
            days = server.log_retention_s / 86400
            unit = "day" if days == 1 else "days"
            workspace.listener(
                Notice(
                    f"no state yet: runs of this project that the server's logs remember (about {days:g} {unit}) "
                    "are adopted; what is older cannot be known"
                )
            )
        return "this state is new"
    if not workspace.state_backend.is_latest(store):
        return "this state may have been copied or restored"
    head = store.head()
    if head.watermark_ms is None:
        return "this state was never compared with the server"
    if head.is_one_of_several(round(1000 * server.log_retention_s)):
        return "another runner may trigger runs of this project too"
    return None
