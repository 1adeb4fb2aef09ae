"""A command's trace, from the command line to a collector; and nothing where none was requested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.collector import Collector, attributes
from wfdeploy.wiring.telemetry import name_of

MANIFEST = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: jobs}
spec:
  destination: "${{ vars.app_url }}/demo/secret-path"
  runs: [{name: secret-name, body: secret-body}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/jobs.yaml").write_text(MANIFEST)
    return tmp_path


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "WFDEPLOY_"))}
    command = [sys.executable, "-m", "wfdeploy", *arguments]
    return subprocess.run(
        command, cwd=folder, env=kept | environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_apply_is_traced_from_loading_to_the_last_commit(folder: Path) -> None:
    with Collector() as collector:
        done = run(
            folder, "apply", "--local", "--yes", "manifests/jobs.yaml", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
        assert done.returncode == 0, done.stderr
        spans = collector.spans
        assert spans[0].name == "wfdeploy apply"
        assert {span.name for span in spans} >= {"load", "plan", "batch", "commit", "listing"}
        assert {"runs": 1, "reply": "Answered"} in [attributes(span) for span in spans if span.name == "batch"]
        assert collector.metrics["wfdeploy.runs"] == {"triggered": 1}
        assert not any(b"secret-" in body for _, body in collector.bodies), "names, counts and durations only"


def test_nothing_is_loaded_or_sent_unless_the_variables_are_set(folder: Path) -> None:
    program = (
        "import sys; from wfdeploy.__main__ import main\ntry: main()\nfinally: print([*sys.modules], file=sys.stderr)"
    )
    kept = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program, "plan", "--local"],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "wfdeploy.wiring.telemetry" in done.stderr
    assert "opentelemetry" not in done.stderr


def test_an_env_file_of_the_checkout_starts_none(folder: Path) -> None:
    with Collector() as collector:
        (folder / "some.env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\n")
        done = run(folder, "plan", "--local", "--env-file", "some.env")
        assert done.returncode == 0, done.stderr
        assert collector.bodies == []


def test_another_protocol_is_said_to_those_who_look_closer(folder: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    done = run(folder, "plan", "--local", "-v", **variables)
    assert (done.returncode, "has to be http/protobuf" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("wfdeploy apply manifests/a.yaml --var token=x", "apply"),
        ("wfdeploy state mv jobs/a jobs/b", "state mv"),
        ("wfdeploy rollout approve slow", "rollout approve"),
        ("wfdeploy -v", ""),
        ("Project.apply in Python", "Project.apply"),
    ],
)
def test_the_name_of_a_command_has_no_arguments(command: str, name: str) -> None:
    assert name_of(command) == name
