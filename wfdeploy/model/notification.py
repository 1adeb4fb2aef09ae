"""Notifications: what people are told by webhooks, and which webhooks there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NotificationKind(Enum):
    """What a notification is about."""

    APPLY_FAILED = "apply-failed"
    RUNS_FAILED = "runs-failed"
    APPROVAL_NEEDED = "approval-needed"
    DRIFT = "drift"  # runs were cancelled, or are missing from the server's logs


@dataclass(frozen=True, slots=True)
class Webhook:
    """An entry of `notify`.

    url_env: the variable that holds its URL.
    kinds: what it is told about.
    body: the JSON body, with expressions in its texts; None for one that Slack understands.
    """

    name: str
    url_env: str
    kinds: frozenset[NotificationKind] = frozenset(NotificationKind)
    body: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification that isn't delivered everywhere yet.

    id: the same however often it is sent.
    group: what it is about; empty for the project.
    facts: JSON object: counts, addresses, commands to type. Nothing of what runs hold.
    raised_at_ms: our clock.
    webhooks: the names of those that it is still to be delivered to.
    """

    id: str
    kind: NotificationKind
    group: str
    facts: str
    raised_at_ms: int
    webhooks: tuple[str, ...]


class DeliveryOutcome(Enum):
    """How a delivery ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # this notification; others may be accepted
    FAILED = "failed"  # or its answer was lost: it may have arrived


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a delivery ended, and why so; without the URL."""

    outcome: DeliveryOutcome
    reason: str = ""
