"""The server as a whole: starting, stopping, and going on after a kill."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received, api_for, for_plain_endpoints
from wfdeploy.localserver.serve import find_running
from wfdeploy.localserver.tenants import DEFAULT_TENANT

PROGRAM = """
import sys
from pathlib import Path
from tests.support.local_server import LocalServer
from wfdeploy.localserver.fault_plan import FaultPlan, Handshakes
from wfdeploy.localserver.serve import serve_forever

server = LocalServer(Path(sys.argv[1]), faults=FaultPlan(handshakes=Handshakes.OFF), announce=True)
received = serve_forever(server, on_ready=lambda running: print(running.url, flush=True))
print(received.name, flush=True)
"""


@contextlib.contextmanager
def process(database: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(database)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            if child.poll() is None:
                child.kill()
            child.wait(10)


def client(url: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {DEFAULT_TENANT.token}"}, trust_env=False, timeout=10
    )


def test_it_starts_and_stops_without_a_trace() -> None:
    with LocalServer() as server:
        pass  # the modules are loaded now
    before = set(threading.enumerate())
    descriptors = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    started = time.perf_counter()
    with LocalServer(demo=True) as server, api_for(server) as http:
        assert Api(http).trigger("wfr_a", url=f"{server.demo_url}/demo/x").status_code == 201
        server.wait_idle()
    assert time.perf_counter() - started < 2
    gc.collect()
    assert set(threading.enumerate()) <= before  # a thread of a test before may have ended meanwhile
    if descriptors:
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    with pytest.raises(RuntimeError, match="not running"):
        server.accepted()


def test_stopping_does_not_wait_for_a_slow_endpoint(endpoint: Endpoint) -> None:
    let_go = threading.Event()

    def answer(_: Received) -> Answer:
        let_go.wait(10)
        return 200, WORKFLOW, b""

    endpoint.answer = answer
    with LocalServer() as server, api_for(server) as http:
        Api(http).trigger("wfr_a", url=endpoint.url)
        deadline = time.monotonic() + 10
        while not endpoint.requests and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 2
    let_go.set()


def test_interrupt_while_starting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            LocalServer().start()
    assert set(threading.enumerate()) <= before  # a thread of a test before may have ended meanwhile


def test_server_can_be_started_again(tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "x.db")
    for _ in range(2):
        with server, client(server.url) as http:
            assert http.get("/v2/keys").status_code == 200
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_foreground_server_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    database = tmp_path / "x.db"
    with process(database) as (child, url):
        assert find_running(database) == url
        child.send_signal(number)
        assert child.stdout is not None
        assert child.stdout.readline().strip() == number.name
        assert child.wait(10) == 0
    assert find_running(database) is None


def test_everything_goes_on_after_a_kill(tmp_path: Path, endpoint: Endpoint) -> None:
    """Killed while deliveries are open and others are delayed; restarted on the same file."""
    database = tmp_path / "x.db"
    hang, hanging = threading.Event(), threading.Event()

    def answer(request: Received) -> Answer:
        if not hang.is_set():
            hanging.set()
            hang.wait(20)
        return 200, WORKFLOW, b""

    endpoint.answer = answer
    with process(database) as (child, url):
        with client(url) as http:
            api = Api(http)
            created = api.trigger("wfr_open", url=endpoint.url).json()[0]["workflowCreatedAt"]
            api.trigger("wfr_later", url=endpoint.url, Upstash_Delay="1s")
            assert hanging.wait(10)
        child.kill()
        child.wait(10)
    hang.set()
    endpoint.requests.clear()
    with LocalServer(database, faults=for_plain_endpoints()) as server, api_for(server) as http:
        server.wait_until(lambda _: len(endpoint.requests) == 2)
        arrived = sorted(request.headers["upstash-workflow-runid"] for request in endpoint.requests)
        assert arrived == ["wfr_later", "wfr_open"]
        # Its id is still reserved, and it is the same run.
        again = Api(http).trigger("wfr_open", url=endpoint.url).json()[0]
        assert again == {"workflowRunId": "wfr_open", "workflowCreatedAt": created, "deduplicated": True}
        assert server.accepted_counts() == {"wfr_open": 1, "wfr_later": 1}


@pytest.mark.parametrize("batches", [1, 7, 20])
def test_what_was_answered_survives_a_kill(tmp_path: Path, batches: int) -> None:
    """A batch that was answered is there as a whole; one that was under way is there as a whole or not at all."""
    database = tmp_path / "x.db"
    answered = threading.Event()
    sent: list[int] = []
    confirmed: list[int] = []

    def send(url: str) -> None:
        with client(url) as http, contextlib.suppress(httpx.HTTPError):
            for number in itertools.count():
                sent.append(number)
                answer = Api(http).trigger(*(f"wfr_{number}_{item}" for item in range(100)), Upstash_Delay="1d")
                assert answer.status_code == 201
                confirmed.append(number)
                if len(confirmed) == batches:
                    answered.set()

    with process(database) as (child, url):
        sender = threading.Thread(target=send, args=(url,))
        sender.start()
        assert answered.wait(20)
        child.kill()
        child.wait(10)
        sender.join(20)
    with LocalServer(database, faults=for_plain_endpoints()) as server:
        counts = server.accepted_counts()
    assert set(counts.values()) == {1}
    complete = {number for number in sent if all(f"wfr_{number}_{item}" in counts for item in range(100))}
    assert len(counts) == 100 * len(complete)
    assert complete >= set(confirmed)


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5])
def test_steps_are_recorded_once_across_kills(tmp_path: Path, endpoint: Endpoint, moment: int) -> None:
    """A workflow of four steps; its server is killed between a submission and the answer to the delivery around it."""
    database = tmp_path / "x.db"
    where: dict[str, str] = {}
    deliveries = itertools.count(1)
    submitted = threading.Event()
    reachable = threading.Event()  # the server that is started again delivers before its address is known here
    reachable.set()

    def answer(request: Received) -> Answer:
        number = next(deliveries)
        assert reachable.wait(10)
        with contextlib.suppress(httpx.HTTPError):  # the server is gone
            take_next_step(request, where["url"], endpoint.url)
        if number == moment:
            submitted.set()
            threading.Event().wait(0.05)
        return 200, WORKFLOW, b""

    endpoint.answer = answer
    with process(database) as (child, url):
        where["url"] = url
        with client(url) as http:
            Api(http).trigger("wfr_a", url=endpoint.url)
        assert submitted.wait(10)
        reachable.clear()
        child.kill()
        child.wait(10)
    with LocalServer(database, faults=for_plain_endpoints()) as server:
        where["url"] = server.url
        reachable.set()
        assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
        with api_for(server) as http:
            groups = Api(http).logs()["runs"][0]["steps"]
        recorded = [step.get("stepId") for group in groups if group["type"] == "sequential" for step in group["steps"]]
        assert recorded == [None, 1, 2, 3, 4]


def take_next_step(request: Received, server_url: str, own_url: str) -> None:
    """What an SDK does inside a delivery: submit the next of four steps, or finish."""
    done = len(json.loads(request.body)) - 1
    with client(server_url) as http:
        if done == 4:
            http.delete("/v2/workflows/runs/wfr_a?cancel=false")
            return
        step = {"stepId": done + 1, "stepName": "s", "stepType": "Run", "out": "1", "concurrent": 1}
        headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
        http.post("/v2/batch", json=[{"destination": own_url, "headers": headers, "body": json.dumps(step)}])
