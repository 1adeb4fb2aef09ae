"""An entry of the dead-letter queue as the API shows it.

Source: Upstash Workflow REST reference, schema `WorkflowDLQMessage`. `failureCallbackInfo` is what the SDKs' types (and
older documentation) call it, `failureFunctionState` is the reference's; both are there. Header and body are those of
the run's first request.
"""

from __future__ import annotations

import base64
from typing import Any

from wfdeploy.localserver.delivery.backoff import DEFAULT_RETRIES
from wfdeploy.localserver.store.dead_letters import Entry
from wfdeploy.localserver.views.redaction import Redaction


def render(entry: Entry) -> dict[str, Any]:
    run, failure = entry.run, entry.run.failure or {}
    hidden = Redaction.of(run.settings.redact)
    headers = dict(run.settings.headers)
    if run.settings.content_type:
        headers["Content-Type"] = run.settings.content_type
    view: dict[str, Any] = {
        "dlqId": entry.dlq_id,
        "messageId": failure.get("messageId", ""),
        "workflowUrl": run.url,
        "workflowRunId": run.run_id,
        "workflowCreatedAt": run.created_at,
        "url": run.url,
        "method": (run.settings.method or "POST").upper(),
        "header": hidden.header_lists(headers),
        "maxRetries": DEFAULT_RETRIES if run.settings.retries is None else run.settings.retries,
        "notBefore": run.starts_at,
        "createdAt": run.created_at,
        "callerIP": run.caller_ip,
        "responseStatus": failure.get("failStatus", 0),
        "responseHeader": failure.get("failHeaders", {}),
        "responseBody": failure.get("failResponse", ""),
        "error": failure.get("error", ""),
    }
    view |= _body(run.payload, hidden)
    if run.settings.failure_url:
        view["failureCallback"] = run.settings.failure_url
    if run.labels:
        view |= {"label": run.labels[0], "labels": list(run.labels)}
    if run.flow_key is not None:
        view["flowControlKey"] = run.flow_key
    if entry.callback_state is not None:
        view["failureFunctionState"] = entry.callback_state
        view["failureCallbackInfo"] = {"state": entry.callback_state} | {
            name: failure[name] for name in ("responseStatus", "responseBody", "responseHeaders") if name in failure
        }
    return view


def _body(payload: bytes, hidden: Redaction) -> dict[str, str]:
    try:
        return {"body": hidden.text(payload.decode())}
    except UnicodeDecodeError:
        return {"bodyBase64": hidden.text(base64.b64encode(payload).decode())}
