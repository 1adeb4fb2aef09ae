"""The table: events, flow control, signing keys."""

from __future__ import annotations

from wfdeploy.localserver.api.events import ANY_METHOD, EventsApi
from wfdeploy.localserver.api.flow import FlowApi, KeysApi
from wfdeploy.localserver.openapi.operations import (
    Answer,
    Area,
    Body,
    Operation,
    Param,
    flag,
    listed,
    ref,
    shape,
    text,
    whole,
)

_EVENT = Param("eventId", "path", "the event's id", text(minLength=1))
_RUN_ID = Param("workflowRunId", "path", "the run's id", text(minLength=1))
_DATA = Body(
    "what those who wait are told; any bytes",
    {"text/plain": text(), "application/json": {}, "application/octet-stream": {"type": "string", "format": "binary"}},
    required=False,
)
_TOO_LARGE = {413: "the body is too large"}
_NO_RUN = {404: "no run of this id is in progress"}

_WAIT = {
    "type": "object",
    "required": ["step"],
    "properties": {
        "step": {
            "type": "object",
            "required": ["stepId"],
            "properties": {"stepId": whole("its number", minimum=1)},
            "description": "the step that waits; its result is this and what the event brings",
        },
        "timeout": {"description": "a duration; 7d where it is missing"},
        "timeoutUrl": text("who is told when the time is over"),
        "timeoutHeaders": {"type": "object", "description": "with which headers"},
    },
}

HOOKS = "/v2/workflows/hooks/"
"""Where webhooks live, which need no token."""

EVENTS = Area(
    "Events",
    EventsApi,
    (
        Operation(
            method="POST",
            path="/v2/notify/{eventId}",
            handler=EventsApi.notify,
            summary="Tell all runs that wait for an event",
            description="With nobody there the event is lost.",
            params=(_EVENT,),
            body=_DATA,
            answer=Answer(201, "who was told", listed(ref("Notified"))),
            refusals=_TOO_LARGE,
        ),
        Operation(
            method="POST",
            path="/v2/notify/{workflowRunId}/{eventId:path}",
            handler=EventsApi.notify_run,
            summary="Tell one run about an event",
            description="Where it does not wait for it yet, the event is kept for its next wait.",
            params=(_RUN_ID, _EVENT),
            body=_DATA,
            answer=Answer(201, "what the run was told", ref("Notified")),
            refusals={**_NO_RUN, **_TOO_LARGE},
        ),
        Operation(
            method="GET",
            path="/v2/waiters/{eventId:path}",
            handler=EventsApi.waiters,
            summary="Who waits for an event",
            params=(_EVENT,),
            answer=Answer(200, "those who wait, the first one first", listed(ref("Waiter"))),
            reads_only=True,
        ),
        Operation(
            method="POST",
            path="/v2/wait/{eventId:path}",
            handler=EventsApi.wait,
            summary="Have a run wait for an event, as the SDKs do",
            params=(_EVENT, Param("Upstash-Workflow-RunId", "header", "the run, which must be in progress")),
            body=Body("the step that waits", {"application/json": _WAIT}),
            answer=Answer(
                200, "it waits", shape({"messageId": text(), "deduplicated": flag()}, required=("messageId",))
            ),
            refusals={412: "the wait is longer than the plan grants", **_TOO_LARGE},
        ),
        *(
            Operation(
                method=method,
                path=HOOKS + "{user}/{workflowRunId}/{eventId:path}",
                handler=EventsApi.hook,
                summary="Call a webhook that a workflow made",
                description="Any method, no token: the address is the secret.",
                params=(Param("user", "path", "whose webhook it is", text(minLength=1)), _RUN_ID, _EVENT),
                body=None if method in ("GET", "HEAD", "DELETE", "OPTIONS") else _DATA,
                answer=Answer(200, "the run is told", shape({})),
                refusals={404: "no such user, or no run of this id is in progress", **_TOO_LARGE},
                is_open=True,
            )
            for method in ANY_METHOD
        ),
    ),
)

_KEY = Param("flowControlKey", "path", "the key", text(minLength=1))
_NOTHING = shape({})


def _positive(name: str, description: str) -> Param:
    return Param(name, "query", description, whole(minimum=1, maximum=999_999_999))


FLOW = Area(
    "Flow control",
    FlowApi,
    (
        Operation(
            method="GET",
            path="/v2/flowControl",
            handler=FlowApi.listed,
            summary="List the keys",
            answer=Answer(200, "all keys", listed(ref("FlowControlKey"))),
            reads_only=True,
        ),
        Operation(
            method="GET",
            path="/v2/flowControl/{flowControlKey}",
            handler=FlowApi.get,
            summary="Look at a key",
            params=(_KEY,),
            answer=Answer(200, "the key", ref("FlowControlKey")),
            refusals={404: "there is no such key"},
            reads_only=True,
        ),
        Operation(
            method="POST",
            path="/v2/flowControl/{flowControlKey}/pause",
            handler=FlowApi.pause,
            summary="Deliver nothing more under a key",
            params=(_KEY,),
            answer=Answer(200, "what is under way goes on", _NOTHING),
        ),
        Operation(
            method="POST",
            path="/v2/flowControl/{flowControlKey}/resume",
            handler=FlowApi.resume,
            summary="Deliver again under a key",
            params=(_KEY,),
            answer=Answer(200, "it is delivered again", _NOTHING),
        ),
        Operation(
            method="POST",
            path="/v2/flowControl/{flowControlKey}/pin",
            handler=FlowApi.pin,
            summary="Set limits that messages do not change",
            description="One of the three at least. The present period begins anew.",
            params=(
                _KEY,
                _positive("parallelism", "how many deliveries at once"),
                _positive("rate", "how many may begin in a period"),
                Param("period", "query", "its length in seconds, a week at most", whole(minimum=1, maximum=604_800)),
            ),
            answer=Answer(200, "they hold from now on", _NOTHING),
        ),
        Operation(
            method="POST",
            path="/v2/flowControl/{flowControlKey}/unpin",
            handler=FlowApi.unpin,
            summary="Let messages change the limits again",
            description="What was pinned holds until the next message says otherwise.",
            params=(
                _KEY,
                Param("parallelism", "query", "that of deliveries at once", flag()),
                Param("rate", "query", "that of the rate and its period", flag()),
            ),
            answer=Answer(200, "they may", _NOTHING),
        ),
        Operation(
            method="POST",
            path="/v2/flowControl/{flowControlKey}/resetRate",
            handler=FlowApi.reset_rate,
            summary="End the present period now",
            params=(_KEY,),
            answer=Answer(200, "a new one has begun", _NOTHING),
        ),
        Operation(
            method="GET",
            path="/v2/globalParallelism",
            handler=FlowApi.global_parallelism,
            summary="How many deliveries are under way, of all keys",
            answer=Answer(
                200,
                "now, and at most",
                shape(
                    {"parallelismMax": whole(), "parallelismCount": whole()},
                    required=("parallelismMax", "parallelismCount"),
                ),
            ),
            reads_only=True,
        ),
    ),
    is_metered=True,
)

KEYS = Area(
    "Signing keys",
    KeysApi,
    (
        Operation(
            method="GET",
            path="/v2/keys",
            handler=KeysApi.get,
            summary="The signing keys",
            answer=Answer(200, "both keys", ref("SigningKeys")),
            reads_only=True,
        ),
        Operation(
            method="POST",
            path="/v2/keys/rotate",
            handler=KeysApi.rotate,
            summary="Make the next key the current one",
            answer=Answer(200, "the keys from now on", ref("SigningKeys")),
        ),
    ),
    is_metered=True,
)
