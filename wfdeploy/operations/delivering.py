"""Deliver notifications to webhooks, side by side, within a few seconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing

from wfdeploy.errors import several
from wfdeploy.model.edits import RecordDelivery
from wfdeploy.model.notification import DeliveryOutcome, DeliveryResult, Notification, Webhook
from wfdeploy.ports import Webhooks

_BUDGET_S = 10.0
"""How long all deliveries of a command may take."""


def deliver(
    webhooks: Webhooks, reachable: Collection[str], configured: Sequence[Webhook], pending: Sequence[Notification]
) -> tuple[Sequence[RecordDelivery], Sequence[str]]:
    """Deliver to each webhook what it still has to get, oldest first. Returns what was accepted, and warnings.

    reachable: the names of webhooks whose URLs are known.
    """
    warnings: list[str] = []
    ways: list[_Way] = []
    for webhook in configured:
        mine = [one for one in pending if webhook.name in one.webhooks]
        if mine and webhook.name not in reachable:
            waiting = _waiting(len(mine))
            warnings.append(f"webhook {webhook.name}: {webhook.url_env} is not set, so {waiting}")
        elif mine:
            ways.append(_Way(webhooks, webhook, mine))
    asyncio.run(_all(webhooks, ways))
    for way in ways:
        warnings += way.warnings()
    return [each for way in ways for each in way.delivered], tuple(warnings)


async def _all(webhooks: Webhooks, ways: Sequence[_Way]) -> None:
    async with aclosing(webhooks):
        tasks = [asyncio.create_task(way.run()) for way in ways]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_BUDGET_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Way:
    """The notifications of one webhook."""

    def __init__(self, webhooks: Webhooks, webhook: Webhook, pending: Sequence[Notification]) -> None:
        self._webhooks = webhooks
        self._webhook = webhook
        self._pending = pending
        self.delivered: list[RecordDelivery] = []
        self._reasons: Counter[str] = Counter()

    async def run(self) -> None:
        """Deliver as many as possible. One that is refused doesn't hold up the others; a far end that fails does."""
        for one in self._pending:
            result = await self._webhooks.deliver(self._webhook.name, one, self._body(one))
            if result.outcome is DeliveryOutcome.ACCEPTED:
                self.delivered.append(RecordDelivery(one.id, self._webhook.name))
                continue
            self._note(result)
            if result.outcome is DeliveryOutcome.FAILED:
                return

    def _body(self, one: Notification) -> object:
        """The body by the webhook's template; None where it has none, or can't be evaluated."""
        if self._webhook.body is None:
            return None
        from wfdeploy.manifests.expand.expressions import ExpressionError
        from wfdeploy.operations.notification_body import body_of

        try:
            return body_of(self._webhook.body, one)
        except ExpressionError as error:
            self._reasons[f"the usual body was sent, since {error.message} (in notify.body)"] += 1
            return None

    def _note(self, result: DeliveryResult) -> None:
        self._reasons[result.reason] += 1

    def warnings(self) -> Sequence[str]:
        """What didn't go well, in a sentence."""
        left = len(self._pending) - len(self.delivered)
        if not left and not self._reasons:
            return ()
        reasons = "; ".join(self._reasons) or f"no answer within {_BUDGET_S:g} s"
        tail = f"; {_waiting(left)}" if left else ""
        return (f"webhook {self._webhook.name}: {reasons}{tail}",)


def _waiting(count: int) -> str:
    return f"{several(count, 'notification')} {'waits' if count == 1 else 'wait'} for the next command"
