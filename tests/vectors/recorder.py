"""A server of a few lines behind the real client: it notes each request, and answers from what the ids say.

How a run does is read off a digest of its id, so that it is the same however the requests come.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from typing import Any

import httpx

from tests.fakes.manual_clock import ManualClock

_RUN_ID, _LABELS = "upstash-workflow-runid", "upstash-label"
_TAKES_MS = 60_000
_SHOWN = ("content-type", "upstash-label")
"""Of a request's own headers: the others are the connection's, or hold the token and the version."""


@dataclass(slots=True)
class _Run:
    run_id: str
    labels: tuple[str, ...]
    created_ms: int
    cancelled_ms: int | None = None


def luck(text: str) -> int:
    """A number below 256 for a text."""
    return sha256(text.encode()).digest()[0]


@dataclass
class Recorder(httpx.AsyncBaseTransport):
    """`sent`: method, path with query, headers and body (JSON where it is) of each request. `refuses`: below which
    luck a run is refused; `fails`: below which luck it ends badly. Listings have `page` runs a page."""

    clock: ManualClock
    refuses: int = 0
    fails: int = 0
    page: int = 5
    sent: list[Any] = field(default_factory=list)
    runs: dict[str, _Run] = field(default_factory=dict)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        headers = {name: value for name, value in request.headers.items() if name in _SHOWN}
        body = json.loads(content) if content else None
        self.sent.append([request.method, request.url.raw_path.decode(), headers, body])
        status, answer = self._answer(request, body)
        date = formatdate(self.clock.true_ms // 1000, usegmt=True)
        return httpx.Response(status, headers={"Date": date}, json=answer)

    def _answer(self, request: httpx.Request, body: Any) -> tuple[int, Any]:
        path, query = request.url.path, request.url.params
        if path == "/v2/batch/trigger":
            return 201, [self._trigger(item) for item in body]
        if path == "/v2/workflows/logs":
            return 200, self._listing(query)
        if path == "/v2/workflows/dlq":
            return 200, self._letters(query)
        if path.startswith("/v2/workflows/dlq/resume/"):
            return 200, self._resume(path.rpartition("/")[2], request.headers[_LABELS])
        if request.method == "DELETE" and path == "/v2/workflows/runs":
            return 200, {"cancelled": self._cancel(query.get_list("workflowRunIds"))}
        raise AssertionError(f"nobody asks for {request.method} {path}")

    def _trigger(self, item: Any) -> Any:
        headers = {name.lower(): value for name, value in item["headers"].items()}
        run_id = headers[_RUN_ID]
        if luck(f"refuses {run_id}") < self.refuses:
            return {"error": "this one is refused", "status": 400}
        known = self.runs.get(run_id)
        if known is not None and self._state(known) == "RUN_STARTED":
            return {"workflowRunId": run_id, "workflowCreatedAt": known.created_ms, "deduplicated": True}
        self.runs[run_id] = run = _Run(run_id, tuple(headers[_LABELS].split(",")), self.clock.true_ms)
        return {"workflowRunId": run_id, "workflowCreatedAt": run.created_ms}

    def _state(self, run: _Run) -> str:
        if run.cancelled_ms is not None:
            return "RUN_CANCELED"
        lasts_ms = _TAKES_MS * (1 + luck(f"lasts {run.run_id}"))  # a minute to four hours
        if self.clock.true_ms < run.created_ms + lasts_ms:
            return "RUN_STARTED"
        return "RUN_FAILED" if luck(f"fails {run.run_id}") < self.fails else "RUN_SUCCESS"

    def _shown(self, query: httpx.QueryParams) -> list[_Run]:
        since_ms = int(query.get("fromDate", "0"))
        shown = [run for run in self.runs.values() if query["label"] in run.labels and run.created_ms >= since_ms]
        return sorted(shown, key=lambda run: (-run.created_ms, run.run_id))

    def _listing(self, query: httpx.QueryParams) -> Any:
        start = int(query.get("cursor", "0"))
        shown = self._shown(query)
        runs = [
            {
                "workflowRunId": run.run_id,
                "workflowState": self._state(run),
                "workflowRunCreatedAt": run.created_ms,
                "labels": list(run.labels),
                **({"dlqId": f"letter-{run.run_id}"} if self._state(run) == "RUN_FAILED" else {}),
            }
            for run in shown[start : start + self.page]
        ]
        more = start + self.page < len(shown)
        return {"runs": runs, **({"cursor": str(start + self.page)} if more else {})}

    def _letters(self, query: httpx.QueryParams) -> Any:
        failed = [run for run in self._shown(query) if self._state(run) == "RUN_FAILED"]
        return {
            "messages": [
                {
                    "dlqId": f"letter-{run.run_id}",
                    "workflowRunId": run.run_id,
                    "workflowCreatedAt": run.created_ms,
                    "labels": list(run.labels),
                }
                for run in failed
            ]
        }

    def _resume(self, letter: str, labels: str) -> Any:
        run_id = f"wfr_again{len(self.runs)}"
        self.runs.pop(letter.removeprefix("letter-"), None)
        self.runs[run_id] = _Run(run_id, tuple(labels.split(",")), self.clock.true_ms)
        return {"workflowRunId": run_id, "workflowCreatedAt": self.clock.true_ms}

    def _cancel(self, run_ids: list[str]) -> int:
        going = [self.runs[name] for name in run_ids if name in self.runs]
        going = [run for run in going if self._state(run) == "RUN_STARTED"]
        for run in going:
            run.cancelled_ms = self.clock.true_ms
        return len(going)
