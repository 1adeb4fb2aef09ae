"""The JSON Schemas in the document's `components`.

Sources: Upstash Workflow REST reference; the types of the SDKs (for fields that the reference leaves out).
"""

from __future__ import annotations

from wfdeploy.localserver.openapi.operations import Schema, boolean, listed, millis, ref, shape, text, whole

RUN_STATES = ("RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")
STEP_STATES = ("STEP_PROGRESS", "STEP_RETRY", "STEP_SUCCESS", "STEP_FAILED", "STEP_CANCELED")
CALLBACK_STATES = ("CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED")

HEADER_LISTS: Schema = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}

_RUN = {
    "workflowRunId": text("the run's id; several runs may have it, one after another"),
    "workflowCreatedAt": millis("when the run was accepted; distinguishes runs of one id"),
}
_LABELS = {
    "label": text("the first label", deprecated=True),
    "labels": listed({"type": "string"}, "the run's labels"),
}
_RESPONSE = {
    "responseStatus": whole("status of the endpoint's answer, 0 without an answer"),
    "responseBody": text("its body"),
    "responseHeaders": HEADER_LISTS,
}

STEP: dict[str, Schema] = {
    "stepId": whole("its number, from 1; the first delivery has none"),
    "stepName": text("its name in the workflow's code"),
    "stepType": text("Initial, Run, SleepFor, SleepUntil, Call, Wait, Notify, Invoke, CreateWebhook, WaitForWebhook"),
    "callType": text("step, or toCallback for a request to a third party"),
    "messageId": text("the message that carries it"),
    "state": text(enum=list(STEP_STATES)),
    "createdAt": millis("when it was recorded"),
    "concurrent": whole("the number of parallel siblings, including itself"),
    "out": text("its result, JSON as text"),
    "sleepFor": {"type": ["number", "string"], "description": "the time to sleep: seconds, or a duration"},
    "sleepUntil": {"type": ["number", "string"], "description": "the end of the sleep"},
    "callUrl": text("the URL of the call"),
    "callMethod": text("the method of the call"),
    "callBody": text("the request body"),
    "callHeaders": {"type": "object", "description": "the request headers"},
    "callResponseStatus": whole("the status of the response"),
    "callResponseBody": text("the response body"),
    "callResponseHeaders": {"type": "object", "description": "the response headers"},
    "waitEventId": text("the awaited event"),
    "waitTimeout": boolean("whether the wait timed out"),
    "waitTimeoutDuration": text("the timeout"),
    "waitTimeoutDeadline": millis("when the wait times out"),
    "invokedWorkflowRunId": text("the invoked run"),
    "invokedWorkflowUrl": text("the invoked run's endpoint"),
    "invokedWorkflowCreatedAt": millis("when the invoked run was accepted"),
    "invokedWorkflowRunBody": text("the invoked run's payload"),
    "invokedWorkflowRunHeaders": HEADER_LISTS,
    "retries": whole("the maximum number of retries"),
    "headers": HEADER_LISTS,
    "retryDelay": text("the expression for the delay between two attempts"),
    "nextDeliveryTime": millis("when it is tried again"),
    "errors": listed(ref("Attempt"), "the failed attempts"),
}

