"""The embedded server killed at any moment: every run goes on where it was, every step is recorded once.

What a kill leaves is what was committed. So the file is copied after each commit of a whole day of workflows, with
every kind of step, and a server begins anew on each copy. A second test kills real processes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.step_endpoint import StepEndpoint
from wfdeploy.localserver import database
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.serve import LocalServer
from wfdeploy.localserver.services import Services
from wfdeploy.localserver.tenants import DEFAULT_TENANT
from wfdeploy.testing.apps import serving

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
    row = services.ledger.connection.execute(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE event_id = 'approved' AND state = 'pending')"
        " OR EXISTS (SELECT 1 FROM dlq WHERE callback_state = 'CALLBACK_SUCCESS')"
    ).fetchone()
    return bool(row[0])


def drive(server: LocalServer, clock: ManualClock, endpoint: StepEndpoint, url: str) -> None:
    """Let time go by until nothing is left to happen."""
    with contextlib.closing(Operator(server.url, endpoint, url)) as operator:
        while operator.act() or server.pass_time(clock, is_wanted):
            pass


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


@dataclass(frozen=True)
class Copy:
    """The file as it was after a commit, when that was by the server's clock, and how the endpoint was then."""

    file: Path
    now_ms: int
    is_healed: bool


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


@pytest.fixture
def where() -> dict[str, str]:
    """Where the server is at present."""
    return {}


@pytest.fixture
def endpoint(where: dict[str, str]) -> Iterator[StepEndpoint]:
    it = StepEndpoint(lambda: where["url"], DEFAULT_TENANT.token)
    yield it
    it.close()


@pytest.fixture
def url(endpoint: StepEndpoint) -> Iterator[str]:
    with serving(Third(endpoint)) as base:
        yield base


def record(folder: Path, where: dict[str, str], endpoint: StepEndpoint, url: str) -> list[Copy]:
    """Let everything happen once, and copy the file after each commit."""
    copies: list[Copy] = []
    clock = ManualClock(int(time.time() * 1000), real_endpoints=True)
    whole = database.transaction

    @contextlib.contextmanager
    def copied(connection: sqlite3.Connection) -> Iterator[None]:
        with whole(connection):
            yield
        copy = folder / f"{len(copies)}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{folder / 'whole.db'}{suffix}", f"{copy}{suffix}")
        copies.append(Copy(copy, clock.now_ms(), endpoint.is_healed))

    with pytest.MonkeyPatch.context() as patch, LocalServer(folder / "whole.db", clock=clock) as server:
        patch.setattr(database, "transaction", copied)
        where["url"] = server.url
        drive(server, clock, endpoint, url)
    return copies


SHARDS = 4


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_moment_at_which_it_may_be_killed(
    tmp_path: Path, where: dict[str, str], endpoint: StepEndpoint, url: str, shard: int
) -> None:
    copies = record(tmp_path, where, endpoint, url)
    check(tmp_path / "whole.db")
    assert len(copies) > 80
    for number, copy in itertools.islice(enumerate(copies), shard, None, SHARDS):
        print(f"killed after commit {number} of {len(copies)}")
        clock = ManualClock(copy.now_ms, real_endpoints=True)
        endpoint.is_healed = copy.is_healed
        with LocalServer(copy.file, clock=clock) as server:
            where["url"] = server.url
            drive(server, clock, endpoint, url)
        check(copy.file)


PROGRAM = """
import sys
from pathlib import Path
from wfdeploy.localserver.clock import SystemClock
from wfdeploy.localserver.serve import LocalServer, serve_forever

server = LocalServer(Path(sys.argv[1]), clock=SystemClock(scale=20_000))
serve_forever(server, on_ready=lambda running: print(running.url, flush=True))
"""
"""A day takes four seconds."""


@contextlib.contextmanager
def process(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_times_again_and_again(
    tmp_path: Path, where: dict[str, str], endpoint: StepEndpoint, url: str, seed: int
) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    file = tmp_path / "x.db"
    for _ in range(10):
        with process(file) as (_, where["url"]):
            ends = time.monotonic() + chance.uniform(0.02, 0.5)
            with contextlib.closing(Operator(where["url"], endpoint, url)) as operator:
                while time.monotonic() < ends:
                    operator.act()
    with process(file) as (child, where["url"]):
        deadline = time.monotonic() + 30
        with (
            contextlib.closing(Operator(where["url"], endpoint, url)) as operator,
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
        ):
            while operator.act() or in_progress(connection):
                assert time.monotonic() < deadline
        child.terminate()
        child.wait(10)
    check(file)


def in_progress(connection: sqlite3.Connection) -> int:
    pending = "SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'waiting')"
    return int(connection.execute(pending).fetchone()[0])
