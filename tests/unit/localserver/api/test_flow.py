"""The paths of flow control and of the signing keys."""

from __future__ import annotations

import re
import threading

import jwt
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, api_for
from tests.unit.localserver.flow_control import arrived, info, keyed, names, order
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.tenants import DEFAULT_TENANT, TENANTS


def test_what_is_held_up_shows_as_the_waitlist(
    api: Api, server: LocalServer, endpoint: Endpoint, gate: threading.Event
) -> None:
    api.trigger(*names("a", 5), url=endpoint.url, **keyed("k", "parallelism=2, rate=100, period=1m"))
    api.trigger("wfr_later", url=endpoint.url, Upstash_Delay="1d", **keyed("k", "parallelism=2, rate=100, period=1m"))
    arrived(server, endpoint, 2)
    view = info(api, "k")
    assert (view["flowControlKey"], view["waitlistSize"], view["waitListSize"]) == ("k", 3, 3)
    assert (view["parallelismMax"], view["parallelismCount"]) == (2, 2)
    assert (view["rateMax"], view["rateCount"], view["ratePeriod"]) == (100, 2, 60)
    assert (view["isPaused"], view["isPinnedParallelism"], view["isPinnedRate"]) == (False, False, False)
    assert api.http.get("/v2/globalParallelism").json() == {"parallelismMax": 64, "parallelismCount": 2}
    # A cancelled run waits no more.
    api.http.delete("/v2/workflows/runs/wfr_a4")
    assert info(api, "k")["waitlistSize"] == 2
    gate.set()
    server.wait_idle()
    assert (info(api, "k")["waitlistSize"], info(api, "k")["parallelismCount"]) == (0, 0)
    assert len(endpoint.requests) == 4


def test_reset_begins_a_period(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    timed_api.trigger(*names("a", 5), url=endpoint.url, **keyed("k", "rate=2,period=1d"))
    timed_server.wait_idle()
    assert len(endpoint.requests) == 2
    assert timed_api.http.post("/v2/flowControl/k/resetRate").status_code == 200
    timed_server.wait_idle()
    assert len(endpoint.requests) == 4


def test_pause_and_resume(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    assert api.http.post("/v2/flowControl/k/pause").status_code == 200
    api.trigger(*names("a", 3), url=endpoint.url, **keyed("k", "parallelism=5"))
    api.trigger("wfr_free", url=endpoint.url)
    server.wait_idle()
    assert order(endpoint) == ["wfr_free"]
    assert (info(api, "k")["isPaused"], info(api, "k")["waitlistSize"]) == (True, 3)
    assert api.http.post("/v2/flowControl/k/resume").status_code == 200
    server.wait_idle()
    assert (info(api, "k")["isPaused"], len(endpoint.requests)) == (False, 4)


def test_pin_and_unpin(timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> None:
    api, server = timed_api, timed_server
    assert api.http.post("/v2/flowControl/k/pin", params={"parallelism": 7, "rate": 2, "period": 60}).status_code == 200
    api.trigger(*names("a", 5), url=endpoint.url, **keyed("k", "parallelism=1,rate=100"))
    server.wait_idle()
    view = info(api, "k")
    assert (view["parallelismMax"], view["rateMax"], view["ratePeriod"]) == (7, 2, 60)
    assert (view["isPinnedParallelism"], view["isPinnedRate"]) == (True, True)
    assert len(endpoint.requests) == 2
    # Pinning begins a new period.
    api.http.post("/v2/flowControl/k/pin", params={"rate": 1})
    server.wait_idle()
    assert len(endpoint.requests) == 3
    api.http.post("/v2/flowControl/k/unpin", params={"rate": "true"})
    view = info(api, "k")
    assert (view["rateMax"], view["isPinnedRate"], view["isPinnedParallelism"]) == (1, False, True)
    api.trigger("wfr_b", url=endpoint.url, **keyed("k", "parallelism=1,rate=100"))
    server.wait_idle()
    assert (info(api, "k")["parallelismMax"], info(api, "k")["rateMax"], len(endpoint.requests)) == (7, 100, 6)


def test_keys_are_listed_per_tenant(api: Api, server: LocalServer) -> None:
    server.faults.hold_deliveries = True
    api.trigger("wfr_a", **keyed("k2", "rate=1"))
    api.trigger("wfr_b", **keyed("k1", "rate=1"))
    assert [view["flowControlKey"] for view in api.http.get("/v2/flowControl").json()] == ["k1", "k2"]
    assert api.http.get("/v2/flowControl/unknown").status_code == 404
    other = "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9"
    with api_for(server, other) as http:
        assert http.get("/v2/flowControl").json() == []
        assert http.get("/v2/flowControl/k1").status_code == 404


@pytest.mark.parametrize("query", ["", "parallelism=0", "rate=-1", "period=x", "rate=1.5", "rate=1&period=999999999"])
def test_bad_pin(api: Api, query: str) -> None:
    answer = api.http.post(f"/v2/flowControl/k/pin?{query}")
    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert api.http.get("/v2/flowControl/k").status_code == 404


def test_rotation_moves_the_keys_on(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    first = api.http.post("/v2/keys/rotate")
    assert first.status_code == 200
    assert first.json()["current"] == DEFAULT_TENANT.next_key
    assert re.fullmatch(r"sig_[A-Za-z0-9]{28}", first.json()["next"])
    assert api.http.get("/v2/keys").json() == first.json()
    second = api.http.post("/v2/keys/rotate").json()
    assert second["current"] == first.json()["next"]
    api.trigger("wfr_a", url=endpoint.url)
    server.wait_idle()
    jwt.decode(endpoint.requests[0].headers["upstash-signature"], second["current"], algorithms=["HS256"])
    # Of one tenant only.
    with api_for(server, TENANTS[1].token) as http:
        assert http.get("/v2/keys").json()["current"] == TENANTS[1].current_key


def test_names_may_hold_slashes_and_percent_signs(api: Api) -> None:
    for key in ("a%2Fb", "a%252Fb", "%C3%BC", "%0A"):
        assert api.http.post(f"/v2/flowControl/{key}/pin?parallelism=1").status_code == 200
        assert api.http.get(f"/v2/flowControl/{key}").status_code == 200
    keys = {each["flowControlKey"] for each in api.http.get("/v2/flowControl").json()}
    assert keys == {"a/b", "a%2Fb", "ü", "\n"}
