"""The limits of keys in the database: kept over a restart, replaced by new values, or not written at all."""

from __future__ import annotations

from pathlib import Path

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, api_for, for_plain_endpoints
from tests.unit.localserver.flow_control import info, keyed, names
from wfdeploy.localserver.clock import ManualClock


def test_new_values_take_the_place_of_old_ones(timed_api: Api, timed_server: LocalServer, endpoint: Endpoint) -> None:
    timed_api.trigger(*names("a", 5), url=endpoint.url, **keyed("k", "rate=2,period=1d"))
    timed_server.wait_idle()
    timed_api.trigger("wfr_b", url=endpoint.url, **keyed("k", "rate=9,period=1d"))
    timed_server.wait_idle()
    assert len(endpoint.requests) == 6


def test_refused_trigger_changes_no_key(api: Api, server: LocalServer) -> None:
    server.faults.hold_deliveries = True
    server.faults.refusals = "request"
    headers = {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "rate=1"}
    good = {"destination": "http://127.0.0.1:9/x", "headers": headers}
    assert api.http.post("/v2/batch/trigger", json=[good, {"destination": "x"}]).status_code == 400
    assert api.http.get("/v2/flowControl").json() == []


def test_limits_and_waitlists_survive_a_restart(tmp_path: Path, endpoint: Endpoint) -> None:
    with LocalServer(tmp_path / "x.db", faults=for_plain_endpoints()) as server, api_for(server) as http:
        api = Api(http)
        http.post("/v2/flowControl/paused/pause")
        http.post("/v2/flowControl/pinned/pin?parallelism=4")
        api.trigger(*names("a", 3), url=endpoint.url, **keyed("paused", "parallelism=2"))
        server.wait_idle()
    with LocalServer(tmp_path / "x.db", faults=for_plain_endpoints()) as server, api_for(server) as http:
        api = Api(http)
        server.wait_idle()
        assert endpoint.requests == []
        view = info(api, "paused")
        assert (view["isPaused"], view["parallelismMax"], view["waitlistSize"]) == (True, 2, 3)
        assert info(api, "pinned")["isPinnedParallelism"]
        http.post("/v2/flowControl/paused/resume")
        server.wait_idle()
        assert len(endpoint.requests) == 3


def test_rate_counts_on_over_a_restart(tmp_path: Path, endpoint: Endpoint, clock: ManualClock) -> None:
    options = {"url": endpoint.url, **keyed("k", "rate=3,period=1h")}
    with LocalServer(tmp_path / "x.db", clock=clock, faults=for_plain_endpoints()) as server, api_for(server) as http:
        Api(http).trigger("wfr_a", "wfr_b", **options)
        server.wait_idle()
    clock.advance(60)
    with LocalServer(tmp_path / "x.db", clock=clock, faults=for_plain_endpoints()) as server, api_for(server) as http:
        Api(http).trigger(*names("c", 5), **options)
        server.wait_idle()
        assert (info(Api(http), "k")["rateCount"], len(endpoint.requests)) == (3, 3)
        clock.advance(3540)
        server.wait_idle()
        assert len(endpoint.requests) == 6
