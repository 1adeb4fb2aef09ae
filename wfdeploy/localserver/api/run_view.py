"""The JSON of a run in the logs: its state, and its steps in groups (recorded, being delivered, or failed last).

Sources: Upstash Workflow REST reference, "List Workflow Run Logs", schemas `WorkflowRun`, `GroupedSteps`, `StepInfo`;
"Trigger Workflow Run", `Upstash-Redact-Fields`: logs and dead letters show a hash instead of a redacted value, while
deliveries carry the original.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wfdeploy.localserver import compact
from wfdeploy.localserver.runs.waiting import DEFAULT_TIMEOUT
from wfdeploy.localserver.store.records import (
    DEFAULT_RETRIES,
    RECORDED,
    DeliverySettings,
    Message,
    MessageKind,
    RunRecord,
    RunState,
)
from wfdeploy.localserver.store.run_store import RunStore

_INVOKER = ("workflowRunId", "workflowUrl", "workflowRunCreatedAt")


def render(run: RunRecord, store: RunStore, *, trim: int | None, now_ms: int) -> dict[str, Any]:
    """The run as JSON values. `trim`: cut bodies to so many bytes, -1 leaves them out, None keeps them whole."""
    bodies = BodyFilter(Redaction.of(run.settings.redact), trim)
    view: dict[str, Any] = {
        "workflowRunId": run.run_id,
        "workflowUrl": run.url,
        "workflowState": run.state.value,
        "workflowRunCreatedAt": run.created_at,
        "workflowRunCallerIp": run.caller_ip,
        "steps": _groups(run, store, bodies, now_ms),
    }
    if run.completed_at is not None:
        view["workflowRunCompletedAt"] = run.completed_at
    view |= bodies.body("workflowRunResponse", run.response)
    view |= labels(run)
    if run.flow_key is not None:
        view["flowControlKey"] = run.flow_key
    if run.invoker is not None:
        view["invoker"] = {name: run.invoker[name] for name in _INVOKER}
    if run.failure is not None:
        view["dlqId"] = run.failure["dlqId"]
        if "url" in run.failure:
            view["failureFunction"] = _failure_function(run.failure, store.failure_callback(run.seq), bodies)
    return view


def labels(run: RunRecord) -> dict[str, Any]:
    """The fields of a run's labels, if it has any; `label` with the first one is deprecated upstream."""
    return {"label": run.labels[0], "labels": list(run.labels)} if run.labels else {}


def _failure_function(failure: dict[str, Any], message: Message | None, bodies: BodyFilter) -> dict[str, Any]:
    names = ("url", "state", "dlqId", "failStatus", "failHeaders", "failResponse", "maxRetries")
    view = {name: failure[name] for name in names if name in failure}
    view |= {name: failure[name] for name in failure if name.startswith("response")}
    view["messageId"] = failure["messageId"] if message is None else message.message_id
    if message is not None and message.errors:
        view["errors"] = attempts(message, bodies)
        if message.state == "pending":
            view["nextDeliveryTime"] = message.due_at
    return view


def _groups(run: RunRecord, store: RunStore, bodies: BodyFilter, now_ms: int) -> list[dict[str, Any]]:
    messages = store.shown_of_run(run.seq)
    init: dict[str, Any] = {
        "stepName": "init",
        "stepType": "Initial",
        "callType": "step",
        "concurrent": 1,
        "state": "STEP_SUCCESS",
        "createdAt": run.created_at,
        **delivered_as(run.settings, bodies),
    }
    if messages:
        init["messageId"] = messages[0].message_id
    init |= bodies.body("out", run.payload.decode(errors="replace"))
    groups: list[dict[str, Any]] = [{"type": "sequential", "steps": [init]}]
    by_key = {message.step_key: message for message in messages if message.step_key is not None}
    for message in messages:
        if message.kind in (MessageKind.STEP, MessageKind.WAIT, MessageKind.INVOKE, MessageKind.CALL):
            step = recorded(run, message, by_key, store=store, bodies=bodies, now_ms=now_ms)
            if step is not None:
                _place(groups, step)
    following = [under_way(run, each, bodies) for each in messages if is_under_way(each)]
    if following:
        groups.append({"type": "next", "steps": following})
    return groups


def _place(groups: list[dict[str, Any]], step: dict[str, Any]) -> None:
    """Append a step. Parallel siblings share a group: they follow each other and have the same `concurrent`."""
    concurrent = step.get("concurrent", 1)
    if not isinstance(concurrent, int) or concurrent <= 1:
        groups.append({"type": "sequential", "steps": [step]})
        return
    last = groups[-1]
    if last["type"] == "parallel" and len(last["steps"]) < concurrent == last["steps"][0].get("concurrent"):
        last["steps"].append(step)
    else:
        groups.append({"type": "parallel", "steps": [step]})