SCHEMAS: dict[str, Schema] = {
    "Error": shape({"error": text("the reason")}, required=("error",)),
    "Triggered": shape(
        {**_RUN, "deduplicated": boolean("a run of this id is in progress; no new one was started")},
        required=("workflowRunId", "workflowCreatedAt"),
    ),
    "Published": shape(
        {"messageId": text("the accepted message"), **_RUN, "deduplicated": boolean("already accepted before")},
        required=("messageId",),
    ),
    "Entry": shape(
        {
            "messageId": text("the message of this entry"),
            "body": text("the payload, or the step as JSON", contentEncoding="base64"),
            "callType": text(enum=["step", "toCallback", "fromCallback"]),
        },
        required=("messageId", "body", "callType"),
        description="One entry of a run, as its endpoint receives it.",
    ),
    "Attempt": shape(
        {
            "error": text("the reason of the failure"),
            "status": whole("status of the answer, 0 without an answer"),
            "body": text("body of the answer"),
            "headers": HEADER_LISTS,
            "time": millis("when it failed"),
        },
        required=("error", "status", "time"),
    ),
    "Step": shape(STEP, required=("messageId", "state")),
    "StepGroup": shape(
        {
            "type": text(
                "sequential: one recorded step; parallel: siblings; next: in progress, or failed last",
                enum=["sequential", "parallel", "next"],
            ),
            "steps": listed(ref("Step")),
        },
        required=("type", "steps"),
    ),
    "FailureFunction": shape(
        {
            "messageId": text("the failure callback's message"),
            "url": text("its URL"),
            "state": text(enum=list(CALLBACK_STATES)),
            "dlqId": text("the run's entry in the dead-letter queue"),
            "failStatus": whole("status of the answer that failed the run"),
            "failHeaders": HEADER_LISTS,
            "failResponse": text("body of that answer"),
            "maxRetries": whole("the maximum number of retries"),
            "errors": listed(ref("Attempt"), "the failed attempts"),
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
            "workflowRunCallerIp": text("the address that triggered it"),
            "steps": listed(ref("StepGroup")),
            "workflowRunResponse": text("what the workflow returned, JSON as text"),
            "invoker": shape(
                {
                    "workflowRunId": _RUN["workflowRunId"],
                    "workflowUrl": text("its endpoint"),
                    "workflowRunCreatedAt": _RUN["workflowCreatedAt"],
                },
                description="the run that waits for the end of this one",
            ),
            "failureFunction": ref("FailureFunction"),
            "dlqId": text("its entry in the dead-letter queue"),
            "flowControlKey": text("its flow-control key"),
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
            "nextDeliveryTime": millis("when a failed step is tried again"),
            "error": text("the reason of the failure"),
            **_RESPONSE,
            "invokerWorkflowRunId": text("the run that waits for the end of this one"),
            "invokerWorkflowUrl": text("its endpoint"),
            "invokerWorkflowCreatedAt": millis("when it was accepted"),
            "workflowRunResponse": text("what the workflow returned, JSON as text"),
            "dlqId": text("the run's entry in the dead-letter queue"),
            "callerIp": text("the address that triggered the run"),
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
            "url": text("the URL of the failed delivery"),
            "method": text("its method"),
            "header": HEADER_LISTS,
            "body": text("the run's payload, if it is text"),
            "bodyBase64": text("the run's payload, if it is not text", contentEncoding="base64"),
            "maxRetries": whole("the maximum number of retries of a delivery"),
            "notBefore": millis("when the run was scheduled to begin"),
            "createdAt": millis("when the run was accepted"),
            "callerIP": text("the address that triggered it"),
            "error": text("the reason of the failure"),
            "responseStatus": whole("status of the endpoint's last answer, 0 without an answer"),
            "responseHeader": HEADER_LISTS,
            "responseBody": text("its body"),
            "failureCallback": text("the URL of the failure callback"),
            "failureFunctionState": text(enum=list(CALLBACK_STATES)),
            "failureCallbackInfo": shape({"state": text(enum=list(CALLBACK_STATES)), **_RESPONSE}),
            "flowControlKey": text("the run's flow-control key"),
            **_LABELS,
        },
        required=("dlqId", "messageId", "workflowUrl", "workflowRunId", "workflowCreatedAt", "url", "createdAt"),
    ),
    "Revived": shape(
        {
            "workflowRuns": listed(ref("NewRun")),
            "cursor": text("for the next page; empty on the last one"),
        },
        required=("workflowRuns", "cursor"),
    ),
    "NewRun": shape(_RUN, required=("workflowRunId", "workflowCreatedAt")),
    "Waiter": shape(
        {
            "url": text("the endpoint of the waiting run"),
            "headers": HEADER_LISTS,
            "deadline": whole("when the wait times out, in Unix seconds", format="int64"),
            "timeoutUrl": text("the URL to notify after the timeout"),
            "timeoutHeaders": HEADER_LISTS,
            "timeoutBody": text("the body of that notification", contentEncoding="base64"),
        },
        required=("url", "headers", "deadline"),
    ),
    "Notified": shape(
        {
            "waiter": ref("Waiter"),
            "messageId": text("the message that brings the event; empty while the run does not wait for it"),
            "error": text("empty"),
            **_RUN,
            "deduplicated": boolean("always false"),
        },
        required=("messageId", "workflowRunId", "workflowCreatedAt"),
    ),
    "FlowControlKey": shape(
        {
            "flowControlKey": text("the key"),
            "waitlistSize": whole("the number of due messages that wait for the key"),
            "waitListSize": whole("waitlistSize, as the SDKs spell it"),
            "parallelismMax": whole("the maximum number of concurrent deliveries"),
            "parallelismCount": whole("the number of deliveries in progress"),
            "rateMax": whole("the maximum number of deliveries that begin in a period"),
            "rateCount": whole("the deliveries begun in the current period"),
            "ratePeriod": whole("the period's length in seconds"),
            "ratePeriodStart": whole("the period's start, in Unix seconds", format="int64"),
            "isPaused": boolean("deliveries are paused"),
            "isPinnedParallelism": boolean("messages cannot change parallelismMax"),
            "isPinnedRate": boolean("messages cannot change rateMax and ratePeriod"),
        },
        required=("flowControlKey", "waitlistSize", "parallelismCount", "isPaused"),
    ),
    "SigningKeys": shape(
        {"current": text("the key that signs deliveries"), "next": text("the key after the next rotation")},
        required=("current", "next"),
    ),
}
