"""Cancel many runs with one request ("Workflow REST reference: Bulk Cancel Workflow Runs")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from wfdeploy.errors import RemoteFailure, several
from wfdeploy.model.event import Waiting
from wfdeploy.model.remote import Cancelled, CancelReply, NotCancelled
from wfdeploy.upstash.logs import UnreadableError, parsed
from wfdeploy.upstash.reads import Budget, Reader
from wfdeploy.upstash.transfer import Answer

if TYPE_CHECKING:
    from wfdeploy.ports import Clock, Listener

_CAN_BE_CANCELLED = re.compile(r"(?=.*[A-Za-z0-9])[^,]+")
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""The pauses between two polls of a bulk action."""


@dataclass(frozen=True, slots=True)
class _Later:
    """The server accepted the request and cancels asynchronously, as the bulk action of this id."""

    action_id: str


async def cancel_runs(
    reader: Reader,
    workflow_run_ids: Sequence[str],
    *,
    label: str,
    clock: Clock,
    listener: Listener,
    wait_budget_s: float,
) -> CancelReply:
    """Cancel runs by their ids. `label`: the project's. Raises: `ValueError` for ids that would select other runs."""
    bad = [run_id for run_id in workflow_run_ids if not _CAN_BE_CANCELLED.fullmatch(run_id)]
    if bad or not workflow_run_ids:
        # An empty selection would mean all runs, and a comma would make two ids out of one.
        raise ValueError(f"these can't be cancelled by their ids: {bad}")
    count = len(workflow_run_ids)
    # With ids, the server ignores other filters. If it ever ignores the ids, the label keeps it within this project.
    query = urlencode([*(("workflowRunIds", run_id) for run_id in workflow_run_ids), ("label", label)])
    what = f"cancelling {workflow_run_ids[0] if count == 1 else several(count)}"
    budget = Budget(wait_budget_s)
    doubts: list[None] = []

    def read(answer: Answer) -> Cancelled | _Later:
        if answer.status == 404:
            raise reader.refusal(what, answer)
        reply = _read(answer.body)
        if isinstance(reply, _Later):
            doubts.append(None)
            return reply
        if reply > count:
            doubts.append(None)
            raise RemoteFailure(
                f"{what}: the server reports that it cancelled {reply}",
                hint="it may have cancelled other runs too: check them before you continue",
            )
        return Cancelled(reply)

    try:
        reply = await reader.ask(
            what,
            "DELETE",
            f"/v2/workflows/runs?{query}&count={count}",
            read=read,
            budget=budget,
            doubt=lambda: doubts.append(None),
        )
        if isinstance(reply, Cancelled):
            return reply
        for pause_s in _PAUSES_S:
            if pause_s >= 1:
                listener(Waiting(f"{what}: the server has not finished yet", pause_s))
            await clock.sleep(pause_s)
            if await _is_finished(reader, reply, what, budget):
                return Cancelled(None)
        raise RemoteFailure(f"{what}: the server accepted the request and has not finished yet")
    except RemoteFailure as error:
        return NotCancelled(error.message, error.hint, may_have_acted=bool(doubts))


async def _is_finished(reader: Reader, later: _Later, what: str, budget: Budget) -> bool:
    """Whether a bulk action is finished. Raises: `RemoteFailure`, also when the server doesn't know the action."""

    def read(answer: Answer) -> bool:
        if answer.status == 404:
            raise RemoteFailure(f"{what}: the server accepted the request and does not report its outcome")
        action = parsed(answer.body)
        state = action.get("state") if isinstance(action, dict) else None
        if not isinstance(state, str):
            raise UnreadableError("the answer has no state of the bulk action")
        return state == "FINISHED"

    url = f"/v2/workflows/bulkActions/{quote(later.action_id, safe='')}"
    return await reader.ask(what, "GET", url, read=read, budget=budget)


def _read(body: bytes) -> int | _Later:
    """The number of cancelled runs in a 2xx answer, or the bulk action to poll. Raises: `UnreadableError`."""
    answer = parsed(body)
    if not isinstance(answer, dict) or answer.get("error"):
        raise UnreadableError("the answer has no number of cancelled runs")
    count, action_id = answer.get("cancelled"), answer.get("actionId")
    if isinstance(action_id, str) and re.search(r"[A-Za-z0-9]", action_id):
        return _Later(action_id)  # a count beside it may be the number of runs still to cancel
    if type(count) is int and count >= 0:
        return count
    raise UnreadableError("the answer has no number of cancelled runs")
