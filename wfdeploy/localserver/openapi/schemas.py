"""The shapes of what the server writes, one per name in the document's `components`.

Sources: Upstash Workflow REST reference (the fields), the types of the SDKs (fields that the reference leaves out).
"""

from __future__ import annotations

from wfdeploy.localserver.openapi.operations import Schema, boolean, listed, millis, ref, shape, text, whole

RUN_STATES = ("RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")
STEP_STATES = ("STEP_PROGRESS", "STEP_RETRY", "STEP_SUCCESS", "STEP_FAILED", "STEP_CANCELED")
CALLBACK_STATES = ("CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED")

HEADER_LISTS: Schema = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}

_RUN = {
    "workflowRunId": text("the run's id; several runs may have had it, one after another"),
    "workflowCreatedAt": millis("when the run was accepted, which tells runs of one id apart"),
}
_LABELS = {
    "label": text("the first label", deprecated=True),
    "labels": listed({"type": "string"}, "what the run was labelled with"),
}
_RESPONSE = {
    "responseStatus": whole("status of the endpoint's answer, 0 where there was none"),
    "responseBody": text("its body"),
    "responseHeaders": HEADER_LISTS,
}

STEP: dict[str, Schema] = {
    "stepId": whole("its number, counted from 1; the first delivery's has none"),
    "stepName": text("as the workflow's code names it"),
    "stepType": text("Initial, Run, SleepFor, SleepUntil, Call, Wait, Notify, Invoke, CreateWebhook, WaitForWebhook"),
    "callType": text("step, or toCallback for a request to a third party"),
    "messageId": text("the message that carries it"),
    "state": text(enum=list(STEP_STATES)),
    "createdAt": millis("when it was recorded"),
    "concurrent": whole("how many siblings run in parallel, itself included"),
    "out": text("its result, JSON as text"),
    "sleepFor": {"type": ["number", "string"], "description": "how long it sleeps: seconds, or a duration"},
    "sleepUntil": {"type": ["number", "string"], "description": "until when it sleeps"},
    "callUrl": text("where a call goes"),
    "callMethod": text("by which method"),
    "callBody": text("with which body"),
    "callHeaders": {"type": "object", "description": "with which headers"},
    "callResponseStatus": whole("the third party's answer"),
    "callResponseBody": text("its body"),
    "callResponseHeaders": {"type": "object", "description": "its headers"},
    "waitEventId": text("the event that is waited for"),
    "waitTimeout": boolean("whether the wait ended without it"),
    "waitTimeoutDuration": text("how long it waits at most"),
    "waitTimeoutDeadline": millis("until when"),
    "invokedWorkflowRunId": text("the run that it started"),
    "invokedWorkflowUrl": text("that run's endpoint"),
    "invokedWorkflowCreatedAt": millis("when that run was accepted"),
    "invokedWorkflowRunBody": text("that run's payload"),
    "invokedWorkflowRunHeaders": HEADER_LISTS,
    "retries": whole("how often its delivery may be repeated"),
    "headers": HEADER_LISTS,
    "retryDelay": text("the expression for the time between two attempts"),
    "nextDeliveryTime": millis("when it is tried again"),
    "errors": listed(ref("Attempt"), "the attempts that failed"),
}