_SHOWN: dict[str, tuple[type, ...]] = {
    "stepId": (int,),
    "stepName": (str,),
    "stepType": (str,),
    "concurrent": (int,),
    "sleepFor": (int, float, str),
    "sleepUntil": (int, float, str),
    "callUrl": (str,),
    "callMethod": (str,),
    "callHeaders": (dict,),
    "waitEventId": (str,),
    "waitTimeout": (bool,),
}


@dataclass(frozen=True, slots=True)
class BodyFilter:
    """How much of each body is shown: all, so many bytes, none (-1), or a hash."""

    redaction: Redaction
    trim: int | None

    def body(self, name: str, text: str | None) -> dict[str, str]:
        """The field with the text, redacted or trimmed; nothing if there is nothing to show."""
        if text is None or self.trim == -1:
            return {}
        return {name: self.redaction.text(text)} if self.redaction.body else self.trimmed(name, text)

    def trimmed(self, name: str, text: str | None) -> dict[str, str]:
        """The field with a trimmed text that is never redacted, such as an endpoint's answer."""
        if text is None or self.trim == -1:
            return {}
        if self.trim is None or self.trim < 0:
            return {name: text}
        return {name: text.encode()[: self.trim].decode(errors="ignore")}


def is_under_way(message: Message) -> bool:
    """Whether a message is being delivered or has failed for good. A call never fails: the workflow gets its result."""
    if message.kind is MessageKind.CALL:
        return message.state == "pending"
    return message.kind in RECORDED and message.state in ("pending", "failed")


def delivered_as(settings: DeliverySettings, bodies: BodyFilter) -> dict[str, Any]:
    """The delivery settings in the view of a step."""
    view: dict[str, Any] = {
        "retries": DEFAULT_RETRIES if settings.retries is None else settings.retries,
        "headers": bodies.redaction.header_lists(settings.headers),
    }
    return view if settings.retry_delay is None else view | {"retryDelay": settings.retry_delay}


