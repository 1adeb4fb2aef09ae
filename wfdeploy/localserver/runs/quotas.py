"""The quotas of the hosted service's plans, and how much of them is used.

Sources: Upstash Workflow pricing page and documentation, "Limits" (the numbers); the SDKs (the headers that distinguish
a daily limit from a burst). Messages that are too large are answered with 413, other exceeded quotas with 412: the
reference has 412 for quotas and no status for sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs.durations import DAY_MS

MAX_RETRIES = 10_000
"""The service's own limit is not published."""


@dataclass(frozen=True, slots=True)
class QuotaPlan:
    """Limits per user. `parallelism`: concurrent deliveries under all keys."""

    max_message_bytes: int = 50_000_000
    max_delay_ms: int = 366 * DAY_MS
    """The longest delay, sleep or wait."""
    messages_per_day: int | None = None
    """Runs, steps and calls accepted per day (UTC)."""
    parallelism: int | None = None


LOCAL = QuotaPlan()
"""The limits without a plan: those of the largest one."""

PLANS: Mapping[str, QuotaPlan] = {
    "free": QuotaPlan(1_000_000, 7 * DAY_MS, 1_000, 10),
    "payg": QuotaPlan(10_000_000, 366 * DAY_MS, None, 100),
    "fixed": QuotaPlan(50_000_000, 366 * DAY_MS, 1_000_000, 200),
}


@dataclass(slots=True)
class Quotas:
    """The use per day and per second of each user, counted in memory."""

    used_today: Callable[[str, int], int]
    """Counts a user's messages accepted since a moment; called once a day for each user."""
    _days: dict[str, tuple[int, int]] = field(default_factory=dict)
    _seconds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take_message(self, plan: QuotaPlan, tenant: str, size: int, now_ms: int) -> None:
        """Raises: Refused for a message that is too large (413), or one too many today (429)."""
        if size > plan.max_message_bytes:
            raise Refused(f"the message has {size} bytes; the limit is {plan.max_message_bytes}", status=413)
        if plan.messages_per_day is None:
            return
        day = now_ms // DAY_MS
        counted, used = self._days.get(tenant, (-1, 0))
        if counted != day:
            used = self.used_today(tenant, day * DAY_MS)
        limits = _limits("RateLimit", plan.messages_per_day, used, (day + 1) * DAY_MS)
        if used >= plan.messages_per_day:
            raise Refused(f"exceeded the daily limit of {plan.messages_per_day} messages", status=429, headers=limits)
        self._days[tenant] = (day, used + 1)

    def take_request(self, per_second: int, tenant: str, now_ms: int) -> Mapping[str, str]:
        """The headers with the rest of this second's limit. Raises: Refused (429) when it is used up."""
        second = now_ms // 1000
        counted, used = self._seconds.get(tenant, (-1, 0))
        used = used if counted == second else 0
        if used >= per_second:
            limits = _limits("Burst-RateLimit", per_second, used, (second + 1) * 1000)
            raise Refused(f"exceeded the limit of {per_second} requests a second", status=429, headers=limits)
        self._seconds[tenant] = (second, used + 1)
        return _limits("Burst-RateLimit", per_second, used + 1, (second + 1) * 1000)


def _limits(prefix: str, limit: int, used: int, reset_ms: int) -> dict[str, str]:
    return {
        f"{prefix}-Limit": str(limit),
        f"{prefix}-Remaining": str(max(0, limit - used)),
        f"{prefix}-Reset": str(reset_ms // 1000),
    }
