"""What a plan of the hosted service grants, and how much of it is used up.

Sources: Upstash Workflow pricing page and documentation, "Limits" (the numbers); the SDKs (which headers tell a daily
limit from a burst). What is too large is answered 413, what is too long or too often 412: the reference says 412 for a
quota that would be exceeded, and no status for a size.
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
    """Limits for each user. `parallelism`: deliveries at once, whatever their keys."""

    max_message_bytes: int = 50_000_000
    max_delay_ms: int = 366 * DAY_MS
    """Of delays, sleeps and waits."""
    messages_per_day: int | None = None
    """Runs, steps and calls accepted between two midnights, UTC."""
    parallelism: int | None = None


LOCAL = QuotaPlan()
"""Without any plan: as much as the largest one grants."""

PLANS: Mapping[str, QuotaPlan] = {
    "free": QuotaPlan(1_000_000, 7 * DAY_MS, 1_000, 10),
    "payg": QuotaPlan(10_000_000, 366 * DAY_MS, None, 100),
    "fixed": QuotaPlan(50_000_000, 366 * DAY_MS, 1_000_000, 200),
}


@dataclass(slots=True)
class Quotas:
    """How much each user has used, counted in memory: of the day, of the second."""

    used_today: Callable[[str, int], int]
    """Asked once a day for each user: how many messages of theirs were accepted since a moment."""
    _days: dict[str, tuple[int, int]] = field(default_factory=dict)
    _seconds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take_message(self, plan: QuotaPlan, tenant: str, size: int, now_ms: int) -> None:
        """Raises: Refused for a message that is too large (413), or one too many today (429)."""
        if size > plan.max_message_bytes:
            raise Refused(f"the message has {size} bytes; {plan.max_message_bytes} are the most", status=413)
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
        """The headers that say what is left of this second. Raises: Refused (429) when nothing is."""
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
