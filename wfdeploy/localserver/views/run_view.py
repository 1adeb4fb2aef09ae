"""A run as the logs show it: its state, and its steps in groups.

Source: Upstash Workflow REST reference, "List Workflow Run Logs", schemas `WorkflowRun`, `GroupedSteps`.
"""

from __future__ import annotations

from typing import Any

from wfdeploy.localserver.store.ledger import Ledger
from wfdeploy.localserver.store.records import Kind, Message, Run
from wfdeploy.localserver.views import step_view
from wfdeploy.localserver.views.redaction import Redaction
from wfdeploy.localserver.views.step_view import Veil

__all__ = ["Veil", "render"]

_INVOKER = ("workflowRunId", "workflowUrl", "workflowRunCreatedAt")


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
            view["failureFunction"] = _failure_function(run.failure, ledger.failure_callback(run.seq), veil)
    return view


def _failure_function(failure: dict[str, Any], message: Message | None, veil: Veil) -> dict[str, Any]:
    names = ("url", "state", "dlqId", "failStatus", "failHeaders", "failResponse", "maxRetries")
    told = {name: failure[name] for name in names if name in failure}
    told |= {name: failure[name] for name in failure if name.startswith("response")}
    told["messageId"] = failure["messageId"] if message is None else message.message_id
    if message is not None and message.errors:
        told["errors"] = step_view.attempts(message, veil)
        if message.state == "pending":
            told["nextDeliveryTime"] = message.due_at
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
        **step_view.delivered_as(run.settings, veil),
    }
    if messages:
        init["messageId"] = messages[0].message_id
    init |= veil.body("out", run.payload.decode(errors="replace"))
    groups: list[dict[str, Any]] = [{"type": "sequential", "steps": [init]}]
    by_key = {message.step_key: message for message in messages if message.step_key is not None}
    for message in messages:
        if message.kind in (Kind.STEP, Kind.WAIT, Kind.INVOKE, Kind.CALL):
            step = step_view.recorded(run, message, by_key, ledger=ledger, veil=veil, now_ms=now_ms)
            if step is not None:
                _place(groups, step)
    following = [step_view.under_way(run, each, veil) for each in messages if step_view.is_under_way(each)]
    if following:
        groups.append({"type": "next", "steps": following})
    return groups


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
