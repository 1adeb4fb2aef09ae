"""What an answer means for the message that was delivered. Pure decisions, no effects.

Sources: QStash documentation, "Retry" (any non-2xx answer, a timeout or a connection error is a failure; 489 with
`Upstash-NonRetryable-Error: true` is final); the non-workflow check and its text come from the SDKs' own tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from wfdeploy.localserver.courier import Reply
from wfdeploy.localserver.delivery import backoff

NOT_A_WORKFLOW = (
    "detected a non-workflow destination for trigger/invoke."
    " make sure you are sending the request to the correct endpoint"
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """Handled; nothing more to do for this message."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed, to be tried again `delay_ms` from now."""

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
    """`retried` counts the retries made before this answer; `retries` is how many there may be in all.

    `wall_ms` is the present as the endpoint knows it, who may name a moment to try again.
    """
    if reply.ok:
        # The SDKs name their version on 200; without this check a run sent to something else would stay open for ever.
        if must_be_workflow and reply.header("Upstash-Workflow-Sdk-Version") is None:
            return Failed(NOT_A_WORKFLOW)
        return Delivered()
    if reply.status == 489 and (reply.header("Upstash-NonRetryable-Error") or "").lower() == "true":
        return Failed("the endpoint answered with a non-retryable error")
    if retried >= retries:
        return Failed(reply.error or f"the endpoint answered {reply.status}")
    delay = backoff.delay_ms(
        retried=retried, expression=expression, response_headers=reply.lower_headers(), now_ms=wall_ms
    )
    return Retry(delay)
