"""A probe against the embedded server, honest and through a relay that lies: which line says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

pytest.importorskip("starlette")

from tests.fakes.raw_http import RawRequest
from tests.support.command import Checkout, Result
from tests.support.local_server import LocalServer
from tests.support.relay import Relay
from tests.support.turnstile import is_listing, is_trigger
from tests.support.workbench import group, run
from wfdeploy.errors import ExitCode
from wfdeploy.model.workflow_id import parse_run_id
from wfdeploy.testing.apps import serving

LOG_LAG_S = 0.1

NOT_TOLD = {"disk"}
"""What no probe can tell."""


class LyingRelay(Relay):
    """Passes everything on, and alters what a test says."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.requested: Callable[[RawRequest], RawRequest] = lambda request: request
        self.answered: Callable[[RawRequest, int, Any], tuple[int, Any]] = lambda _, status, value: (status, value)

    def ask(self, request: RawRequest) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = super().ask(self.requested(request))
        status, value = self.answered(request, status, json.loads(body))
        return status, headers, json.dumps(value).encode()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving(_finish) as url:
        yield url


async def _finish(scope: Any, receive: Any, send: Any) -> None:
    """An endpoint that is no workflow."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def relay(server: LocalServer) -> Iterator[LyingRelay]:
    with LyingRelay(server.url) as relay:
        yield relay


@pytest.fixture
def checkout(tmp_path: Path, server: LocalServer, relay: LyingRelay) -> Checkout:
    checkout = Checkout(tmp_path / "project", relay.url, server.tenant.token, server={"logLag": f"{LOG_LAG_S}s"})
    checkout.write(group("g", [run("a")], destination="https://app.example.com/wf"))
    checkout.state_file.parent.mkdir(parents=True)
    return checkout


def probe(checkout: Checkout, endpoint: str) -> tuple[Result, dict[str, str], dict[str, Any]]:
    """The command's result; what it says of each assumption; all of the report."""
    ran = checkout.here("doctor", "--probe", "--yes", "--destination", endpoint, "--output", "json")
    report = json.loads(ran.stdout)["probe"]
    assert report is not None, ran.stdout
    return ran, {one["name"]: one["result"] for one in report["assumptions"]}, report


def of_run(run: dict[str, Any], name: str) -> bool:
    return str(run["workflowRunId"]).endswith(f"-{name}")


