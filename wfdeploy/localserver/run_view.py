"""A run as the logs show it: its state, and its steps in groups.

Source: Upstash Workflow REST reference, "List Workflow Run Logs", schemas `WorkflowRun`, `GroupedSteps`, `StepInfo`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from wfdeploy.localserver.backoff import DEFAULT_RETRIES
from wfdeploy.localserver.ledger import Ledger
from wfdeploy.localserver.records import Kind, Message, Run, RunState

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
)

_INVOKER = ("workflowRunId", "workflowUrl", "workflowRunCreatedAt")


def render(run: Run, ledger: Ledger, *, trim: int | None, now_ms: int) -> dict[str, Any]:
    """`trim` cuts bodies to so many bytes, -1 leaves them out; None keeps them whole."""
    redact_body = "body" in (run.settings.redact or "").split(",")
    view: dict[str, Any] = {
        "workflowRunId": run.run_id,
        "workflowUrl": run.url,
        "workflowState": run.state.value,
        "workflowRunCreatedAt": run.created_at,
        "workflowRunCallerIp": run.caller_ip,
        "steps": _groups(run, ledger.messages_of_run(run.seq), redact=redact_body, trim=trim, now_ms=now_ms),
    }
    if run.completed_at is not None:
        view["workflowRunCompletedAt"] = run.completed_at
    if run.response is not None and trim != -1:
        view["workflowRunResponse"] = _shown(run.response, redact=redact_body, trim=trim)
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


def _groups(run: Run, messages: list[Message], *, redact: bool, trim: int | None, now_ms: int) -> list[dict[str, Any]]:
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
    if trim != -1:
        init["out"] = _shown(run.payload.decode(errors="replace"), redact=redact, trim=trim)
    groups: list[dict[str, Any]] = [{"type": "sequential", "steps": [init]}]
    for message in messages:
        if message.kind is not Kind.STEP or (step := _step(message, redact=redact, trim=trim, now_ms=now_ms)) is None:
            continue
        _place(groups, step)
    following = [_next(run, message) for message in messages if message.state in ("pending", "failed")]
    if following:
        groups.append({"type": "next", "steps": following})
    return groups


def _step(message: Message, *, redact: bool, trim: int | None, now_ms: int) -> dict[str, Any] | None:
    """A result step; None for a plan step, which its result follows, or for what is no step JSON."""
    try:
        told = json.loads(message.body)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("targetStep"):
        return None
    step = {name: told[name] for name in _SHOWN if told.get(name) is not None}
    for name in ("out", "callBody"):
        if name in step and trim == -1:
            del step[name]
        elif isinstance(step.get(name), str):
            step[name] = _shown(step[name], redact=redact, trim=trim)
    asleep = message.state == "pending" and message.due_at > now_ms and message.retried == 0
    step |= {
        "callType": "step",
        "messageId": message.message_id,
        "state": "STEP_PROGRESS" if asleep else "STEP_SUCCESS",
        "createdAt": message.created_at,
    }
    return step


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


def _next(run: Run, message: Message) -> dict[str, Any]:
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
        step["errors"] = message.errors
    if state == "STEP_RETRY":
        step["nextDeliveryTime"] = message.due_at
    return step


def _shown(text: str, *, redact: bool, trim: int | None) -> str:
    if redact:
        return f"REDACTED:{hashlib.sha256(text.encode()).hexdigest()}"
    if trim is None or trim < 0:
        return text
    return text.encode()[:trim].decode(errors="ignore")
