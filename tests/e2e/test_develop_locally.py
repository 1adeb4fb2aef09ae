"""The guide docs/develop-locally.md, as it stands: its endpoints, its manifests, a failure and its resumption."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.local_server import LocalServer
from wfdeploy.localserver.clock import MachineClock
from wfdeploy.localserver.tenants import environment

GUIDE = Path(__file__).parents[2] / "docs" / "develop-locally.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
FASTAPI, FLASK = (text for language, text in BLOCKS if language == "python")
(EXPRESS,) = (text for language, text in BLOCKS if language == "js")
PROJECT, GROUP = (text for language, text in BLOCKS if language == "yaml")

PATIENT = {"Upstash-Retries": "500", "Upstash-Retry-Delay": "1000"}
"""Until the endpoint listens; a second is a tenth of one by the server's clock."""


@dataclass(frozen=True)
class Endpoint:
    """One of the guide's, as a program that can be started, mended and started again."""

    file: Path
    text: str
    command: Sequence[str]
    environ: dict[str, str]
    port: int

    def start(self, *, mended: bool = False) -> subprocess.Popen[bytes]:
        text = self.text.replace("3000", str(self.port))
        if mended:
            text, count = re.subn(r'^ *if .*"initech"(:\n.*raise .*|.* throw .*)\n', "", text, flags=re.MULTILINE)
            assert count == 1
        self.file.write_text(text, encoding="utf-8")
        return subprocess.Popen(self.command, cwd=self.file.parent, env=self.environ, stderr=subprocess.DEVNULL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    # Where `--local` looks for a server that runs.
    database = tmp_path / ".wfdeploy" / "local-server.db"
    with LocalServer(database, clock=MachineClock(scale=10), announce=True) as running:
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(params=["fastapi", "flask", "express"])
def endpoint(request: pytest.FixtureRequest, server: LocalServer, tmp_path: Path) -> Endpoint:
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("QSTASH", "UPSTASH"))}
    python = {**clean, **environment(server.url), "PYTHONDONTWRITEBYTECODE": "1"}
    match request.param:
        case "fastapi":
            command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "critical"]
            return Endpoint(tmp_path / "app.py", FASTAPI, command, python, port)
        case "flask":
            command = [sys.executable, "-m", "flask", "--app", "flask_app", "run", "--port", str(port)]
            return Endpoint(tmp_path / "flask_app.py", FLASK, command, python, port)
        case _:
            folder: Path = request.getfixturevalue("sdk_folder")
            file = folder / f"guide-{port}.mjs"
            # Nothing but this: the SDK finds the server by itself.
            found = {**clean, "QSTASH_DEV": "true", "QSTASH_DEV_PORT": server.url.rpartition(":")[2]}
            return Endpoint(file, EXPRESS, ["node", file.name], found, port)


def test_the_guide(server: LocalServer, endpoint: Endpoint, tmp_path: Path) -> None:
    url = f"http://localhost:{endpoint.port}/api/workflow/onboard"
    headers = {"Authorization": f"Bearer {server.token}"}
    (tmp_path / "wfdeploy.yaml").write_text(PROJECT.replace("3000", str(endpoint.port)), encoding="utf-8")
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "onboarding.yaml").write_text(GROUP, encoding="utf-8")
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=server.url, headers=headers, trust_env=False))
        running = stack.enter_context(endpoint.start())
        stack.callback(running.kill)
        started = http.post(f"/v2/trigger/{url}", content='{"tenant":"acme"}', headers=PATIENT).json()
        assert server.wait_ended(started["workflowRunId"], 60).state == "RUN_SUCCESS"

        applied = apply(tmp_path)
        assert applied.returncode == 7, applied.stdout + applied.stderr  # one of them failed
        states = {run.body: run.state for run in server.accepted()}
        assert states[b'{"tenant":"globex"}'] == "RUN_SUCCESS"
        assert states[b'{"tenant":"initech"}'] == "RUN_FAILED"

        running.kill()
        running.wait(10)
        mended = stack.enter_context(endpoint.start(mended=True))
        stack.callback(mended.kill)
        (entry,) = http.get("/v2/workflows/dlq").json()["messages"]
        assert "mail server" in entry["responseBody"]
        resumed = http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}", headers=PATIENT).json()
        assert server.wait_ended(resumed["workflowRunId"], 60).state == "RUN_SUCCESS"


def apply(folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("QSTASH", "WFDEPLOY"))}
    environ["PYTHONPATH"] = str(GUIDE.parents[1])
    command = [sys.executable, "-m", "wfdeploy", "apply", "--local", "--yes"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
