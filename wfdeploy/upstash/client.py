"""The gateway to Upstash Workflow over HTTP. Importing this module imports httpx."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

from wfdeploy import __version__
from wfdeploy.http.connection import Timeouts
from wfdeploy.http.headers import http_date_ms
from wfdeploy.model.event import Event
from wfdeploy.model.observed import ObservedRun, RunLog
from wfdeploy.model.remote import (
    Answered,
    CancelReply,
    DeadLetter,
    Item,
    Lost,
    NotSent,
    ResumeReply,
    RunPage,
    ServerFacts,
    TriggerReply,
)
from wfdeploy.ports import RunGateway
from wfdeploy.upstash.bulk_cancel import cancel_runs
from wfdeploy.upstash.endpoint import base_url, is_loopback
from wfdeploy.upstash.facts import FactBook
from wfdeploy.upstash.headers import LABEL
from wfdeploy.upstash.logs import LogPage, read_letter_page, read_log_page, read_payload_digest, read_run
from wfdeploy.upstash.reads import Budget, Cursors, Reader
from wfdeploy.upstash.refusals import read_refusal
from wfdeploy.upstash.replies import read_batch_reply, read_resume_reply
from wfdeploy.upstash.transfer import Answer, Connections, Transfer, TransferError, open_pool
from wfdeploy.upstash.wire import batch_bytes

if TYPE_CHECKING:
    from wfdeploy.model.project import ServerSettings
    from wfdeploy.ports import Clock, Listener, Permit
    from wfdeploy.upstash.scrub import Scrubber

_PAGE_RUNS = 10
"""Runs per page of the logs, the maximum ("Workflow REST reference: Logs")."""

_PAGE_RUNS_EMBEDDED = 1000
"""Runs per page of the embedded server, by its own parameter."""

_BODY = 2000
"""The bytes requested of each body of a single run."""

_ANSWER_BYTES = 8 * 1024 * 1024
_ANSWER_BYTES_PER_RUN = 4 * 1024
_PAGE_LETTERS = 100
"""Dead letters per page, the maximum ("Workflow REST reference: List Failed Workflow Runs")."""

_ENTRY_BYTES = 300
"""The memory of a listing's entry without its texts."""

FREE_S = 30.0
"""The time of a trigger on top of `--timeout`. More than for a read, since runs of an abandoned trigger have to be
looked up."""


