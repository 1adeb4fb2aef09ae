"""Request handlers of flow control and of the signing keys.

Sources: Upstash Workflow REST reference, "Flow Control", "Signing Keys". The size of the waitlist has two names:
`waitlistSize` in the reference, `waitListSize` in the clients, which also read the limits and counts.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.openapi.operations import (
    ApiAnswer,
    Area,
    Operation,
    Param,
    boolean,
    listed,
    ref,
    shape,
    whole,
)
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs.flow import LONGEST_PERIOD_MS, FlowKey, positive
from wfdeploy.localserver.store.filters import flag
from wfdeploy.localserver.tenants import Tenant


class FlowApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._keys = services.flow_keys

    async def listed(self, request: Request) -> Response:
        return json_response([self._view(name) for name in self._keys.names(tenant_of(request).name)])

    async def get(self, request: Request) -> Response:
        name = _name(request)
        if not self._keys.knows(name):
            raise Refused("flow control key not found", status=404)
        return json_response(self._view(name))

    async def pause(self, request: Request) -> Response:
        """Stop deliveries under the key; those in progress continue."""
        return self._changed(_name(request), paused=True)

    async def resume(self, request: Request) -> Response:
        return self._changed(_name(request), paused=False)

    async def pin(self, request: Request) -> Response:
        """`?parallelism=&rate=&period=` (seconds) hold until unpinned, whatever messages say. A new period begins."""
        given: dict[str, int] = {}
        for name in ("parallelism", "rate", "period"):
            if (text := request.query_params.get(name)) is not None:
                try:
                    given[name] = positive(text)
                except ValueError:
                    raise Refused(f"invalid {name}: {text!r}") from None
        if not given:
            raise Refused("parallelism, rate or period must be given")
        changed: dict[str, Any] = {}
        if "parallelism" in given:
            changed |= {"parallelism": given["parallelism"], "pinned_parallelism": True}
        if "rate" in given or "period" in given:
            changed["pinned_rate"] = True
        if "rate" in given:
            changed["rate"] = given["rate"]
        if "period" in given:
            changed["period_ms"] = given["period"] * 1000
            if changed["period_ms"] > LONGEST_PERIOD_MS:
                raise Refused("the period is longer than a week")
        return self._changed(_name(request), begins_period=True, **changed)

    async def unpin(self, request: Request) -> Response:
        """`?parallelism=true&rate=true`: the values hold until a message brings others."""
        flags = {"parallelism": "pinned_parallelism", "rate": "pinned_rate"}
        query = request.query_params
        loose = {field: False for name, field in flags.items() if flag(query, name)}
        return self._changed(_name(request), **loose)

    async def reset_rate(self, request: Request) -> Response:
        """End the current period and begin a new one."""
        return self._changed(_name(request), begins_period=True)

    def _changed(self, name: FlowKey, *, begins_period: bool = False, **changed: Any) -> Response:
        self._keys.change(name, **changed)
        if begins_period:
            self._keys.begin_period(name, self._services.clock.now_ms())
        self._services.changes.notify()
        return json_response({})

    async def global_parallelism(self, _request: Request) -> Response:
        engine = self._services.engine
        return json_response({"parallelismMax": engine.max_open, "parallelismCount": engine.queues.open})

    def _view(self, name: FlowKey) -> dict[str, Any]:
        now = self._services.clock.now_ms()
        queue = self._services.engine.queues.queue(name)
        limits, waiting = queue.limits, self._keys.waiting(name, now)
        view: dict[str, Any] = {
            "flowControlKey": name.key,
            "waitlistSize": waiting,
            "waitListSize": waiting,
            "parallelismCount": queue.open,
            "isPaused": limits.paused,
            "isPinnedParallelism": limits.pinned_parallelism,
            "isPinnedRate": limits.pinned_rate,
        }
        if limits.parallelism is not None:
            view["parallelismMax"] = limits.parallelism
        if limits.rate is not None:
            over = queue.period_is_over(now)
            view |= {
                "rateMax": limits.rate,
                "rateCount": 0 if over else queue.begun,
                "ratePeriod": limits.period_ms // 1000,
                "ratePeriodStart": queue.period_start // 1000,
            }
        return view


def _name(request: Request) -> FlowKey:
    return FlowKey(tenant_of(request).name, request.path_params["flowControlKey"])


class KeysApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        """`GET /v2/keys`. The JavaScript SDK recognises a development server by the default user's keys."""
        return _keys_response(self._services.signing_keys.tenant(tenant_of(request).name))

    async def rotate(self, request: Request) -> Response:
        """`POST /v2/keys/rotate`: the next key becomes the current one."""
        return _keys_response(self._services.signing_keys.rotate(tenant_of(request).name))


def _keys_response(tenant: Tenant) -> Response:
    return json_response({"current": tenant.current_key, "next": tenant.next_key})


_NOTHING = shape({})


def _positive(name: str, description: str) -> Param:
    return Param(name, "query", description, whole(minimum=1, maximum=999_999_999))


FLOW = Area(
    "Flow control",
    FlowApi,
    (
        Operation(
            "GET /v2/flowControl",
            FlowApi.listed,
            "List the keys",
            ApiAnswer(200, "all keys", listed(ref("FlowControlKey"))),
        ),
        Operation(
            "GET /v2/flowControl/{flowControlKey}",
            FlowApi.get,
            "Show a key",
            ApiAnswer(200, "the key", ref("FlowControlKey")),
            refusals={404: "there is no such key"},
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/pause",
            FlowApi.pause,
            "Pause the deliveries under a key",
            ApiAnswer(200, "paused; deliveries in progress continue", _NOTHING),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/resume",
            FlowApi.resume,
            "Resume the deliveries under a key",
            ApiAnswer(200, "resumed", _NOTHING),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/pin",
            FlowApi.pin,
            "Set limits that messages cannot change",
            ApiAnswer(200, "the limits hold from now on", _NOTHING),
            description="At least one of the three is required. A new period begins.",
            params=(
                _positive("parallelism", "the maximum number of concurrent deliveries"),
                _positive("rate", "the maximum number of deliveries that begin in a period"),
                Param("period", "query", "its length in seconds, a week at most", whole(minimum=1, maximum=604_800)),
            ),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/unpin",
            FlowApi.unpin,
            "Let messages change the limits again",
            ApiAnswer(200, "unpinned", _NOTHING),
            description="The pinned limits hold until a message brings others.",
            params=(
                Param("parallelism", "query", "unpin the parallelism", boolean()),
                Param("rate", "query", "unpin the rate and its period", boolean()),
            ),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/resetRate",
            FlowApi.reset_rate,
            "End the current period",
            ApiAnswer(200, "a new one has begun", _NOTHING),
        ),
        Operation(
            "GET /v2/globalParallelism",
            FlowApi.global_parallelism,
            "Count the deliveries in progress under all keys",
            ApiAnswer(
                200,
                "the current number, and the maximum",
                shape(
                    {"parallelismMax": whole(), "parallelismCount": whole()},
                    required=("parallelismMax", "parallelismCount"),
                ),
            ),
        ),
    ),
    is_metered=True,
)

KEYS = Area(
    "Signing keys",
    KeysApi,
    (
        Operation("GET /v2/keys", KeysApi.get, "The signing keys", ApiAnswer(200, "both keys", ref("SigningKeys"))),
        Operation(
            "POST /v2/keys/rotate",
            KeysApi.rotate,
            "Make the next key the current one",
            ApiAnswer(200, "the new keys", ref("SigningKeys")),
        ),
    ),
    is_metered=True,
)
