"""Users and their keys: kept, separate, and ready to be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, api_for
from wfdeploy.localserver import tenants
from wfdeploy.localserver.tenants import TENANTS


def test_rotated_keys_are_kept(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        rotated = http.post("/v2/keys/rotate").json()
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert http.get("/v2/keys").json() == rotated
        assert (server.tenant.current_key, server.tenant.next_key) == (rotated["current"], rotated["next"])


def test_banner_can_be_pasted_into_a_shell() -> None:
    text = tenants.banner(url="http://127.0.0.1:8080", demo_url="http://127.0.0.1:8081", database="x.db")
    exported = dict(
        word.split("=", 1) for line in text.splitlines() if line.startswith("export ") for word in shlex.split(line)[1:]
    )
    assert exported == {**tenants.environment("http://127.0.0.1:8080"), "QSTASH_DEV": "true"}
    assert exported["QSTASH_CURRENT_SIGNING_KEY"] == "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"
    assert "http://127.0.0.1:8081/demo/" in text
    assert "QSTASH_DEV_PORT=9000" in tenants.banner(url="http://127.0.0.1:9000")
    assert "web page: http://127.0.0.1:9000/\n" in tenants.banner(url="http://127.0.0.1:9000")
    assert "in memory" in tenants.banner(url="http://127.0.0.1:9000")


@pytest.mark.usefixtures("deliveries_held")
def test_users_are_separate(server: LocalServer) -> None:
    with api_for(server) as mine, api_for(server, TENANTS[1].token) as theirs:
        Api(mine).trigger("wfr_a")
        assert "deduplicated" not in Api(theirs).trigger("wfr_a").json()[0]
        assert len(Api(mine).logs()["runs"]) == 1
        theirs.delete("/v2/workflows/runs/wfr_a")
        assert Api(mine).state("wfr_a") == "RUN_STARTED"
        assert mine.get("/v2/keys").json() != theirs.get("/v2/keys").json()
