"""A run as the logs show it: its state, and its steps in groups.

Source: Upstash Workflow REST reference, "List Workflow Run Logs", schemas `WorkflowRun`, `GroupedSteps`, `StepInfo`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wfdeploy.localserver import compact
from wfdeploy.localserver.backoff import DEFAULT_RETRIES
from wfdeploy.localserver.ledger import Ledger
from wfdeploy.localserver.records import RECORDED, Kind, Message, Run, RunState
from wfdeploy.localserver.redaction import Redaction
from wfdeploy.localserver.waiting import DEFAULT_TIMEOUT

_SHOWN = (
    "stepId",
    "stepName",
    "stepType",
    "out",
    "concurrent",
    "sleepFor",
    "sleepUntil",
    "callUrl",
    "callMethod",
    "callBody",
    "callHeaders",
    "waitEventId",
    "waitTimeout",
)
_INVOKER = ("workflowRunId", "workflowUrl", "workflowRunCreatedAt")


@dataclass(frozen=True, slots=True)
class Veil:
    """What is shown of bodies: all, so many bytes, none (-1), or a hash."""

    redaction: Redaction
    trim: int | None

    def body(self, name: str, text: str | None) -> dict[str, str]:
        """The field, unless there is nothing to show."""
        if text is None or self.trim == -1:
            return {}
        return {name: self.redaction.text(text)} if self.redaction.body else self.trimmed(name, text)

    def trimmed(self, name: str, text: str | None) -> dict[str, str]:
        """The same for what is never redacted: an endpoint's own answers."""
        if text is None or self.trim == -1:
            return {}
        if self.trim is None or self.trim < 0:
            return {name: text}
        return {name: text.encode()[: self.trim].decode(errors="ignore")}


def render(run: Run, ledger: Ledger, *, trim: int | None, now_ms: int) -> dict[str, Any]:
    """`trim` cuts bodies to so many bytes, -1 leaves them out; None keeps them whole."""
    veil = Veil(Redaction.of(run.settings.redact), trim)
    view: dict[str, Any] = {
        "workflowRunId": run.run_id,
        "workflowUrl": run.url,
        "workflowState": run.state.value,
        "workflowRunCreatedAt": run.created_at,
        "workflowRunCallerIp": run.caller_ip,
        "steps": _groups(run, ledger, veil, now_ms),
    }
    if run.completed_at is not None:
        view["workflowRunCompletedAt"] = run.completed_at
    view |= veil.body("workflowRunResponse", run.response)
    if run.labels:
        view["label"] = run.labels[0]
        view["labels"] = list(run.labels)
    if run.flow_key is not None:
        view["flowControlKey"] = run.flow_key
    if run.invoker is not None:
        view["invoker"] = {name: run.invoker[name] for name in _INVOKER}
    if run.failure is not None:
        view["dlqId"] = run.failure["dlqId"]
        if "url" in run.failure:
            view["failureFunction"] = _failure_function(run.failure)
    return view


def _failure_function(failure: dict[str, Any]) -> dict[str, Any]:
    names = ("url", "state", "dlqId", "failStatus", "failHeaders", "failResponse", "maxRetries")
    told = {name: failure[name] for name in names if name in failure}
    told |= {name: failure[name] for name in failure if name.startswith("response")}
    told["messageId"] = failure.get("callbackMessageId", failure["messageId"])
    return told


def _groups(run: Run, ledger: Ledger, veil: Veil, now_ms: int) -> list[dict[str, Any]]:
    messages = ledger.shown_of_run(run.seq)
    init: dict[str, Any] = {
        "stepName": "init",
        "stepType": "Initial",
        "callType": "step",
        "concurrent": 1,
        "state": "STEP_SUCCESS",
        "createdAt": run.created_at,
    }
    if messages:
        init["messageId"] = messages[0].message_id
    init |= veil.body("out", run.payload.decode(errors="replace"))
    groups: list[dict[str, Any]] = [{"type": "sequential", "steps": [init]}]
    by_key = {message.step_key: message for message in messages if message.step_key is not None}
    for message in messages:
        if message.kind in (Kind.STEP, Kind.WAIT, Kind.INVOKE, Kind.CALL):
            step = _step(message, by_key, ledger, veil, now_ms)
            if step is not None:
                _place(groups, step)
    following = [_next(run, message, veil) for message in messages if _is_next(message)]
    if following:
        groups.append({"type": "next", "steps": following})
    return groups


def _is_next(message: Message) -> bool:
    """What is being delivered, or failed for good. A call that fails does not: its result goes to the workflow."""
    if message.kind is Kind.CALL:
        return message.state == "pending"
    return message.kind in RECORDED and message.state in ("pending", "failed")


