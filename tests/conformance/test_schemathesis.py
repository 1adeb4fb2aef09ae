"""schemathesis holds the server to its own OpenAPI document: all its checks, all its phases, over real HTTP.

It sends what the document allows and what it forbids, and looks for answers that the document does not have: other
statuses, headers, content types and shapes, a bad request that is accepted, a good one that is refused, a method or a
missing token that is not noticed. To try other requests than CI's: `WFDEPLOY_SCHEMATHESIS_SEED=7`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import api_for

HERE = Path(__file__).parent
SEED = os.environ.get("WFDEPLOY_SCHEMATHESIS_SEED", "1")
EXAMPLES = 15
"""Per operation and phase."""
TIMEOUT_S = 600


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def fill(server: LocalServer, http: httpx.Client) -> None:
    """Runs that failed, their failure callbacks too, and one that is in progress; then nothing leaves the machine."""
    nobody = "http://127.0.0.1:9/wf"  # the discard port, where nothing listens
    headers = {"Upstash-Retries": "0", "Upstash-Failure-Callback": nobody, "Upstash-Label": "failed"}
    items = [{"destination": nobody, "headers": headers, "body": "{}"} for _ in range(50)]
    assert http.post("/v2/batch/trigger", json=items).status_code == 201
    server.wait_all_ended(30)
    server.wait_idle(30)
    server.faults.hold_deliveries = True
    assert http.post(f"/v2/trigger/{nobody}", headers={"Upstash-Workflow-RunId": "wfr_here"}).status_code == 200


@pytest.mark.slow
def test_the_server_does_what_its_document_says(server: LocalServer, tmp_path: Path) -> None:
    with api_for(server) as http:
        fill(server, http)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"{server.url}/openapi.json",
        f"--header=Authorization: Bearer {server.token}",
        f"--max-examples={EXAMPLES}",
        f"--seed={SEED}",
        "--checks=all",
        "--continue-on-failure",
        "--output-sanitize=false",
        "--no-color",
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")}
    # In a folder of its own, since it leaves files behind.
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout}\n{done.stderr}"
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout.split("Test Phases:")[1], done.stdout
