"""A day of workflows with every kind of step, and the one way in which it ends."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.local_server import LocalServer
from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.tenants import DEFAULT_TENANT

CHILD = ["run", "sleep 10m", "run"]


def workload(url: str) -> list[dict[str, Any]]:
    """One batch: a run with every kind of step, and others beside it."""
    main = [
        "run",
        ["run", f"call {url}/third", "sleep 1h", "wait approved"],
        "until 2h",
        [["invoke", f"{url}/child", CHILD], "run"],
        "notify done",
        f"call {url}/third",
        "run",
    ]
    queue = {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "parallelism=1, rate=2, period=1h"}
    runs: list[tuple[str, list[Any], dict[str, str]]] = [
        ("wfr_main", main, {}),
        ("wfr_listener", ["wait done", "run"], {}),
        ("wfr_fragile", ["run", ["run", "fragile"], "run"], {"Upstash-Retries": "1"}),
        ("wfr_delayed", ["run"], {"Upstash-Delay": "1d"}),
        *((f"wfr_queue_{number}", ["run"], queue) for number in range(3)),
    ]
    return [
        {
            "destination": f"{url}/wf",
            "headers": {"Upstash-Workflow-RunId": run_id, "Content-Type": "application/json", **options},
            "body": json.dumps(stages),
        }
        for run_id, stages, options in runs
    ]


STEPS = {"wfr_main": 11, "wfr_listener": 2, "wfr_fragile": 2, "wfr_delayed": 1} | {
    f"wfr_queue_{number}": 1 for number in range(3)
}
"""How many steps each run has recorded in the end; the fragile one fails before its third."""


class Operator:
    """Who starts the runs, approves what waits for it, and resumes what failed; whatever state the server is in."""

    def __init__(self, server_url: str, endpoint: StepEndpoint, url: str) -> None:
        self._http = httpx.Client(
            base_url=server_url,
            headers={"Authorization": f"Bearer {DEFAULT_TENANT.token}"},
            trust_env=False,
            timeout=10,
        )
        self._endpoint, self._url = endpoint, url

    def close(self) -> None:
        self._http.close()

    def act(self) -> bool:
        """Do what there is to be done; False when it was nothing. Raises: httpx.HTTPError, when the server is gone."""
        if not self._get("/v2/workflows/logs", workflowRunId="wfr_main")["runs"]:
            self._http.post("/v2/batch/trigger", json=workload(self._url)).raise_for_status()
            return True
        if self._get("/v2/waiters/approved"):
            self._http.post("/v2/notify/approved", json={"by": "me"}).raise_for_status()
            return True
        for letter in self._get("/v2/workflows/dlq")["messages"]:
            if letter["failureFunctionState"] == "CALLBACK_SUCCESS":
                self._endpoint.is_healed = True
                self._http.post(f"/v2/workflows/dlq/resume/{letter['dlqId']}").raise_for_status()
                return True
        return False

    def _get(self, path: str, **query: str) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()


def is_wanted(services: Services) -> bool:
    """Whether the operator has something to do."""
    row = services.store.connection.execute(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE event_id = 'approved' AND state = 'pending')"
        " OR EXISTS (SELECT 1 FROM dlq WHERE callback_state = 'CALLBACK_SUCCESS')"
    ).fetchone()
    return bool(row[0])


def drive(server: LocalServer, clock: ManualClock, endpoint: StepEndpoint, url: str) -> None:
    """Let time go by until nothing is left to happen."""
    with contextlib.closing(Operator(server.url, endpoint, url)) as operator:
        while operator.act() or server.pass_time(clock, is_wanted):
            pass


class Third:
    """The third party behind the endpoint's address."""

    def __init__(self, endpoint: StepEndpoint) -> None:
        self._endpoint = endpoint

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/third":
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            start("200 Said", [("Content-Length", "4")])
            return [b"paid"]
        return self._endpoint.wsgi(environ, start)


def check(file: Path) -> None:
    """The one outcome there is, whatever was killed when."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        runs = connection.execute("SELECT seq, run_id, url, state, failure FROM runs").fetchall()
        states = {run_id: state for _, run_id, _, state, _ in runs}
        assert Counter(states.values()) == {"RUN_SUCCESS": 8, "RUN_FAILED": 1}, states
        assert len(runs) == len(states)
        assert states["wfr_fragile"] == "RUN_FAILED"
        assert connection.execute("SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'waiting')").fetchone() == (
            0,
        )
        assert connection.execute("SELECT COUNT(*) FROM dlq").fetchone() == (0,)
        for seq, run_id, url, _, failure in runs:
            keys = [row[0] for row in connection.execute("SELECT step_key FROM messages WHERE run_seq = ?", (seq,))]
            results = [key for key in keys if key is not None and key.startswith("result:")]
            # The one that was invoked, and the one that was resumed, have names of their own.
            count = STEPS.get(run_id, 3 if url.endswith("/child") else 4)
            numbers = {1, 2} if run_id == "wfr_fragile" else set(range(1, count + 1))
            assert sorted(results) == sorted(f"result:{number}" for number in numbers), run_id
            assert keys.count("call:3") == (run_id == "wfr_main")
            if run_id == "wfr_fragile":
                assert json.loads(failure)["state"] == "CALLBACK_SUCCESS"


def in_progress(connection: sqlite3.Connection) -> int:
    pending = "SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'waiting')"
    return int(connection.execute(pending).fetchone()[0])
