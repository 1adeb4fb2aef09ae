"""Tell people, by webhooks, what needs one of them.

A notification is committed before it is sent, and a delivery once the far end has accepted it. Whatever dies between,
the next command sends it again under the same id. What was notified of is remembered, so that only news is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from wfdeploy.errors import ExitCode, Interrupted, StateLocked, StateUnusable, UsageError, WfdeployError
from wfdeploy.model.edits import Edit, RaiseNotification, RecordDelivery
from wfdeploy.model.event import ApplyReport, Notice
from wfdeploy.model.notification import Notification, NotificationKind, Webhook
from wfdeploy.model.options import ApplyRequest
from wfdeploy.model.plan import Plan
from wfdeploy.operations.news import Ending, News, find_news
from wfdeploy.ports import StateStore
from wfdeploy.workspace import Workspace

_LOCK_S = 5.0
"""How long to wait for the lock: what isn't told now is told by the next command."""

_MOST_PENDING = 100
_LONGEST_PENDING_MS = 7 * 86_400_000
"""Notifications that nobody could be told of, and that are given up when there are more, or older ones."""


def apply_and_notify(
    workspace: Workspace, request: ApplyRequest, act: Callable[[ApplyRequest], ApplyReport]
) -> ApplyReport:
    """Apply, and notify of how it ended and of what it learned. Where notifying fails, the report has a warning.

    Raises: what `act` raises; `InvalidInput` for a webhook that isn't allowed, before anything is done.
    """
    notifier = Notifier(workspace)
    declined = False

    def confirm(plan: Plan) -> bool:
        nonlocal declined
        agreed = request.confirm(plan)
        declined = not agreed
        return agreed

    try:
        report = act(replace(request, confirm=confirm))
    except Exception as error:
        # A person ended it, or sees it; or another command is at work, as happens with a schedule.
        is_usual = declined or request.stop.requested or isinstance(error, UsageError | Interrupted | StateLocked)
        if not is_usual:
            code = error.exit_code if isinstance(error, WfdeployError) else ExitCode.BUG
            for warning in notifier.notify(Ending(code), is_reachable=not isinstance(error, StateUnusable)):
                workspace.listener(Notice(warning))
        raise
    ending = None if request.stop.requested else Ending.of(report)
    return replace(report, warnings=(*report.warnings, *notifier.notify(ending)))


class Notifier:
    """Notifies of what one command leaves behind."""

    def __init__(self, workspace: Workspace) -> None:
        """Raises: `InvalidInput` for a webhook that isn't allowed."""
        assert workspace.webhooks is not None
        self._workspace = workspace
        self._open, self._reachable = workspace.webhooks()

    def notify(self, ending: Ending | None = None, *, is_reachable: bool = True) -> Sequence[str]:
        """Notify of news, and of what is still to be delivered. Returns warnings; raises nothing.

        ending: how an apply ended; None for another command, or where a person ended it.
        is_reachable: whether the state can be used.
        """
        workspace = self._workspace
        try:
            if is_reachable and workspace.has_state:
                with closing(workspace.open_state(readonly=True)) as store:
                    news = self._news(store, ending)
                    if not (news.edits or news.raised or store.notifications()):
                        return ()
                with workspace.lock(_LOCK_S), closing(workspace.open_state()) as store:
                    return self._tell(store, ending)
            return self._tell_without_state(ending)
        except Exception as error:  # the command has ended, and its result counts
            words = error.message if isinstance(error, WfdeployError) else type(error).__name__
            return (f"nobody was notified: {words}; the next command tries again",)

    def _news(self, store: StateStore, ending: Ending | None) -> News:
        kinds = frozenset(kind for webhook in self._notify for kind in webhook.kinds)
        return find_news(store, self._workspace, kinds, ending)

    @property
    def _notify(self) -> Sequence[Webhook]:
        return self._workspace.project.notify

    def _told_of(self, kind: NotificationKind) -> tuple[str, ...]:
        return tuple(webhook.name for webhook in self._notify if kind in webhook.kinds)

    def _tell(self, store: StateStore, ending: Ending | None) -> Sequence[str]:
        """With the lock held: write down the news, deliver, and write down what was delivered."""
        news = self._news(store, ending)
        raised = [
            RaiseNotification(replace(one.notification, webhooks=self._told_of(one.notification.kind)), one.marks)
            for one in news.raised
        ]
        if news.edits or raised:
            self._workspace.commit(store, [*news.edits, *raised])
        pending, dropped = self._sorted_out(store.notifications())
        delivered, warnings = self._deliver(pending)
        if edits := [*dropped, *delivered]:
            self._workspace.commit(store, edits)
        return warnings

    def _tell_without_state(self, ending: Ending | None) -> Sequence[str]:
        """Tell at once, and never again: nothing can remember it."""
        kind = NotificationKind.APPLY_FAILED
        webhooks = self._told_of(kind)
        if ending is None or ending.is_good or not webhooks:
            return ()
        notification = replace(ending.notification(self._workspace), webhooks=webhooks)
        _, warnings = self._deliver([notification])
        return warnings

    def _sorted_out(self, found: Sequence[Notification]) -> tuple[Sequence[Notification], Sequence[Edit]]:
        """What is to be delivered, and edits that drop the rest: for webhooks that are gone, or too old."""
        names = {webhook.name for webhook in self._notify}
        oldest_ms = self._workspace.clock.now_ms() - _LONGEST_PENDING_MS
        kept, dropped = [], []
        for place, one in enumerate(found):
            is_over = one.raised_at_ms < oldest_ms or place < len(found) - _MOST_PENDING
            gone = one.webhooks if is_over else tuple(name for name in one.webhooks if name not in names)
            dropped += [RecordDelivery(one.id, name) for name in gone]
            if left := tuple(name for name in one.webhooks if name not in gone):
                kept.append(replace(one, webhooks=left))
        return kept, dropped

    def _deliver(self, pending: Sequence[Notification]) -> tuple[Sequence[RecordDelivery], Sequence[str]]:
        if not pending:
            return (), ()
        from wfdeploy.operations.delivering import deliver

        return deliver(self._open(), self._reachable, self._notify, pending)
