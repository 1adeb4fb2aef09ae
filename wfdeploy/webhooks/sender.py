"""Send notifications: one request each, again where that may help, and never for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import httpx

from wfdeploy.model.notification import DeliveryOutcome, DeliveryResult, Notification
from wfdeploy.webhooks.slack import slack_body

_TIMEOUT_S = 3.0
_PAUSES_S = (0.5, 1.0)
_LONGEST_BODY = 256 * 1024
_PASSING = (408, 425, 429)
"""Refusals that say nothing about the notification (RFC 9110, RFC 6585)."""


class HttpWebhooks:
    """`Webhooks` over HTTP. Redirects are not followed, and answers not read."""

    def __init__(
        self, urls: Mapping[str, str], *, timeout_s: float = _TIMEOUT_S, pauses_s: Sequence[float] = _PAUSES_S
    ) -> None:
        """urls: by the name of a webhook. `urls.problem_of` finds nothing wrong with them.

        timeout_s: of connecting, and of each answer; twice that for both.
        pauses_s: before each further try.
        """
        self._urls = urls
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s
        self._client: httpx.AsyncClient | None = None

    async def deliver(self, webhook: str, notification: Notification, body: object) -> DeliveryResult:
        """See `Webhooks`. The id is in a header (`webhook-id`, as Standard Webhooks has it), and in the usual body."""
        content = json.dumps(slack_body(notification) if body is None else body, ensure_ascii=False).encode(
            errors="replace"
        )
        if len(content) > _LONGEST_BODY:
            return DeliveryResult(DeliveryOutcome.REFUSED, f"its body is larger than {_LONGEST_BODY // 1024} KiB")
        found = await self._send(self._urls[webhook], notification, content)
        for pause_s in self._pauses_s:
            if found.outcome is not DeliveryOutcome.FAILED:
                break
            await asyncio.sleep(pause_s)
            found = await self._send(self._urls[webhook], notification, content)
        return found

    async def _send(self, url: str, notification: Notification, content: bytes) -> DeliveryResult:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "wfdeploy",
            "webhook-id": notification.id,
            "webhook-timestamp": str(notification.raised_at_ms // 1000),
        }
        try:
            async with (
                asyncio.timeout(2 * self._timeout_s),
                self._client.stream("POST", url, content=content, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError, OSError, ValueError) as error:
            # Its words may hold the URL.
            return DeliveryResult(DeliveryOutcome.FAILED, f"no answer ({type(error).__name__})")
        if 200 <= status < 300:
            return DeliveryResult(DeliveryOutcome.ACCEPTED)
        is_passing = status >= 500 or status in _PASSING
        reason = f"it answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")
        return DeliveryResult(DeliveryOutcome.FAILED if is_passing else DeliveryOutcome.REFUSED, reason)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
