"""A workflow endpoint that does what its payload says, speaking the step protocol by hand as the SDKs do.

A payload is a list of stages; a stage is a step, or a list of steps that run in parallel. A step is a word and what it
needs: `"run"`, `"sleep 1h"`, `"until 2h"` (from now, by this machine's clock), `"call URL"`, `"wait EVENT"`,
`"notify EVENT"`, `["invoke", URL, payload]`, `"fragile"` (crashes until `is_healed`), `"crash"`, `"idle"` (answers and
does nothing).

Like them it looks at the last entry of what it gets, submits from inside the delivery, and does a step again whenever
it is asked again.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from wfdeploy.localserver.runs import durations

VERSION = {"Upstash-Workflow-Sdk-Version": "1"}

TYPES = {
    "run": "Run",
    "fragile": "Run",
    "crash": "Run",
    "sleep": "SleepFor",
    "until": "SleepUntil",
    "call": "Call",
    "wait": "Wait",
    "notify": "Notify",
    "invoke": "Invoke",
}

Answer = tuple[int, dict[str, str], bytes]
Step = str | list[Any]


class StepEndpoint:
    """`server_url` is asked anew for each submission: the server may have been started again elsewhere."""

    def __init__(self, server_url: Callable[[], str], token: str) -> None:
        self._server_url = server_url
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=10)
        self._lock = threading.Lock()
        self.is_healed = False
        self.done: Counter[tuple[str, int]] = Counter()
        """How often each step, by run and number, was carried out."""
        self.failures_told: list[str] = []

    def close(self) -> None:
        self._http.close()

    def wsgi(self, environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
        """The same as a WSGI application."""
        headers = {
            name[5:].lower().replace("_", "-"): text for name, text in environ.items() if name.startswith("HTTP_")
        }
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        status, told, content = self.answer(f"http://{headers['host']}{environ['PATH_INFO']}", headers, body)
        start(f"{status} Said", [*told.items(), ("Content-Length", str(len(content)))])
        return [content]

    def answer(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """One delivery; header names in lower case."""
        run_id = headers["upstash-workflow-runid"]
        if "upstash-workflow-is-failure" in headers:
            with self._lock:
                self.failures_told.append(run_id)
            return 200, {}, b'{"result":"noted"}'
        try:
            if "upstash-workflow-callback" in headers:
                self._take_call_result(url, run_id, headers, body)
            else:
                if "upstash-workflow-unknown-sdk" in headers:
                    return self._introduce(url, run_id, body)
                return self._go_on(url, run_id, body)
        except httpx.HTTPError as error:  # the server is gone
            return 500, VERSION, json.dumps({"message": repr(error)}).encode()
        return 200, VERSION, b"{}"

    def _introduce(self, url: str, run_id: str, body: bytes) -> Answer:
        """Trigger the run itself, as current SDKs do for a server that does not know them."""
        headers = {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "true"}
        headers |= {"upstash-workflow-trigger-by-sdk": "true", "Upstash-Feature-Set": "InitialBody,WF_DetectTrigger"}
        payload = base64.b64decode(json.loads(body)[0]["body"]).decode()
        self._post("/v2/batch", [{"destination": url, "headers": headers, "body": payload}])
        return 200, VERSION, b"{}"

    def _go_on(self, url: str, run_id: str, body: bytes) -> Answer:
        first, *entries = json.loads(body)
        stages = json.loads(base64.b64decode(first["body"]))
        steps = [json.loads(base64.b64decode(entry["body"])) for entry in entries if entry["callType"] == "step"]
        finished = {step["stepId"] for step in steps if step["stepId"]}
        planned = {step["targetStep"] for step in steps if not step["stepId"]}
        target = steps[-1]["targetStep"] if steps and not steps[-1]["stepId"] else None
        number = 1
        for stage in stages:
            parallel = stage if isinstance(stage, list) and stage[0] != "invoke" else [stage]
            numbers = range(number, number + len(parallel))
            number += len(parallel)
            if target is not None and target in numbers:
                return self._do(parallel[target - numbers[0]], target, len(parallel), url, run_id)
            if finished >= set(numbers):
                continue
            if len(parallel) == 1:
                return self._do(parallel[0], numbers[0], 1, url, run_id)
            if not planned & set(numbers):
                plans = [
                    {
                        "stepId": 0,
                        "targetStep": each,
                        "stepName": f"s{each}",
                        "stepType": "Run",
                        "concurrent": len(parallel),
                    }
                    for each in numbers
                ]
                self._post("/v2/batch", [self._item(url, run_id, plan) for plan in plans])
            return 200, VERSION, b"{}"  # the sibling that comes last goes on
        self._send("DELETE", f"/v2/workflows/runs/{run_id}?cancel=false", content=b'"finished"')
        return 200, VERSION, b"{}"

    def _do(self, wanted: Step, number: int, concurrent: int, url: str, run_id: str) -> Answer:
        kind, *more = wanted.split(" ", 1) if isinstance(wanted, str) else wanted
        if kind == "crash" or (kind == "fragile" and not self.is_healed):
            return 500, VERSION, b'{"message":"crashed"}'
        if kind == "idle":
            return 200, VERSION, b"{}"
        with self._lock:
            self.done[run_id, number] += 1
        step: dict[str, Any] = {
            "stepId": number,
            "stepName": f"{kind}-{number}",
            "stepType": TYPES[kind],
            "concurrent": concurrent,
        }
        own = {"Upstash-Workflow-RunId": run_id}
        if kind == "wait":
            self._post(f"/v2/wait/{more[0]}", {"step": step, "timeout": "7d", "url": url}, own)
        elif kind == "invoke":
            asked = {"workflowRunId": run_id, "workflowUrl": url, "step": step, "body": json.dumps(more[1])}
            child = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-Invoke": "true"}
            child |= {"Upstash-Workflow-RunId": f"wfr_{secrets.token_hex(8)}"}
            self._post(f"/v2/publish/{more[0]}", asked, child)
        elif kind == "call":
            names = {"StepId": number, "StepName": step["stepName"], "StepType": "Call", "Concurrent": concurrent}
            told = {f"Upstash-Callback-Forward-Upstash-Workflow-{name}": str(value) for name, value in names.items()}
            told |= {"Upstash-Callback-Forward-Upstash-Workflow-Callback": "true", "Upstash-Callback": url}
            told |= {"Upstash-Workflow-CallType": "toCallback", "Upstash-Workflow-Init": "false"}
            self._post("/v2/batch", [{"destination": more[0], "headers": {**own, **told}, "body": "asked"}])
        else:
            headers = {}
            if kind == "sleep":
                headers["Upstash-Delay"] = more[0]
            elif kind == "until":
                headers["Upstash-Not-Before"] = str(time.time() + durations.parse_ms(more[0]) / 1000)
            elif kind == "notify":
                self._post(f"/v2/notify/{more[0]}", {"by": run_id})
            self._post("/v2/batch", [self._item(url, run_id, {**step, "out": '{"ok":true}'}, headers)])
        return 200, VERSION, b"{}"

    def _take_call_result(self, url: str, run_id: str, headers: dict[str, str], body: bytes) -> None:
        told = {name: headers[f"upstash-workflow-{name.lower()}"] for name in ("StepId", "StepName", "Concurrent")}
        result = json.loads(body)
        step = {
            "stepId": int(told["StepId"]),
            "stepName": told["StepName"],
            "stepType": "Call",
            "concurrent": int(told["Concurrent"]),
            "out": json.dumps({"status": result["status"], "body": base64.b64decode(result["body"]).decode()}),
        }
        self._post("/v2/batch", [self._item(url, run_id, step)])

    def _item(self, url: str, run_id: str, step: dict[str, Any], more: dict[str, str] | None = None) -> dict[str, Any]:
        headers = {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false", **(more or {})}
        return {"destination": url, "headers": headers, "body": json.dumps(step)}

    def _post(self, path: str, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send("POST", path, content=json.dumps(value).encode(), headers=headers)

    def _send(self, method: str, path: str, *, content: bytes, headers: dict[str, str] | None = None) -> None:
        answer = self._http.request(method, self._server_url() + path, content=content, headers=headers)
        if answer.status_code != 400:  # which says that the run has ended
            answer.raise_for_status()
