"""Requests to the API of a code host: bounded in time and size, waiting out limits, and never following a redirect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.http.headers import http_date_ms, number_of, retry_after_s, until_reset_s
from wfdeploy.model.event import Waiting
from wfdeploy.ports import Clock, Listener

_TIMEOUT_S = 20.0
_LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes. A page of 100 comments of GitHub's longest has less than half of that."""

_MOST_FAILURES = 6
_LONGEST_PAUSE_S = 30.0
_UNSPECIFIED_WAIT_S = 60.0
"""Source: GitHub's documentation, "Rate limits for the REST API": without a header, at least a minute, and longer each
time."""

_PASSING = (408, 425, 500, 502, 503, 504)
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Address:
    """The API of a host, and who asks.

    name: of the host, for messages.
    url: that paths are added to. `urls.problem_of` finds nothing wrong with it.
    headers: sent with each request, the token among them.
    token: what no message shows.
    hint: what the token needs, for a person.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    hint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 2xx, or of 404. `value`: its JSON. `has_next`: whether it is a page that another follows."""

    status: int
    value: Any
    has_next: bool = False


@dataclass(frozen=True, slots=True)
class _Passing:
    """Why a request should be tried again, and after how many seconds; None where the host doesn't say."""

    why: str
    wait_s: float | None = None
    is_limit: bool = False


class Exchange:
    """Requests of one command to one host."""

    def __init__(
        self, address: Address, *, clock: Clock, listener: Listener, budget_s: float, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """budget_s: how long all waits may take together.
        timeout_s: of connecting, and of each read; three times that for a whole answer.
        """
        self._address = address
        self._clock = clock
        self._listener = listener
        self._deadline_s = clock.monotonic() + budget_s
        self._timeout_s = timeout_s
        self._failures = 0
        self._limits = 0
        self._client: httpx.AsyncClient | None = None

    async def request(self, method: str, path: str, content: object = None, *, url: str | None = None) -> Answer:
        """Send a request that may be repeated. `content`: JSON. `url`: another one than the API's.

        Raises: `RemoteFailure`, `CommentRefused`.
        """
        while True:
            answer = await self.once(method, path, content, url=url)
            if answer is not None:
                return answer

    async def once(self, method: str, path: str, content: object = None, *, url: str | None = None) -> Answer | None:
        """Send a request once. None if it isn't known to have had an effect, and may be tried again: now, since as long
        as that takes was waited.

        Raises: `RemoteFailure`, `CommentRefused`.
        """
        found = await self._attempt(method, f"{url or self._address.url}{path}", content)
        if isinstance(found, Answer):
            self._failures = 0
            return found
        await self._pause(found)
        return None

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _attempt(self, method: str, url: str, content: object) -> Answer | _Passing:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout_s,
                follow_redirects=False,
                headers={"user-agent": "wfdeploy", "accept": "application/json", **self._address.headers},
            )
        data = None if content is None else json.dumps(content, ensure_ascii=False).encode(errors="replace")
        headers = {} if data is None else {"content-type": "application/json"}
        try:
            async with (
                asyncio.timeout(3 * self._timeout_s),
                self._client.stream(method, url, content=data, headers=headers) as response,
            ):
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LONGEST_ANSWER:
                        raise RemoteFailure(f"{self._address.name}'s answer is larger than 64 MiB")
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            return _Passing(f"no answer from {self._address.name} ({type(error).__name__})")
        return self._read(response, body)

    def _read(self, response: httpx.Response, body: bytes) -> Answer | _Passing:
        name, status = self._address.name, response.status_code
        try:
            value = json.loads(body) if body else None
        except (ValueError, RecursionError):
            value = None
        if 200 <= status < 300:
            if body and value is None:
                return _Passing(f"{name}'s answer can't be read")
            return Answer(status, value, "next" in response.links)
        if status == 404:
            return Answer(404, None)
        reason = self._reason(value)
        if status in _PASSING:
            return _Passing(f"{name} answered {status}", self._wait_s(response.headers))
        if status == 429 or (status == 403 and _is_limit(response.headers, reason)):
            return _Passing(f"rate limit of {name}", self._wait_s(response.headers), is_limit=True)
        said = f": {reason}" if reason else ""
        match status:
            case 401:
                raise RemoteFailure(f"{name} doesn't accept the token (401){said}", hint=self._address.hint)
            case 403:
                raise CommentRefused(f"{name} doesn't permit this (403){said}", hint=self._address.hint)
            case _ if 300 <= status < 400:
                raise RemoteFailure(
                    f"{name} answered {status}, and redirects are not followed",
                    hint="the repository or the API may have moved; correct its address",
                )
            case _:
                raise RemoteFailure(f"{name} refused the request ({status}){said}")

    def _reason(self, value: object) -> str:
        """What the host says, on one line, without the token."""
        said = (value.get("message") or value.get("error") or "") if isinstance(value, dict) else ""
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        errors = value.get("errors") if isinstance(value, dict) else None
        if isinstance(errors, list) and errors:
            text += f" {json.dumps(errors, ensure_ascii=False)}"
        return " ".join(text.replace(self._address.token, "***").split())[:_LONGEST_REASON]

    def _wait_s(self, headers: Mapping[str, str]) -> float | None:
        """The wait that the host demands. Sources: GitHub's documentation, "Rate limits for the REST API"; GitLab's,
        "User and IP rate limits", on response headers."""
        date_ms = http_date_ms(headers.get("date"))
        now_s = (self._clock.now_ms() if date_ms is None else date_ms) / 1000
        wait_s = retry_after_s(headers.get("retry-after"), now_s)
        for prefix in ("x-ratelimit", "ratelimit"):
            if wait_s is None and number_of(headers.get(f"{prefix}-remaining")) == 0:
                wait_s = until_reset_s(headers.get(f"{prefix}-reset"), now_s)
        return None if wait_s is None else max(wait_s, 0.0)

    async def _pause(self, found: _Passing) -> None:
        if found.is_limit:
            self._limits += 1
            wait_s = _UNSPECIFIED_WAIT_S * 2 ** (self._limits - 1) if found.wait_s is None else found.wait_s + 1
        else:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise RemoteFailure(f"{found.why}, {self._failures} times")
            wait_s = max(min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_S), found.wait_s or 0.0)
        if self._clock.monotonic() + wait_s > self._deadline_s:
            raise RemoteFailure(f"{found.why}: it would take {wait_s:.0f} s to try again", hint="allow it: --timeout")
        self._listener(Waiting(found.why, wait_s))
        await self._clock.sleep(wait_s)


def _is_limit(headers: Mapping[str, str], reason: str) -> bool:
    """Whether a 403 is a rate limit, and not a matter of permissions."""
    return (
        "retry-after" in headers
        or number_of(headers.get("x-ratelimit-remaining")) == 0
        or "rate limit" in reason.lower()
    )