def in_listing(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Any:
    def answered(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        return (status, {**value, "runs": change(value["runs"])}) if is_listing(request) else (status, value)

    return answered


def only_failing(results: dict[str, str]) -> set[str]:
    return {name for name, result in results.items() if result == "does not hold"}


def test_against_the_embedded_server_all_hold(checkout: Checkout, endpoint: str, server: LocalServer) -> None:
    ran, results, report = probe(checkout, endpoint)
    assert ran.code == ExitCode.OK, ran.stdout
    assert {name for name, result in results.items() if result != "holds"} == NOT_TOLD
    assert report["triggered"] == 5
    assert report["logLagSeconds"] > 0
    assert (report["suggestions"], report["uncancelled"], report["leftovers"]) == ([], [], 0)
    ours = [each for each in server.accepted() if "wfdeploy-doctor" in each.run_id]
    assert len(ours) == 5
    assert all(parse_run_id(each.run_id) is None for each in ours)
    assert sorted(each.state for each in ours)[:4] == ["RUN_CANCELED"] * 4
    assert not [each for each in ours if each.state == "RUN_STARTED"]


def test_without_a_destination_nothing_is_delivered(checkout: Checkout, relay: LyingRelay) -> None:
    ran = checkout.here("doctor", "--probe", "--yes")
    assert ran.code == ExitCode.OK, ran.stdout
    items = [item for request in relay.triggers for item in request.items]
    assert items
    assert all(item["headers"]["Upstash-Delay"] == "3600s" for item in items)
    assert {item["destination"] for item in items} == {"https://wfdeploy-doctor.invalid/", "no URL"}


def test_no_plan_sees_a_probe(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def unfiltered(request: RawRequest) -> RawRequest:
        path, _, query = request.target.partition("?")
        kept = urlencode([pair for pair in parse_qsl(query) if pair[0] != "label"])
        return replace(request, target=f"{path}?{kept}") if is_listing(request) else request

    probe(checkout, endpoint)
    relay.requested = unfiltered
    planned = checkout.here("plan", "--output", "json")
    assert planned.code == ExitCode.OK, planned.stderr
    assert [change["action"] for change in json.loads(planned.stdout)["changes"]] == ["trigger"]


# --- lies ----------------------------------------------------------------------------------------------------


def test_a_server_that_never_lists(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    relay.answered = in_listing(lambda runs: [])
    ran, results, report = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"log-lag"}
    assert results["delayed"] == results["labels"] == results["reserved"] == "cannot be told"
    assert report["logLagSeconds"] is None


def test_a_server_that_lists_too_late(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    listings: list[RawRequest] = []

    def late(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        if not is_listing(request) or not any(each.items for each in relay.triggers):
            return status, value
        listings.append(request)
        return status, {**value, "runs": value["runs"] if len(listings) > 4 else []}

    relay.answered = late
    ran, results, report = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"log-lag"}
    assert [one["setting"] for one in report["suggestions"]] == ["server.logLag"]
    assert report["logLagSeconds"] > LOG_LAG_S


def test_a_server_that_hides_delayed_runs(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    relay.answered = in_listing(lambda runs: [each for each in runs if of_run(each, "now")])
    ran, results, _ = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"delayed"}
    assert results["log-lag"] == "holds"


def test_a_server_that_ignores_the_label(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def requested(request: RawRequest) -> RawRequest:
        path, _, query = request.target.partition("?")
        kept = urlencode([pair for pair in parse_qsl(query) if pair[0] != "label"])
        return replace(request, target=f"{path}?{kept}") if is_listing(request) else request

    relay.requested = requested
    ran, results, _ = probe(checkout, endpoint)
    assert only_failing(results) == {"filter"}
    assert ran.code == ExitCode.OK, "no guarantee rests on it"


def test_a_server_that_hides_labels(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def bare(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in each.items() if "label" not in name} for each in runs]

    relay.answered = in_listing(bare)
    ran, results, _ = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"labels"}


def test_a_server_that_reorders_ids(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def reordered(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        if is_trigger(request) and status == 201 and all("workflowRunId" in item for item in value):
            return status, value[::-1]
        return status, value

    relay.answered = reordered
    ran, results, _ = probe(checkout, endpoint)
    assert only_failing(results) == {"order"}
    assert ran.code == ExitCode.OK, "ids are matched by themselves"


@pytest.mark.parametrize("admits", [True, False])
def test_a_server_that_triggers_twice(admits: bool, checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    """The relay lets a second run begin under another id, and shows it under the first one's."""
    seen: set[str] = set()

    def requested(request: RawRequest) -> RawRequest:
        if not is_trigger(request):
            return request
        items = request.items
        for item in items:
            headers = item["headers"]
            if headers["Upstash-Workflow-RunId"] in seen:
                headers["Upstash-Workflow-RunId"] += ".twin"
            seen.add(headers["Upstash-Workflow-RunId"])
        return replace(request, body=json.dumps(items).encode())

    def renamed(entry: dict[str, Any]) -> dict[str, Any]:
        run_id = entry.get("workflowRunId", "")
        if not run_id.endswith(".twin"):
            return entry
        more = {} if admits or "workflowState" in entry else {"deduplicated": True}
        return {**entry, **more, "workflowRunId": run_id.removesuffix(".twin")}

    def answered(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        if is_trigger(request) and status == 201:
            return status, [renamed(item) for item in value]
        return in_listing(lambda runs: [renamed(each) for each in runs])(request, status, value)  # type: ignore[no-any-return]

    relay.requested, relay.answered = requested, answered
    ran, results, _ = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert "reserved" in only_failing(results)
    assert only_failing(results) <= {"reserved", "cancel"}, "the twin is beyond our reach"


def test_a_server_that_starts_what_it_refuses(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def answered(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        refuses = is_trigger(request) and any(item["destination"] == "no URL" for item in request.items)
        return (400, {"error": "one of these has a bad destination"}) if refuses else (status, value)

    relay.answered = answered
    ran, results, report = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"refusals"}
    assert report["triggered"] == 5
    assert not report["uncancelled"]


def test_a_server_whose_logs_have_another_clock(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def hour_ahead(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "workflowRunCreatedAt": each["workflowRunCreatedAt"] + 3_600_000} for each in runs]

    relay.answered = in_listing(hour_ahead)
    ran, results, _ = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"clocks"}


def test_a_server_that_ignores_cancels(checkout: Checkout, endpoint: str, relay: LyingRelay) -> None:
    def kept_alive(request: RawRequest) -> RawRequest:
        target = "/v2/workflows/runs?workflowRunIds=wfr_nobody"
        return replace(request, target=target) if request.method == "DELETE" else request

    def answered(request: RawRequest, status: int, value: Any) -> tuple[int, Any]:
        wanted = request.target.count("workflowRunIds=")
        return (200, {"cancelled": wanted}) if request.method == "DELETE" else (status, value)

    relay.requested, relay.answered = kept_alive, answered
    ran, results, report = probe(checkout, endpoint)
    assert ran.code == ExitCode.PARTIAL
    assert only_failing(results) == {"cancel"}
    assert len(report["uncancelled"]) == 4

    relay.requested, relay.answered = (lambda request: request), (lambda _, status, value: (status, value))
    _, results, report = probe(checkout, endpoint)
    assert report["leftovers"] == 4, "the next one finds what this one left"
    assert not only_failing(results)
