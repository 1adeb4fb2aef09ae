"""The paths of flow control, and of the signing keys.

Sources: Upstash Workflow REST reference, "Flow Control", "Signing Keys". The waitlist's size goes by both of
its names: `waitlistSize` in the reference, `waitListSize` in the clients, which also read the limits and counts.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.api.trigger import json_response
from wfdeploy.localserver.openapi.operations import (
    Answer,
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
from wfdeploy.localserver.runs.flow import LONGEST_PERIOD_MS, LaneName, positive
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
        """Nothing more is delivered under the key; what is under way goes on."""
        return self._changed(_name(request), paused=True)

    async def resume(self, request: Request) -> Response:
        return self._changed(_name(request), paused=False)

    async def pin(self, request: Request) -> Response:
        """`?parallelism=&rate=&period=` (seconds) hold whatever later messages say; the period begins anew."""
        query, name = request.query_params, _name(request)
        said: dict[str, int] = {}
        for each in ("parallelism", "rate", "period"):
            if (text := query.get(each)) is not None:
                try:
                    said[each] = positive(text)
                except ValueError:
                    raise Refused(f"invalid {each}: {text!r}") from None
        if not said:
            raise Refused("parallelism, rate or period must be given")
        changed: dict[str, Any] = {}
        if "parallelism" in said:
            changed |= {"parallelism": said["parallelism"], "pinned_parallelism": True}
        if "rate" in said or "period" in said:
            changed["pinned_rate"] = True
            if "rate" in said:
                changed["rate"] = said["rate"]
            if "period" in said:
                if said["period"] * 1000 > LONGEST_PERIOD_MS:
                    raise Refused("the period is longer than a week")
                changed["period_ms"] = said["period"] * 1000
        return self._changed(name, begins_period=True, **changed)

    async def unpin(self, request: Request) -> Response:
        """`?parallelism=true&rate=true`: the values stay until a message brings others."""
        flags = {"parallelism": "pinned_parallelism", "rate": "pinned_rate"}
        query = request.query_params
        loose = {field: False for name, field in flags.items() if flag(query, name)}
        return self._changed(_name(request), **loose)

    async def reset_rate(self, request: Request) -> Response:
        """The present period ends, and a new one begins now."""
        return self._changed(_name(request), begins_period=True)

    def _changed(self, name: LaneName, *, begins_period: bool = False, **changed: Any) -> Response:
        self._keys.change(name, **changed)
        if begins_period:
            self._keys.begin_period(name, self._services.clock.now_ms())
        self._services.changes.tell()
        return json_response({})

    async def global_parallelism(self, _request: Request) -> Response:
        engine = self._services.engine
        return json_response({"parallelismMax": engine.max_open, "parallelismCount": engine.lanes.open})

    def _view(self, name: LaneName) -> dict[str, Any]:
        now = self._services.clock.now_ms()
        lane = self._services.engine.lanes.lane(name)
        limits, waiting = lane.limits, self._keys.waiting(name, now)
        view: dict[str, Any] = {
            "flowControlKey": name.key,
            "waitlistSize": waiting,
            "waitListSize": waiting,
            "parallelismCount": lane.open,
            "isPaused": limits.paused,
            "isPinnedParallelism": limits.pinned_parallelism,
            "isPinnedRate": limits.pinned_rate,
        }
        if limits.parallelism is not None:
            view["parallelismMax"] = limits.parallelism
        if limits.rate is not None:
            over = lane.period_is_over(now)
            view |= {
                "rateMax": limits.rate,
                "rateCount": 0 if over else lane.begun,
                "ratePeriod": limits.period_ms // 1000,
                "ratePeriodStart": lane.period_start // 1000,
            }
        return view


def _name(request: Request) -> LaneName:
    return LaneName(tenant_of(request).name, request.path_params["flowControlKey"])


class KeysApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        """`GET /v2/keys`: by the default user's keys the JavaScript SDK recognises a development server."""
        return _shown(self._services.keyring.tenant(tenant_of(request).name))

    async def rotate(self, request: Request) -> Response:
        """`POST /v2/keys/rotate`: the next key becomes the current one."""
        return _shown(self._services.keyring.rotate(tenant_of(request).name))


def _shown(tenant: Tenant) -> Response:
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
            Answer(200, "all keys", listed(ref("FlowControlKey"))),
        ),
        Operation(
            "GET /v2/flowControl/{flowControlKey}",
            FlowApi.get,
            "Look at a key",
            Answer(200, "the key", ref("FlowControlKey")),
            refusals={404: "there is no such key"},
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/pause",
            FlowApi.pause,
            "Deliver nothing more under a key",
            Answer(200, "what is under way goes on", _NOTHING),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/resume",
            FlowApi.resume,
            "Deliver again under a key",
            Answer(200, "it is delivered again", _NOTHING),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/pin",
            FlowApi.pin,
            "Set limits that messages do not change",
            Answer(200, "they hold from now on", _NOTHING),
            description="One of the three at least. The present period begins anew.",
            params=(
                _positive("parallelism", "how many deliveries at once"),
                _positive("rate", "how many may begin in a period"),
                Param("period", "query", "its length in seconds, a week at most", whole(minimum=1, maximum=604_800)),
            ),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/unpin",
            FlowApi.unpin,
            "Let messages change the limits again",
            Answer(200, "they may", _NOTHING),
            description="What was pinned holds until the next message says otherwise.",
            params=(
                Param("parallelism", "query", "that of deliveries at once", boolean()),
                Param("rate", "query", "that of the rate and its period", boolean()),
            ),
        ),
        Operation(
            "POST /v2/flowControl/{flowControlKey}/resetRate",
            FlowApi.reset_rate,
            "End the present period now",
            Answer(200, "a new one has begun", _NOTHING),
        ),
        Operation(
            "GET /v2/globalParallelism",
            FlowApi.global_parallelism,
            "How many deliveries are under way, of all keys",
            Answer(
                200,
                "now, and at most",
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
        Operation("GET /v2/keys", KeysApi.get, "The signing keys", Answer(200, "both keys", ref("SigningKeys"))),
        Operation(
            "POST /v2/keys/rotate",
            KeysApi.rotate,
            "Make the next key the current one",
            Answer(200, "the keys from now on", ref("SigningKeys")),
        ),
    ),
    is_metered=True,
)