def _step(
    message: Message, by_key: Mapping[str, Message], ledger: Ledger, veil: Veil, now_ms: int
) -> dict[str, Any] | None:
    """A step as far as it is; None for a plan, which its result follows, and for what is shown with its result."""
    told = _told(message)
    if told is None or told.get("targetStep"):
        return None
    number = told.get("stepId")
    is_result = message.kind is Kind.STEP
    if not is_result and (f"result:{number}" in by_key or message.state == "dropped"):
        return None
    step = {name: told[name] for name in _SHOWN if told.get(name) is not None and name not in ("out", "callBody")}
    for name in ("out", "callBody"):
        value = told.get(name)
        step |= veil.body(name, value) if isinstance(value, str) else {name: value} if value is not None else {}
    asleep = message.state == "pending" and message.due_at > now_ms and message.retried == 0
    step |= {
        "callType": "step" if message.kind is not Kind.CALL else "toCallback",
        "messageId": message.message_id,
        "state": "STEP_PROGRESS" if asleep or not is_result else "STEP_SUCCESS",
        "createdAt": message.created_at,
    }
    if (wait := by_key.get(f"wait:{number}")) is not None:
        step |= {"waitEventId": wait.event_id, "waitTimeoutDeadline": wait.due_at}
        step["waitTimeoutDuration"] = json.loads(wait.body).get("timeout") or DEFAULT_TIMEOUT
    if (invoke := by_key.get(f"invoke:{number}")) is not None:
        step |= _invoked(ledger.run(json.loads(invoke.body)["invokedSeq"]), veil)
    if (call := by_key.get(f"call:{number}")) is not None:
        step |= _called(call, told.get("out"), veil)
    return step


def _told(message: Message) -> dict[str, Any] | None:
    """The step that a message is about, as JSON that the endpoint wrote."""
    if message.kind is Kind.CALL:
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
        told = json.loads(message.body)
    except ValueError:
        return None
    if isinstance(told, dict) and message.kind in (Kind.WAIT, Kind.INVOKE):
        told = told.get("step")
    return told if isinstance(told, dict) else None


def _invoked(run: Run, veil: Veil) -> dict[str, Any]:
    return {
        "invokedWorkflowRunId": run.run_id,
        "invokedWorkflowUrl": run.url,
        "invokedWorkflowCreatedAt": run.created_at,
        "invokedWorkflowRunHeaders": veil.redaction.header_lists(run.settings.headers),
        **veil.body("invokedWorkflowRunBody", run.payload.decode(errors="replace")),
    }


def _called(call: Message, out: object, veil: Veil) -> dict[str, Any]:
    """The request, and the answer where the step's result has one."""
    shown: dict[str, Any] = {
        "callUrl": call.url,
        "callMethod": (call.settings.method or "POST").upper(),
        "callHeaders": veil.redaction.header_lists(call.settings.headers),
        **veil.body("callBody", call.body.decode(errors="replace")),
    }
    try:
        answer = json.loads(out) if isinstance(out, str) else None
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        shown |= {"callResponseStatus": answer.get("status"), "callResponseHeaders": answer.get("header")}
        body = answer.get("body")
        shown |= veil.body("callResponseBody", body if isinstance(body, str) else compact.dumps(body))
    return shown


def _place(groups: list[dict[str, Any]], step: dict[str, Any]) -> None:
    """Parallel siblings share a group: they follow each other and agree on how many they are."""
    concurrent = step.get("concurrent", 1)
    if not isinstance(concurrent, int) or concurrent <= 1:
        groups.append({"type": "sequential", "steps": [step]})
        return
    last = groups[-1]
    if last["type"] == "parallel" and len(last["steps"]) < concurrent == last["steps"][0].get("concurrent"):
        last["steps"].append(step)
    else:
        groups.append({"type": "parallel", "steps": [step]})


def _next(run: Run, message: Message, veil: Veil) -> dict[str, Any]:
    """What is being delivered now, or failed last."""
    if message.state == "failed":
        state = "STEP_FAILED"
    elif run.state is RunState.CANCELED:
        state = "STEP_CANCELED"
    else:
        state = "STEP_RETRY" if message.retried else "STEP_PROGRESS"
    settings = message.settings.over(run.settings)
    step: dict[str, Any] = {
        "messageId": message.message_id,
        "state": state,
        "retries": DEFAULT_RETRIES if settings.retries is None else settings.retries,
    }
    if settings.retry_delay is not None:
        step["retryDelay"] = settings.retry_delay
    if message.errors:
        step["errors"] = [
            {name: value for name, value in error.items() if name != "body"} | veil.trimmed("body", error.get("body"))
            for error in message.errors
        ]
    if state == "STEP_RETRY":
        step["nextDeliveryTime"] = message.due_at
    return step
