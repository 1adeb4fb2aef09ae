"""Signing keys and their rotation."""

from __future__ import annotations

import re
from pathlib import Path

import jwt

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, api_for
from wfdeploy.localserver.tenants import DEFAULT_TENANT, TENANTS


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


def test_rotated_keys_are_kept(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        rotated = http.post("/v2/keys/rotate").json()
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert http.get("/v2/keys").json() == rotated
        assert (server.tenant.current_key, server.tenant.next_key) == (rotated["current"], rotated["next"])


def test_demo_workflow_knows_the_rotated_keys() -> None:
    with LocalServer(demo=True) as server, api_for(server) as http:
        for _ in range(3):
            http.post("/v2/keys/rotate")
        Api(http).trigger("wfr_a", url=f"{server.demo_url}/demo/x", Upstash_Retries="0")
        assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
