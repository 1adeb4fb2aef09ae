"""`wfdeploy dev` as users start it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from wfdeploy.localserver.tenants import DEFAULT_TENANT

pytest.importorskip("starlette")

DEADLINE_S = 30.0


def test_a_day_passes_in_a_second(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wfdeploy", "dev", "--port", "0", "--time-scale", "86400", "--db", "x.db"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        banner = "".join(iter(server.stdout.readline, "A development server: not for production. Ctrl-C stops it.\n"))
        assert "time runs 86400 times as fast" in banner
        url, demo = (re.findall(rf"http://127\.0\.0\.1:\d+{path}", banner)[0] for path in ("", "/demo/"))
        headers = {"Authorization": f"Bearer {DEFAULT_TENANT.token}", "Upstash-Delay": "1d"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
            http.post(f"/v2/trigger/{demo}x", headers={"Upstash-Workflow-RunId": "wfr_a"}).raise_for_status()
            deadline = time.monotonic() + DEADLINE_S
            while (run := http.get("/v2/workflows/logs").json()["runs"][0])["workflowState"] == "RUN_STARTED":
                assert time.monotonic() < deadline
        assert run["workflowState"] == "RUN_SUCCESS"
        assert run["workflowRunCompletedAt"] - run["workflowRunCreatedAt"] > 86_400_000
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "x", "0.5"])
def test_a_scale_that_cannot_be(tmp_path: Path, scale: str) -> None:
    command = [sys.executable, "-m", "wfdeploy", "dev", "--time-scale", scale]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert ran.returncode == 64