SCHEMAS: dict[str, Schema] = {
    "Error": shape({"error": text("why not")}, required=("error",)),
    "Triggered": shape(
        {**_RUN, "deduplicated": boolean("a run of this id is in progress; no new one was made")},
        required=("workflowRunId", "workflowCreatedAt"),
    ),
    "Published": shape(
        {"messageId": text("the accepted message"), **_RUN, "deduplicated": boolean("it had been accepted before")},
        required=("messageId",),
    ),
    "Entry": shape(
        {
            "messageId": text("the message that brought it"),
            "body": text("the payload, or the step as JSON", contentEncoding="base64"),
            "callType": text(enum=["step", "toCallback", "fromCallback"]),
        },
        required=("messageId", "body", "callType"),
        description="One entry of what an endpoint gets to see of its run.",
    ),
    "Attempt": shape(
        {
            "error": text("what went wrong"),
            "status": whole("of the answer, 0 where there was none"),
            "body": text("of the answer"),
            "headers": HEADER_LISTS,
            "time": millis("when it failed"),
        },
        required=("error", "status", "time"),
    ),
    "Step": shape(STEP, required=("messageId", "state")),
    "StepGroup": shape(
        {
            "type": text(
                "sequential: one recorded step; parallel: siblings; next: under way, or failed last",
                enum=["sequential", "parallel", "next"],
            ),
            "steps": listed(ref("Step")),
        },
        required=("type", "steps"),
    ),
    "FailureFunction": shape(
        {
            "messageId": text("the failure callback's message"),
            "url": text("where it goes"),
            "state": text(enum=list(CALLBACK_STATES)),
            "dlqId": text("the run's entry in the dead-letter queue"),
            "failStatus": whole("how the endpoint had answered"),
            "failHeaders": HEADER_LISTS,
            "failResponse": text("with which body"),
            "maxRetries": whole("how often it may be repeated"),
            "errors": listed(ref("Attempt"), "the attempts that failed"),
            "nextDeliveryTime": millis("when it is tried again"),
            **_RESPONSE,
        },
        required=("messageId", "url", "state"),
    ),
    "Run": shape(
        {
            "workflowRunId": _RUN["workflowRunId"],
            "workflowUrl": text("its endpoint"),
            "workflowState": text(enum=list(RUN_STATES)),
            "workflowRunCreatedAt": _RUN["workflowCreatedAt"],
            "workflowRunCompletedAt": millis("when it ended"),
            "workflowRunCallerIp": text("who triggered it"),
            "steps": listed(ref("StepGroup")),
            "workflowRunResponse": text("what the workflow returned, JSON as text"),
            "invoker": shape(
                {
                    "workflowRunId": _RUN["workflowRunId"],
                    "workflowUrl": text("its endpoint"),
                    "workflowRunCreatedAt": _RUN["workflowCreatedAt"],
                },
                description="the run that waits for this one's end",
            ),
            "failureFunction": ref("FailureFunction"),
            "dlqId": text("its entry in the dead-letter queue"),
            "flowControlKey": text("under which key it is delivered"),
            **_LABELS,
        },
        required=("workflowRunId", "workflowUrl", "workflowState", "workflowRunCreatedAt", "steps"),
    ),
    "Event": shape(
        {
            "time": millis("when it happened"),
            "state": text(enum=[*RUN_STATES, *STEP_STATES]),
            "workflowRunId": _RUN["workflowRunId"],
            "workflowUrl": text("the run's endpoint"),
            "workflowCreatedAt": _RUN["workflowCreatedAt"],
            "stepInfo": ref("Step"),
            "nextDeliveryTime": millis("when a step that failed is tried again"),
            "error": text("what went wrong"),
            **_RESPONSE,
            "invokerWorkflowRunId": text("the run that waits for the end of this one"),
            "invokerWorkflowUrl": text("its endpoint"),
            "invokerWorkflowCreatedAt": millis("when it was accepted"),
            "workflowRunResponse": text("what the workflow returned, JSON as text"),
            "dlqId": text("the run's entry in the dead-letter queue"),
            "callerIp": text("who triggered the run"),
            **_LABELS,
        },
        required=("time", "state", "workflowRunId", "workflowUrl", "workflowCreatedAt"),
    ),
    "DeadLetter": shape(
        {
            "dlqId": text("the entry's id"),
            "messageId": text("the message whose delivery failed for good"),
            "workflowUrl": text("the run's endpoint"),
            **_RUN,
            "url": text("where the failed delivery went"),
            "method": text("by which method"),
            "header": HEADER_LISTS,
            "body": text("the run's payload, where it is text"),
            "bodyBase64": text("the payload otherwise", contentEncoding="base64"),
            "maxRetries": whole("how often each delivery might be repeated"),
            "notBefore": millis("when the run was to begin"),
            "createdAt": millis("when the run was accepted"),
            "callerIP": text("who triggered it"),
            "error": text("what went wrong"),
            "responseStatus": whole("status of the endpoint's last answer, 0 where there was none"),
            "responseHeader": HEADER_LISTS,
            "responseBody": text("its body"),
            "failureCallback": text("where the failure callback goes"),
            "failureFunctionState": text(enum=list(CALLBACK_STATES)),
            "failureCallbackInfo": shape({"state": text(enum=list(CALLBACK_STATES)), **_RESPONSE}),
            "flowControlKey": text("under which key the run was delivered"),
            **_LABELS,
        },
        required=("dlqId", "messageId", "workflowUrl", "workflowRunId", "workflowCreatedAt", "url", "createdAt"),
    ),
    "Revived": shape(
        {
            "workflowRuns": listed(ref("NewRun")),
            "cursor": text("for those that are left; empty when none are"),
        },
        required=("workflowRuns", "cursor"),
    ),
    "NewRun": shape(_RUN, required=("workflowRunId", "workflowCreatedAt")),
    "Waiter": shape(
        {
            "url": text("who waits"),
            "headers": HEADER_LISTS,
            "deadline": whole("until when, in Unix seconds", format="int64"),
            "timeoutUrl": text("who is told when the time is over"),
            "timeoutHeaders": HEADER_LISTS,
            "timeoutBody": text("what is told then", contentEncoding="base64"),
        },
        required=("url", "headers", "deadline"),
    ),
    "Notified": shape(
        {
            "waiter": ref("Waiter"),
            "messageId": text("the message that brings the event; empty while nobody waits for it"),
            "error": text("empty"),
            **_RUN,
            "deduplicated": boolean("always false"),
        },
        required=("messageId", "workflowRunId", "workflowCreatedAt"),
    ),
    "FlowControlKey": shape(
        {
            "flowControlKey": text("the key"),
            "waitlistSize": whole("how many messages are due and held up"),
            "waitListSize": whole("the same, as the SDKs spell it"),
            "parallelismMax": whole("how many deliveries at once"),
            "parallelismCount": whole("how many are under way"),
            "rateMax": whole("how many may begin in a period"),
            "rateCount": whole("how many have begun in this one"),
            "ratePeriod": whole("its length in seconds"),
            "ratePeriodStart": whole("when it began, in Unix seconds", format="int64"),
            "isPaused": boolean("nothing is delivered"),
            "isPinnedParallelism": boolean("messages do not change parallelismMax"),
            "isPinnedRate": boolean("messages change neither rateMax nor ratePeriod"),
        },
        required=("flowControlKey", "waitlistSize", "parallelismCount", "isPaused"),
    ),
    "SigningKeys": shape(
        {"current": text("signs deliveries now"), "next": text("signs them after a rotation")},
        required=("current", "next"),
    ),
}
