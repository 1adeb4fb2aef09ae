"""Command lines from end to end, on the embedded server."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.golden_files import command_line

pytest.importorskip("starlette")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    command_line("init", "--name", "shop")
    manifest = tmp_path / "manifests" / "hello.yaml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("delay: 2s", "delay: 0s"), encoding="utf-8")
    return tmp_path


def test_a_first_apply_and_the_ones_after() -> None:
    first = command_line("apply", "--local", "--output", "json")
    assert first.code == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["formatVersion"] == 1
    assert document["summary"]["triggered"] == 2
    assert document["watched"]["RUN_SUCCESS"] == 2
    assert [result["address"] for result in document["results"]] == ["hello/later", "hello/world"]

    second = command_line("apply", "--local")
    assert (second.code, second.stdout) == (0, "Nothing to do: 2 unchanged.\n")
    plan = command_line("plan", "--local", "--detailed-exitcode")
    assert plan.code == 0
    assert "No changes: 2 unchanged." in plan.stdout


def test_plan_then_apply_exactly_that(project: Path) -> None:
    plan = command_line("plan", "--local", "--out", "it.plan", "--detailed-exitcode")
    assert plan.code == 2, plan.stderr
    assert plan.stdout.startswith("Project shop, environment local, server local, token from the embedded server")
    assert plan.stdout.endswith("Next: wfdeploy apply it.plan --local\n")
    assert command_line("apply", "it.plan", "--local", "--prune").code == 64
    assert command_line("apply", "it.plan", "manifests", "--local").code == 64
    applied = command_line("apply", "it.plan", "--local")
    assert applied.code == 0, applied.stderr
    assert "2 triggered" in applied.stdout
    stale = command_line("apply", "it.plan", "--local")
    assert stale.code == 5
    assert "stale" in stale.stderr


def test_a_plan_on_standard_output_leaves_the_text_to_standard_error(project: Path) -> None:
    plan = command_line("plan", "--local", "--out", "-")
    assert json.loads(plan.stdout)["kind"] == "Plan"
    assert "Plan: 2 to trigger." in plan.stderr
    assert command_line("plan", "--local", "--out", "-", "--output", "json").code == 64
    Path("it.plan").write_text(plan.stdout, encoding="utf-8")
    assert "2 triggered" in command_line("apply", "it.plan", "--local").stdout


def test_a_plan_never_replaces_a_manifest(project: Path) -> None:
    (manifest,) = Path("manifests").glob("*.yaml")
    before = manifest.read_bytes()
    refused = command_line("plan", "--local", "--out", str(manifest))
    assert (refused.code, manifest.read_bytes()) == (64, before)
    assert f"{manifest} is there already, and is not a plan" in refused.stderr


def test_what_git_tracks_is_no_state(project: Path) -> None:
    command_line("apply", "--local", "-q")
    for words in (("init", "-q"), ("add", "-f", ".wfdeploy")):
        subprocess.run(["git", *words], check=True)
    for words in (
        ("plan", "--local"),
        ("apply", "--local", "--yes"),
        ("status", "--local"),
        ("state", "list", "--local"),
    ):
        refused = command_line(*words)
        assert refused.code == 5
        assert "git tracks .wfdeploy/" in refused.stderr
        assert "git rm -r --cached" in refused.stderr
    subprocess.run(["git", "rm", "-rq", "--cached", ".wfdeploy"], check=True)
    assert command_line("plan", "--local").code == 0


def test_a_state_elsewhere_is_not_tracked_either(project: Path) -> None:
    Path("states").mkdir()
    applied = command_line("apply", "--local", "-q", "--state", "states/mine.db")
    assert applied.code == 0, applied.stderr
    for words in (("init", "-q"), ("add", "states/mine.db")):
        subprocess.run(["git", *words], check=True)
    refused = command_line("plan", "--local", "--state", "states/mine.db")
    assert (refused.code, "git tracks states/mine.db" in refused.stderr) == (5, True)


def test_looking_and_mending() -> None:
    command_line("apply", "--local", "-q")
    status = command_line("status", "--local", "--output", "json")
    assert [run["runState"] for run in json.loads(status.stdout)["runs"]] == ["RUN_SUCCESS"] * 2
    assert command_line("status", "--local", "nothing/*").code == 64
    assert "hello/world" in command_line("state", "list", "--local").stdout
    assert json.loads(command_line("state", "show", "hello/world", "--local", "-o", "json").stdout)["record"]
    exported = command_line("state", "export", "--local").stdout
    Path("backup.jsonl").write_text(exported, encoding="utf-8")
    assert command_line("state", "mv", "hello/world", "hello/earth", "--local").code == 0
    tried = command_line("state", "rm", "hello/earth", "--local", "--dry-run")
    assert (tried.code, tried.stdout) == (0, "would forget hello/earth\n")
    refused = command_line("state", "rm", "hello/earth", "--local")
    assert (refused.code, refused.stdout) == (8, "")
    assert "this would forget 1 run, and there is no terminal to ask at" in refused.stderr
    assert "if it is meant: wfdeploy state rm hello/earth --local --yes" in refused.stderr
    removed = command_line("state", "rm", "hello/earth", "--local", "--yes")
    assert removed.stdout == "forgot hello/earth\n"
    assert command_line("state", "import", "backup.jsonl", "--local").code == 5
    assert command_line("state", "resolve", "hello/later", "--local").code == 64
    Path(".wfdeploy/state/local.db").unlink()
    imported = command_line("state", "import", "backup.jsonl", "--local")
    assert imported.code == 0, imported.stderr
    assert command_line("state", "export", "--local").stdout == exported


def test_adopt_sends_nothing() -> None:
    adopted = command_line("adopt", "--local", "--yes")
    assert adopted.code == 0, adopted.stderr
    assert "2 adopted" in adopted.stdout
    assert command_line("apply", "--local").stdout == "Nothing to do: 2 unchanged.\n"


def test_a_json_log_is_json_to_the_last_line() -> None:
    ran = command_line("apply", "--local", "--log-format", "json", "-o", "json")
    events = [json.loads(line) for line in ran.stderr.splitlines()]
    assert {"started", "settled"} <= {event.get("event") for event in events}


def test_a_token_is_missed_only_when_it_is_needed() -> None:
    plan = command_line("plan", "-e", "staging")
    assert plan.code == 0
    assert "Unverified:" in plan.stdout
    apply = command_line("apply", "-e", "staging")
    assert apply.code == 64
    assert "QSTASH_TOKEN is not set" in apply.stderr
    assert "--local" in apply.stderr


def test_a_required_state_is_withheld() -> None:
    ran = command_line("apply", "-e", "production")
    assert ran.code == 8
    assert "--create-state" in ran.stderr


def test_invalid_manifests_are_shown_with_their_place(project: Path) -> None:
    (project / "manifests" / "bad.yaml").write_text("apiVersion: wfdeploy/v1\nkind: RunGrup\n", encoding="utf-8")
    for command in ("plan", "apply"):
        ran = command_line(command, "-e", "staging")
        assert ran.code == 4
        assert "manifests/bad.yaml:2:7:" in ran.stderr
    ran = command_line("validate", "--output", "json")
    assert ran.code == 4
    document = json.loads(ran.stdout)
    assert document["valid"] is False
    assert document["diagnostics"][0]["file"] == "manifests/bad.yaml"


def test_validate_tells_in_which_environment_something_is_wrong(project: Path) -> None:
    text = (project / "wfdeploy.yaml").read_text(encoding="utf-8")
    (project / "wfdeploy.yaml").write_text(
        text.replace("app_url: https://staging.example.com", "other: x"), encoding="utf-8"
    )
    ran = command_line("validate")
    assert ran.code == 4
    assert "vars.app_url is not defined (in environment 'staging')" in ran.stdout
    assert command_line("validate", "-e", "production").code == 0


def test_schema_is_printed_as_published() -> None:
    for name in ("manifest", "project"):
        ran = command_line("schema", name)
        assert ran.code == 0
        assert json.loads(ran.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def skipping() -> None:
    """The project's manifest, with an entry some of whose rows are passed over."""
    Path("rows.csv").write_text("id\na\nb,c\n", encoding="utf-8")
    manifest = Path("manifests/hello.yaml")
    entry = "    - {name: rows, forEach: {file: ../rows.csv, onBadRow: skip}, key: '${{ row.id }}'}\n"
    text = manifest.read_text(encoding="utf-8").replace("  runs:\n", f"  runs:\n{entry}")
    manifest.write_text(text, encoding="utf-8")


