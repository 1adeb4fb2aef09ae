"""`wfdeploy explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN, command_line
from wfdeploy.errors import ExitCode


@pytest.mark.parametrize(
    "field",
    [
        "manifest",
        "project",
        "runs.retries",
        "defaults.flowControl",
        "project.environments",
        "runs.forEach",
        "runs.labels",
        "headers",
        "policy.onChange",
    ],
)
def test_text(field: str, golden: Callable[[Path, str], None]) -> None:
    ran = command_line("explain", field)
    assert (ran.code, ran.stderr) == (0, "")
    assert max(map(len, ran.stdout.splitlines())) <= 120
    golden(GOLDEN / "explain" / f"{field}.txt", ran.stdout)


def test_json() -> None:
    said = json.loads(command_line("explain", "runs.flowControl", "--output", "json").stdout)
    assert said["formatVersion"] == 1
    assert (said["document"], said["field"], said["type"]) == ("manifest", "spec.runs[].flowControl", "mapping")
    assert [header["name"] for header in said["headers"]] == ["Upstash-Flow-Control-Key", "Upstash-Flow-Control-Value"]
    assert said["fields"][0]["name"] == "key"
    assert said["fields"][0]["required"]
    assert said["examples"][0]["key"] == "onboard"


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("runs.labels", "Upstash-Label"),
        ("runs.workflowRunId", "Upstash-Workflow-RunId"),
        ("defaults.headers", "Upstash-Forward-NAME"),
        ("runs.flowControl.period", "Upstash-Flow-Control-Value"),
        ("runs.body", None),
        ("policy.onChange", None),
    ],
)
def test_the_header_of_a_field(field: str, header: str | None) -> None:
    said = json.loads(command_line("explain", field, "--output", "json").stdout)
    assert [each["name"] for each in said.get("headers", [])] == ([] if header is None else [header])


def test_a_wrong_field() -> None:
    ran = command_line("explain", "runs.retrise")
    assert ran.code == ExitCode.USAGE
    assert "did you mean runs.retries?" in ran.stderr
