"""`wfdeploy render` in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.golden_files import command_line

PROJECT = """\
apiVersion: wfdeploy/v1
kind: Project
metadata: {name: shop}
spec:
  vars: {app_url: "https://app.example.com"}
  secrets: [APP_TOKEN, DB]
"""
MANIFEST = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: invoices}
spec:
  destination: ${{ vars.app_url }}/wf
  defaults:
    retries: 5
    headers: {Authorization: "Bearer ${{ secrets.APP_TOKEN }}", X-Card: "4111"}
    redact: {headers: [x-card]}
  runs:
    - name: one
      workflowRunId: mine-1
      body: {a: [1, null], dsn: "${{ secrets.DB }}"}
      labels: [x]
    - name: eu
      forEach: {file: ../data/customers.csv}
      key: ${{ row.id }}
      redact: {body: true, headers: [X-Card]}
      headers: {X-Name: "${{ row.name }}"}
      body: ${{ row }}
    - name: bare
      headers: ~
      retries: ~
      redact: ~
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "wfdeploy.yaml").write_text(PROJECT)
    (tmp_path / "manifests" / "invoices.yaml").write_text(MANIFEST)
    (tmp_path / "data" / "customers.csv").write_text('id,name\nc1,"Ann"\nc[2]\u202e,Bob\n')
    monkeypatch.chdir(tmp_path)


def test_every_run_is_a_yaml_document() -> None:
    ran = command_line("render", environ={"APP_TOKEN": "s3cr3t-token", "DB": "s3cr3t-dsn"})
    assert (ran.code, ran.stderr) == (0, "")
    assert "s3cr3t" not in ran.stdout
    assert "4111" not in ran.stdout
    assert "\u202e" not in ran.stdout
    bare, first, second, one = yaml.safe_load_all(ran.stdout)
    assert bare == {"address": "invoices/bare", "destination": "https://app.example.com/wf"}
    assert one == {
        "address": "invoices/one",
        "workflowRunId": "mine-1",
        "destination": "https://app.example.com/wf",
        "contentType": "application/json",
        "headers": {"authorization": "Bearer ${{ secrets.APP_TOKEN }}", "x-card": "(redacted)"},
        "body": {"a": [1, None], "dsn": "${{ secrets.DB }}"},
        "retries": 5,
        "labels": ["x"],
        "redact": {"body": False, "headers": ["x-card"]},
    }
    assert first["headers"]["x-name"] == "Ann"
    assert (first["address"], first["body"]) == ("invoices/eu[c1]", "(redacted)")
    assert second["address"] == "invoices/eu[c[2]%E2%80%AE]"
    assert "# data/customers.csv:2\n" in ran.stdout
    assert "# manifests/invoices.yaml:12\n" not in ran.stdout


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("invoices/one", ["invoices/one"]),
        ("invoices/eu[c1]", ["invoices/eu[c1]"]),
        ("invoices/eu[*]", ["invoices/eu[c1]", "invoices/eu[c[2]%E2%80%AE]"]),
        ("invoices", ["invoices/bare", "invoices/eu[c1]", "invoices/eu[c[2]%E2%80%AE]", "invoices/one"]),
    ],
)
def test_an_address_narrows_it(address: str, found: list[str]) -> None:
    ran = command_line("render", "manifests/invoices.yaml", address, "--output", "json")
    value = json.loads(ran.stdout)
    assert value["formatVersion"] == 1
    assert [request["address"] for request in value["requests"]] == found


def test_json_names_the_row() -> None:
    ran = command_line("render", "manifests", "invoices/eu[c1]", "--output", "json")
    (request,) = json.loads(ran.stdout)["requests"]
    assert request["source"] == {"file": "manifests/invoices.yaml", "line": 15, "data": "data/customers.csv", "row": 2}
    assert request["fingerprint"].startswith("1:")
    assert "workflowRunId" not in request


def test_an_address_that_matches_nothing_is_a_usage_error() -> None:
    ran = command_line("render", "manifests", "invoices/nobody")
    assert ran.code == 64
    assert "no declared run matches invoices/nobody" in ran.stderr


def test_variables_and_errors() -> None:
    ran = command_line("render", "manifests", "invoices/bare", "--var", "app_url=https://other.example.com")
    assert "https://other.example.com/wf" in ran.stdout
    Path("data/customers.csv").write_text("id\nx\n")
    ran = command_line("render")
    assert ran.code == 4
    assert "manifests/invoices.yaml:19:" in ran.stdout + ran.stderr


def test_a_made_up_time_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: nightly}\n"
        "spec:\n  destination: https://app.example.com/wf\n  schedule: {cron: '0 3 * * *'}\n"
        "  runs: [{name: ok, body: {at: '${{ schedule.time }}'}}]\n",
        encoding="utf-8",
    )
    shown = command_line("render", "a.yaml").stdout
    assert "# recurring: 2000-01-01T00:00:00Z is made up and stands for the time of any instance" in shown
    (one,) = json.loads(command_line("render", "a.yaml", "-o", "json").stdout)["requests"]
    assert one["exampleTime"] == one["request"]["body"]["at"]
    instance = command_line("render", "a.yaml", "nightly/ok@2026-11-24T03:00:00Z").stdout
    assert "2026-11-24T03:00:00Z" in instance
    assert "recurring" not in instance