SKIPPED = "hello/rows: 1 of 2 rows of rows.csv is skipped (onBadRow: skip); 'wfdeploy validate' says more"


@pytest.mark.parametrize("command", ["apply", "adopt"])
def test_skipped_rows_are_told_once_also_with_nothing_to_do(command: str) -> None:
    skipping()
    for changes in (True, False):
        ran = command_line(command, "--local", "-q", "--yes")
        assert (ran.code, ran.stderr.count(f"warning: {SKIPPED}\n")) == (0, 1), ran.stderr
        assert ran.stdout.startswith("Nothing to do:") is not changes


def test_skipped_rows_are_told_to_programs() -> None:
    skipping()
    for _ in range(2):
        ran = command_line("apply", "--local", "--output", "json", "--log-format", "json")
        assert json.loads(ran.stdout)["warnings"] == [SKIPPED]
        logged = [json.loads(line) for line in ran.stderr.splitlines()]
        assert [line["message"] for line in logged if line["level"] == "warning"] == [SKIPPED]
    assert json.loads(command_line("plan", "--local", "--output", "json").stdout)["warnings"] == [SKIPPED]


def test_an_apply_that_stopped_watching_says_so_and_is_not_done() -> None:
    manifest = """
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: slow}
spec:
  destination: http://127.0.0.1:9/nobody-answers
  defaults: {retries: 3}
  runs: [{name: a}, {name: later, delay: 1h}]
"""
    Path("manifests/hello.yaml").write_text(manifest, encoding="utf-8")
    ran = command_line("apply", "--local", "--wait-timeout", "0")
    assert ran.code == 7, ran.stdout
    assert "Runs: 2 running" in ran.stdout
    assert (
        "Unsettled: stopped watching after 0 s (--wait-timeout): 1 of 1 still running, and 1 begin later. They pause "
        "when this command ends; the next --local command, or `wfdeploy dev`, continues them." in ran.stdout
    )
    waited = command_line("wait", "slow/a", "--local", "--timeout", "0")
    assert waited.code == 7
    assert waited.stdout.startswith("Timed out after 0 s: 1 of 1 still running.\nThey pause when this command ends")
    assert "wfdeploy wait slow/a --local --timeout 0" in waited.stdout
