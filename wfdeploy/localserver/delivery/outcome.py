"""Decide what an answer means for the delivered message, and when to try again. No effects.

Sources: QStash documentation, "Retry" (any non-2xx answer, a timeout or a connection error is a failure; 489 with
`Upstash-NonRetryable-Error: true` is final; the default backoff, and the response headers that override it); Upstash
Workflow REST reference, "Trigger Workflow Run" (retries, retry delay); the non-workflow check and its text come from
the SDKs' own tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from wfdeploy.localserver.http_client import Reply
from wfdeploy.localserver.runs import durations
from wfdeploy.localserver.store.records import Handshake

NOT_A_WORKFLOW = (
    "detected a non-workflow destination for trigger/invoke."
    " make sure you are sending the request to the correct endpoint"
)

SDK_TOO_OLD = "trigger rest api is only usable with sdk versions after v1.0.0 major version"
"""The service's own text, as its CI examples for the JavaScript SDK demand it."""

UNPROVEN = (
    "the endpoint's SDK ignored the handshake of REST triggers, as the Python SDK does;"
    " whether the service runs it isn't known"
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done: nothing more to do for this message."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The endpoint has triggered the run itself: deliver the message once more, as an ordinary one."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Done, but whether the service would run this endpoint isn't known."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed; try again `delay_ms` from now."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed for good."""

    error: str


def judge(
    reply: Reply,
    *,
    retried: int,
    retries: int,
    expression: str | None,
    must_be_workflow: bool,
    wall_ms: int,
) -> Delivered | Retry | Failed:
    """Judge an endpoint's answer.

    `retried`: the retries made before this answer.
    `retries`: the retries allowed in total.
    `wall_ms`: the current time by the endpoint's clock; the endpoint may name a time to try again.
    """
    if reply.ok:
        # Without this check, a run sent to another server would never end.
        if must_be_workflow and not has_version(reply):
            return Failed(NOT_A_WORKFLOW)
        return Delivered()
    if reply.status == 489 and (reply.header("Upstash-NonRetryable-Error") or "").lower() == "true":
        return Failed("the endpoint answered with a non-retryable error")
    if retried >= retries:
        return Failed(reply.error or reply.status_line)
    delay = delay_ms(retried=retried, expression=expression, response_headers=reply.lower_headers(), now_ms=wall_ms)
    return Retry(delay)


def has_version(reply: Reply) -> bool:
    """Whether a workflow SDK answered: with a 200, they name the version of the protocol."""
    return reply.header("Upstash-Workflow-Sdk-Version") is not None


def judge_handshake(reply: Reply, *, handshake: Handshake | None, is_strict: bool) -> Completed | Unproven | Failed:
    """Judge a 2xx answer to the delivery that began a handshake.

    `handshake`: what has become of it by now; `is_strict`: refuse SDKs whose fate at the service isn't known.
    """
    match handshake:
        case None:
            return Completed()
        case Handshake.IGNORED if not is_strict and has_version(reply):
            return Unproven()
        case Handshake.OPEN if not has_version(reply):
            return Failed(NOT_A_WORKFLOW)
        case _:
            return Failed(SDK_TOO_OLD)


_OVERRIDES = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")


def delay_ms(*, retried: int, expression: str | None, response_headers: Mapping[str, str], now_ms: int) -> int:
    """Milliseconds before the next attempt; `retried` counts the retries made so far (0 after the first failure).

    `response_headers` are those of the failed answer, names in lower case.
    """
    for name in _OVERRIDES:
        if (text := response_headers.get(name)) is not None:
            requested = _requested_ms(text, now_ms)
            if requested is not None and requested <= durations.DAY_MS:  # more than a day is ignored
                return requested
    if expression is not None:
        # A year is the longest delay the service has.
        return durations.expression_ms(expression, retried=retried, ceiling_ms=365 * durations.DAY_MS)
    # min(86400, e^(2.5 n)) seconds; the exponent is bounded so that the power cannot overflow.
    return round(min(86_400.0, math.exp(min(2.5 * (retried + 1), 20.0))) * 1000)


def _requested_ms(text: str, now_ms: int) -> int | None:
    """Seconds, a duration or an HTTP date, as milliseconds from now."""
    try:
        return durations.parse_ms(text)
    except ValueError:
        pass
    try:
        return max(0, round(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
    except (ValueError, TypeError, OverflowError):
        return None
