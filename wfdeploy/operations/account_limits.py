"""Which settings of a project ask more of an account than its plan gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wfdeploy.model.checks import Suggestion

if TYPE_CHECKING:
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.model.remote import ServerFacts

_MB = 1_000_000
_DAY_S = 86_400

# Those of the largest plan, or of all. Sources: the public pricing page (messages); the changelog of Upstash Workflow
# (the size of a batch, how far logs reach back).
_LARGEST_MESSAGE = 50 * _MB
_LARGEST_BATCH = 100 * _MB
_LONGEST_RETENTION_DAYS = 14

# Those of the free plan, the only one with so low a daily limit.
_FREE_MESSAGES_PER_DAY = 1000
_FREE_MESSAGE = 1 * _MB


def fitting_settings(facts: ServerFacts, server: ServerSettings) -> Iterator[Suggestion]:
    """Yield settings that fit the account better than the project's, as far as the server's answers tell."""
    per_day = facts.messages_per_day
    is_free = per_day is not None and per_day <= _FREE_MESSAGES_PER_DAY
    largest = _FREE_MESSAGE if is_free else _LARGEST_MESSAGE
    if server.max_message_bytes > largest:
        plan = "the free plan takes messages" if is_free else "every plan takes messages"
        yield Suggestion(
            setting="server.maxMessageBytes",
            value=str(largest),
            reason=f"{plan} of {largest:,} bytes at most, and the project's limit is {server.max_message_bytes:,}",
        )
    if server.max_batch_bytes > _LARGEST_BATCH:
        yield Suggestion(
            setting="server.maxBatchBytes",
            value=str(_LARGEST_BATCH),
            reason=f"a request may have {_LARGEST_BATCH:,} bytes, and the project's limit is "
            f"{server.max_batch_bytes:,}",
        )
    if per_day is not None and server.max_batch_items > per_day:
        yield Suggestion(
            setting="server.maxBatchItems",
            value=str(per_day),
            reason=f"the account may send {per_day:,} messages a day, and a request has up to "
            f"{server.max_batch_items:,} runs",
        )
    if facts.server_id is None and server.log_retention_s > _LONGEST_RETENTION_DAYS * _DAY_S:
        yield Suggestion(
            setting="server.logRetention",
            value=f"{_LONGEST_RETENTION_DAYS}d",
            reason=f"logs reach back {_LONGEST_RETENTION_DAYS} days at most, and the project relies on "
            f"{server.log_retention_s / _DAY_S:g}",
        )