def recorded(
    run: RunRecord,
    message: Message,
    by_key: Mapping[str, Message],
    *,
    store: RunStore,
    bodies: BodyFilter,
    now_ms: int,
    alone: bool = False,
) -> dict[str, Any] | None:
    """The view of a recorded step; None for a plan, and for a message that is part of its result's view.

    `alone`: show the message even if its result is recorded.
    """
    record = _step_of(message)
    if record is None or record.get("targetStep"):
        return None
    number = record.get("stepId")
    is_result = message.kind is MessageKind.STEP
    if not is_result and not alone and (f"result:{number}" in by_key or message.state == "dropped"):
        return None
    step = {name: value for name, kinds in _SHOWN.items() if _is_one_of(value := record.get(name), kinds)}
    for name in ("out", "callBody"):
        if isinstance(value := record.get(name), str):
            step |= bodies.body(name, value)
    asleep = message.state == "pending" and message.due_at > now_ms and message.retried == 0
    step |= {
        "callType": "step" if message.kind is not MessageKind.CALL else "toCallback",
        "messageId": message.message_id,
        "state": "STEP_PROGRESS" if asleep or not is_result else "STEP_SUCCESS",
        "createdAt": message.created_at,
        **delivered_as(message.settings.over(run.settings), bodies),
    }
    if (wait := by_key.get(f"wait:{number}")) is not None:
        step |= {"waitEventId": wait.event_id, "waitTimeoutDeadline": wait.due_at}
        step["waitTimeoutDuration"] = str(json.loads(wait.body).get("timeout") or DEFAULT_TIMEOUT)
    if (invoke := by_key.get(f"invoke:{number}")) is not None:
        step |= _invoked(store.run(json.loads(invoke.body)["invokedSeq"]), bodies)
    if (call := by_key.get(f"call:{number}")) is not None:
        step |= _called(call, record.get("out"), bodies)
    return step


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value has one of these types. An endpoint may write anything into a step."""
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _step_of(message: Message) -> dict[str, Any] | None:
    """The step in a message, as the endpoint wrote it."""
    if message.kind is MessageKind.CALL:
        headers = {name.lower(): value for name, value in message.settings.callback_headers.items()}
        number, name = headers.get("upstash-workflow-stepid", ""), headers.get("upstash-workflow-stepname", "")
        concurrent = headers.get("upstash-workflow-concurrent", "")
        if not number.isdecimal():
            return None
        return {
            "stepId": int(number),
            "stepName": name,
            "stepType": "Call",
            "concurrent": int(concurrent) if concurrent.isdecimal() else 1,
        }
    try:
        step = json.loads(message.body)
    except ValueError:
        return None
    if isinstance(step, dict) and message.kind in (MessageKind.WAIT, MessageKind.INVOKE):
        step = step.get("step")
    return step if isinstance(step, dict) else None


def _invoked(run: RunRecord, bodies: BodyFilter) -> dict[str, Any]:
    return {
        "invokedWorkflowRunId": run.run_id,
        "invokedWorkflowUrl": run.url,
        "invokedWorkflowCreatedAt": run.created_at,
        "invokedWorkflowRunHeaders": bodies.redaction.header_lists(run.settings.headers),
        **bodies.body("invokedWorkflowRunBody", run.payload.decode(errors="replace")),
    }


def _called(call: Message, out: object, bodies: BodyFilter) -> dict[str, Any]:
    """A call's request, and its answer if the step's result has one."""
    shown: dict[str, Any] = {
        "callUrl": call.url,
        "callMethod": (call.settings.method or "POST").upper(),
        "callHeaders": bodies.redaction.header_lists(call.settings.headers),
        **bodies.body("callBody", call.body.decode(errors="replace")),
    }
    try:
        answer = json.loads(out) if isinstance(out, str) else None
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        if _is_one_of(status := answer.get("status"), (int,)):
            shown["callResponseStatus"] = status
        if isinstance(headers := answer.get("header"), dict):
            shown["callResponseHeaders"] = headers
        body = answer.get("body")
        shown |= bodies.body("callResponseBody", body if isinstance(body, str) else compact.dumps(body))
    return shown


def under_way(run: RunRecord, message: Message, bodies: BodyFilter) -> dict[str, Any]:
    """The view of a message that is being delivered, or that failed the run."""
    if message.state == "failed":
        state = "STEP_FAILED"
    elif run.state is RunState.CANCELED:
        state = "STEP_CANCELED"
    else:
        state = "STEP_RETRY" if message.retried else "STEP_PROGRESS"
    settings = delivered_as(message.settings.over(run.settings), bodies)
    del settings["headers"]  # the types of the SDK only have them on recorded steps
    step: dict[str, Any] = {"messageId": message.message_id, "state": state, **settings}
    if name := _name_of_failure(message):
        step["stepName"] = name
    if message.errors:
        step["errors"] = attempts(message, bodies)
    if state == "STEP_RETRY":
        step["nextDeliveryTime"] = message.due_at
    return step


def attempts(message: Message, bodies: BodyFilter) -> list[dict[str, Any]]:
    """The failed attempts of a message."""
    return [
        {name: value for name, value in error.items() if name not in ("body", "due")}
        | bodies.trimmed("body", error.get("body"))
        for error in message.errors
    ]


def _name_of_failure(message: Message) -> str | None:
    """The name of the step that failed last, if the endpoint sends it (the JavaScript SDK does), or of a call."""
    if message.kind is MessageKind.CALL:
        return (_step_of(message) or {}).get("stepName")
    headers = message.errors[-1]["headers"] if message.errors else {}
    named: list[str] = headers.get("Upstash-Error-Step-Name", [])
    return named[0] if named else None


@dataclass(frozen=True, slots=True)
class Redaction:
    """The parts of a run that are shown as hashes."""

    body: bool = False
    all_headers: bool = False
    headers: frozenset[str] = frozenset()
    """Names in lower case."""

    @classmethod
    def of(cls, fields: str | None) -> Redaction:
        """Parse `body`, `header`, `header[Name]`, also in the plural, separated by commas; ignore other words."""
        if not fields:
            return NONE
        parts = [part.strip() for part in fields.split(",")]
        named = [match[1].strip().lower() for part in parts if (match := re.fullmatch(r"headers?\[(.+)\]", part))]
        return cls(body="body" in parts, all_headers="header" in parts or "headers" in parts, headers=frozenset(named))

    def text(self, value: str) -> str:
        return redacted(value) if self.body else value

    def header(self, name: str, value: str) -> str:
        return redacted(value) if self.all_headers or name.lower() in self.headers else value

    def header_lists(self, headers: Mapping[str, str]) -> dict[str, list[str]]:
        """Headers as the API shows them: each name with a list."""
        return {name: [self.header(name, value)] for name, value in headers.items()}


NONE = Redaction()


def redacted(value: str) -> str:
    return f"REDACTED:{hashlib.sha256(value.encode()).hexdigest()}"