class UpstashGateway(RunGateway):
    """`RunGateway` over the Upstash Workflow REST API.

    `url`: the server's base URL.
    `token`: its bearer token.
    `token_source`: the variable or file of the token, for hints.
    `scrubber`: removes secrets from the server's texts.
    `wait_budget_s`: how long one listing or cancel may be delayed (`reads.Budget`).
    `connections`: the maximum number of concurrent requests.
    `deadline_s`: the limit of a whole exchange; by default, the sum of the phases' timeouts and `wait_budget_s`.
    `network`: carries the requests.
    `permit`: needed by every request that changes something.

    Nothing is opened before the first request; `aclose` closes the connections. Raises: `UsageError` for a URL that a
    token must not be sent to (see `endpoint.base_url`).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        settings: ServerSettings,
        clock: Clock,
        scrubber: Scrubber,
        token_source: str = "QSTASH_TOKEN",  # noqa: S107 - a variable's name
        wait_budget_s: float = 300.0,
        connections: int = 256,
        listener: Listener | None = None,
        deadline_s: float | None = None,
        network: Connections | None = None,
        permit: Permit | None = None,
    ) -> None:
        url = base_url(url, source="the gateway")  # checked again here: no token over plain http
        self._token_source = token_source
        self._clock = clock
        self._scrub = scrubber
        self._wait_budget_s = wait_budget_s
        self._listener: Listener = listener or _ignore
        self._facts = FactBook(trusted=is_loopback(url))
        self._transfer = Transfer(
            network or open_pool(url, connections=connections),
            url,
            headers=_headers(token),
            timeouts=_timeouts(settings),
            deadline_s=min(_deadline_s(settings), FREE_S + wait_budget_s) if deadline_s is None else deadline_s,
            permit=permit,
        )
        self._reader = Reader(
            self._transfer,
            clock=clock,
            facts=self._facts,
            scrub=scrubber,
            token_source=token_source,
            listener=self._listener,
        )

    @property
    def facts(self) -> ServerFacts:
        return self._facts.facts

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        if not items:
            return Answered(())
        sent = [item.workflow_run_id for item in items]
        answer = await self._post_once(
            "/v2/batch/trigger",
            content=batch_bytes(items),
            max_bytes=_ANSWER_BYTES + _ANSWER_BYTES_PER_RUN * len(items),
        )
        if not isinstance(answer, Answer):
            return answer
        if answer.status in (200, 201):
            return read_batch_reply(answer.body, sent, scrub=self._scrub)
        return read_refusal(
            answer.status,
            answer.headers,
            answer.body,
            sent,
            now_ms=self._clock.now_ms(),
            token_source=self._token_source,
            scrub=self._scrub,
        )

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        budget = Budget(self._wait_budget_s)
        query: dict[str, str | int] = {"groupBy": "workflowRunId", "label": label, "count": _PAGE_RUNS, "trimBody": -1}
        if since_ms is not None:
            query["fromDate"] = max(since_ms, 0)
        if cursor:
            query["cursor"] = cursor
        cursors = Cursors("listing runs", budget, self._clock)
        while True:
            if self._facts.facts.server_id is not None:
                query["pageSize"] = _PAGE_RUNS_EMBEDDED
            page, server_time_ms = await self._log_page(query, budget)
            yield RunPage(page.runs, server_time_ms, not page.cursor, page.cursor)
            ids = [run.workflow_run_id for run in page.runs]
            if not cursors.go_on(page.cursor, ids, sum(map(_size, page.runs))):
                return
            query["cursor"] = page.cursor

    async def list_dead_letters(self, *, label: str, since_ms: int | None) -> AsyncIterator[Sequence[DeadLetter]]:
        budget = Budget(self._wait_budget_s)
        query: dict[str, str | int] = {"label": label, "count": _PAGE_LETTERS}
        if since_ms is not None:
            query["fromDate"] = max(since_ms, 0)
        what = "listing dead letters"
        cursors = Cursors(what, budget, self._clock)

        def read(answer: Answer) -> tuple[tuple[DeadLetter, ...], str]:
            if answer.status != 200:
                raise self._reader.refusal(what, answer)
            return read_letter_page(answer.body)

        while True:
            url = f"/v2/workflows/dlq?{urlencode(query)}"
            letters, cursor = await self._reader.ask(what, "GET", url, read=read, budget=budget)
            yield letters
            ids = [letter.dlq_id for letter in letters]
            if not cursors.go_on(cursor, ids, sum(map(_size, letters))):
                return
            query["cursor"] = cursor

    async def _log_page(self, query: dict[str, str | int], budget: Budget) -> tuple[LogPage, int | None]:
        what = "listing runs"

        def read(answer: Answer) -> tuple[LogPage, int | None]:
            if answer.status != 200:
                raise self._reader.refusal(what, answer)
            return read_log_page(answer.body), http_date_ms(answer.headers.get("date"))

        url = f"/v2/workflows/logs?{urlencode(query, quote_via=_quoted)}"
        return await self._reader.ask(what, "GET", url, read=read, budget=budget)

    async def read_run(self, workflow_run_id: str, created_at_ms: int | None = None) -> RunLog | None:
        budget = Budget(self._wait_budget_s)
        for known_as in (workflow_run_id, f"wfr_{workflow_run_id}"):  # servers may put a prefix before it
            params = {"groupBy": "workflowRunId", "workflowRunId": known_as, "count": _PAGE_RUNS, "trimBody": _BODY}
            query = urlencode(params)

            def read(answer: Answer) -> RunLog | None:
                if answer.status != 200:
                    raise self._reader.refusal("reading a run", answer)
                return read_run(answer.body, workflow_run_id, created_at_ms, scrub=self._scrub)

            found = await self._reader.ask(
                "reading a run", "GET", f"/v2/workflows/logs?{query}", read=read, budget=budget
            )
            if found is not None:
                return found
        return None

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        what = "reading a run's payload"
        query = urlencode({"groupBy": "workflowRunId", "workflowRunId": workflow_run_id, "count": _PAGE_RUNS})

        def read(answer: Answer) -> str | None:
            if answer.status != 200:
                raise self._reader.refusal(what, answer)
            return read_payload_digest(answer.body, workflow_run_id, created_at_ms)

        budget = Budget(self._wait_budget_s)
        return await self._reader.ask(what, "GET", f"/v2/workflows/logs?{query}", read=read, budget=budget)

    async def resume(self, dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
        if not re.search(r"[A-Za-z0-9]", dlq_id):
            raise ValueError(
                "an empty id can't be resumed"
            )  # it would be the bulk call, which resumes every dead letter
        answer = await self._post_once(
            f"/v2/workflows/dlq/resume/{quote(dlq_id, safe='')}",
            max_bytes=_ANSWER_BYTES,
            headers={LABEL: ",".join(dict.fromkeys(labels))},
        )
        if not isinstance(answer, Answer):
            return answer
        return read_resume_reply(
            answer, now_ms=self._clock.now_ms(), token_source=self._token_source, scrub=self._scrub
        )

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        return await cancel_runs(
            self._reader,
            workflow_run_ids,
            label=label,
            clock=self._clock,
            listener=self._listener,
            wait_budget_s=self._wait_budget_s,
        )

    async def _post_once(
        self, target: str, *, content: bytes = b"", max_bytes: int, headers: Mapping[str, str] | None = None
    ) -> Answer | Lost | NotSent:
        try:
            answer = await self._transfer.exchange(
                "POST", target, content=content, max_bytes=max_bytes, headers=headers
            )
        except TransferError as fault:
            reason = self._scrub(fault.reason)
            return Lost(reason) if fault.left else NotSent(reason)
        self._facts.learn(answer.headers)
        return answer

    async def may_trigger(self) -> bool | None:
        # A batch without runs. The service looks at the token first, and at the batch then.
        answer = await self._post_once("/v2/batch/trigger", content=batch_bytes(()), max_bytes=_ANSWER_BYTES)
        if not isinstance(answer, Answer):
            return None
        if answer.status in (401, 404):
            raise self._reader.refusal("asking what the token may do", answer)
        return {200: True, 201: True, 400: True, 403: False}.get(answer.status)

    async def aclose(self) -> None:
        await self._transfer.aclose()


_quoted = lru_cache(maxsize=64)(quote_plus)
"""Cached, since only the cursor changes from page to page."""


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "User-Agent": f"wfdeploy/{__version__}",
        "Accept": "application/json",
        "Cache-Control": "no-cache",  # an older answer of the logs proves nothing
        "Accept-Encoding": "identity",  # answers are small, and safe decompression has a cost
    }


def _timeouts(settings: ServerSettings) -> Timeouts:
    return Timeouts(
        connect=settings.connect_timeout_s,
        read=settings.read_timeout_s,
        write=settings.write_timeout_s,
        pool=settings.pool_timeout_s,
    )


def _deadline_s(settings: ServerSettings) -> float:
    """The sum of all phases' timeouts; connecting counts twice, for TCP and for TLS."""
    return settings.pool_timeout_s + 2 * settings.connect_timeout_s + settings.write_timeout_s + settings.read_timeout_s


def _size(entry: ObservedRun | DeadLetter) -> int:
    """The approximate memory of a listing's entry."""
    of_url = len(entry.url) if isinstance(entry, ObservedRun) else 0
    return _ENTRY_BYTES + len(entry.workflow_run_id) + len(entry.dlq_id or "") + of_url + sum(map(len, entry.labels))


def _ignore(event: Event, /) -> None:
    """The listener without one."""
