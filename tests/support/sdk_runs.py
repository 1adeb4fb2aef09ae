"""What tests with the SDKs ask of the embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.local_server import LocalServer


@contextmanager
def client_of(server: LocalServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        yield client


def trigger(http: httpx.Client, run_id: str, url: str, body: str = "{}", **options: str) -> None:
    """Keywords become headers: `Upstash_Retries="2"`."""
    headers = {"Upstash-Workflow-RunId": run_id, **{name.replace("_", "-"): text for name, text in options.items()}}
    answer = http.post("/v2/batch/trigger", json=[{"destination": url, "headers": headers, "body": body}])
    assert answer.status_code == 201
    assert "deduplicated" not in answer.json()[0]


def run_of(http: httpx.Client, run_id: str) -> dict[str, Any]:
    """The newest run of this id, as the logs have it."""
    run: dict[str, Any] = http.get("/v2/workflows/logs", params={"workflowRunId": run_id}).json()["runs"][0]
    return run


def steps_of(http: httpx.Client, run_id: str) -> list[tuple[str, str]]:
    """Name and state of each recorded step."""
    return [
        (step["stepName"], step["state"])
        for group in run_of(http, run_id)["steps"]
        if group["type"] != "next"
        for step in group["steps"]
    ]
