"""Notifications, and what was notified of, in every state store."""

from __future__ import annotations

from dataclasses import replace

from tests.contracts.test_state_store import store
from wfdeploy.model.edits import DropMarks, RaiseNotification, RecordDelivery
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.ports import StateStore

__all__ = ["store"]

FAILED, DRIFT = NotificationKind.RUNS_FAILED, NotificationKind.DRIFT
ONE = Notification(id="a1", kind=FAILED, group="g", facts='{"count":2}', raised_at_ms=5, webhooks=("ops", "pager"))


def test_a_notification_stays_until_each_webhook_has_it(store: StateStore) -> None:
    assert store.notifications() == []
    serial = store.commit([RaiseNotification(ONE, ("m1", "m2"))])
    assert store.commit([RaiseNotification(replace(ONE, facts="{}"), ("m2",))]) == serial, "known by its id"
    assert store.notifications() == [ONE]
    store.commit([RecordDelivery("a1", "pager")])
    serial = store.commit([RecordDelivery("a1", "pager"), RecordDelivery("none", "ops")])
    assert store.notifications() == [replace(ONE, webhooks=("ops",))]
    store.commit([RecordDelivery("a1", "ops")])
    assert store.notifications() == []
    assert set(store.notified(FAILED)) == {"m1", "m2"}, "it was notified of all the same"


def test_the_oldest_comes_first(store: StateStore) -> None:
    store.commit([RaiseNotification(replace(ONE, id=name, raised_at_ms=at), ()) for name, at in
                  (("b", 7), ("c", 6), ("a", 7))])  # fmt: skip
    assert [one.id for one in store.notifications()] == ["c", "a", "b"]


def test_marks_are_of_a_kind_and_are_dropped(store: StateStore) -> None:
    store.commit([RaiseNotification(ONE, ("m1", "m2")), RaiseNotification(replace(ONE, id="b", kind=DRIFT), ("m1",))])
    store.commit([DropMarks(FAILED, ("m1", "unknown"))])
    assert (set(store.notified(FAILED)), set(store.notified(DRIFT))) == ({"m2"}, {"m1"})
    assert set(store.notified(NotificationKind.APPLY_FAILED)) == set()


def test_it_says_nothing_of_what_is_triggered(store: StateStore) -> None:
    before = store.head()
    store.commit([RaiseNotification(ONE, ("m1",)), DropMarks(FAILED, ("m1",)), RecordDelivery("a1", "ops")])
    after = store.head()
    assert (after.runs_nonce, after.nonce != before.nonce) == (before.runs_nonce, True)
