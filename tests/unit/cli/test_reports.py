"""Reports beside a command's result: which, where to, and what comes of trouble."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.golden_files import command_line
from tests.unit.render.reading_markdown import tags
from wfdeploy.cli.report_formats import AVAILABLE

MANIFEST = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://a.example.com
  runs: [{name: r}]
"""
PROJECT = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: shop}\nspec: {environments: {production: {}}}\n"
PLAN = ("plan", "-e", "production", "--offline")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    (root / "manifests" / "g.yaml").write_text(MANIFEST, encoding="utf-8")
    (root / "wfdeploy.yaml").write_text(PROJECT, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


def read(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def test_a_plan_is_written_for_a_comment() -> None:
    ran = command_line(*PLAN, "--report", "markdown=plan.md", "--report=markdown=again.md")
    assert ran.code == 0, ran.stderr
    assert read("plan.md") == read("again.md")
    assert read("plan.md").startswith("<!-- wfdeploy:shop:production -->\n\n### Plan for `shop`, environment `produ")
    assert ran.stdout == command_line(*PLAN).stdout


def test_the_commit_is_in_it() -> None:
    environ = {"GITHUB_SHA": "a" * 40}
    command_line(*PLAN, "--report", "markdown=plan.md", environ=environ)
    assert read("plan.md").splitlines()[1] == f"<!-- wfdeploy commit {'a' * 40} -->"


def test_its_mode_is_that_of_other_new_files() -> None:
    mask = os.umask(0o027)
    try:
        command_line(*PLAN, "--report", "markdown=plan.md")
    finally:
        os.umask(mask)
    assert Path("plan.md").stat().st_mode & 0o777 == 0o640


def test_one_of_wrong_manifests_says_what_is_wrong() -> None:
    Path("manifests/bad.yaml").write_text("x: [", encoding="utf-8")
    ran = command_line(*PLAN, "--report", "markdown=plan.md")
    assert ran.code == 4
    assert "### Plan failed for `shop`, environment `production`" in read("plan.md")
    assert "manifests/bad.yaml:1:5: the text ends inside brackets or braces" in read("plan.md")


def test_an_apply_that_stops_before_it_begins_says_why() -> None:
    ran = command_line("apply", "-e", "production", "--yes", "--report", "markdown=a.md")
    assert ran.code == 64
    assert "### Apply failed for `shop`, environment `production`" in read("a.md")
    assert "QSTASH_TOKEN" in read("a.md")


@pytest.mark.parametrize("command", AVAILABLE)
def test_formats_that_a_command_has_not_are_named(command: str) -> None:
    ran = command_line(command, "--report", "pdf=x")
    assert ran.code == 64
    names = ", ".join(format_.value for format_ in AVAILABLE[command])
    assert f"'pdf' is not a format of reports of `{command}`; available: {names}." in ran.stderr


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("markdown=", "names no file"),
        ("markdown=-", "names no file"),
        ("markdown", "names no file"),
        ("markdown=no/such/folder.md", "there is no folder no/such"),
        ("markdown=manifests", "it is a folder"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_done(report: str, said: str) -> None:
    ran = command_line("apply", "--report", report, "-e", "production")
    assert (ran.code, ran.stdout) == (64, "")
    assert said in ran.stderr


def test_one_that_cannot_be_written_is_an_error_after_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/dev/full").exists():
        ran = command_line(*PLAN, "--report", "markdown=/dev/full")
        assert ran.code == 74
        assert "Plan: 1 to trigger" in ran.stdout
        assert "can't write the report /dev/full: No space left on device" in ran.stderr


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious", encoding="utf-8")
    Path("plan.md").symlink_to(tmp_path / "elsewhere")
    assert command_line(*PLAN, "--report", "markdown=plan.md").code == 0
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "precious"
    assert not Path("plan.md").is_symlink()


def test_a_folder_that_is_a_link_out_of_the_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path("reports").symlink_to(tmp_path / "elsewhere")
    ran = command_line(*PLAN, "--report", "markdown=reports/plan.md")
    assert ran.code == 64
    assert "since it is a link" in ran.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_summary_of_a_job_is_written_by_itself() -> None:
    environ = {"GITHUB_STEP_SUMMARY": "summary.md"}
    assert command_line(*PLAN, environ=environ).code == 0
    assert command_line(*PLAN, environ=environ).code == 0
    assert read("summary.md").count("### Plan for `shop`") == 2
    assert tags(read("summary.md"))[:1] == ["<details[('open', None)]>"]
    assert command_line("validate", environ=environ).code == 0
    assert read("summary.md").count("### Plan for `shop`") == 2


@pytest.mark.parametrize("name", ["no/such/folder.md", "manifests", "pipe", "/dev/full"])
def test_one_that_cannot_be_written_is_a_warning(name: str) -> None:
    os.mkfifo("pipe")
    ran = command_line(*PLAN, environ={"GITHUB_STEP_SUMMARY": name})
    assert ran.code == 0
    assert "warning: can't write the job's summary: " in ran.stderr


def test_a_full_summary_gets_no_more() -> None:
    Path("summary.md").write_bytes(b"x" * (1024 * 1024 - 100))
    ran = command_line(*PLAN, environ={"GITHUB_STEP_SUMMARY": "summary.md"})
    assert ran.code == 0
    assert "no room for this report" in ran.stderr
    assert Path("summary.md").stat().st_size == 1024 * 1024 - 100


def test_gitlab_has_room_for_more() -> None:
    runs = ", ".join(f"{{name: r{n}, body: {n}}}" for n in range(400))
    groups = [MANIFEST.replace("{name: g}", f"{{name: g{n}}}").replace("{name: r}", runs) for n in range(12)]
    Path("manifests/g.yaml").write_text("---\n".join(groups), encoding="utf-8")
    command_line(*PLAN, "--report", "markdown=github.md")
    command_line(*PLAN, "--report", "markdown=gitlab.md", environ={"GITLAB_CI": "true"})
    assert len(read("github.md")) < 65_536
    assert "to trigger" in read("gitlab.md")


def test_status_is_not_reported_while_it_is_watched() -> None:
    ran = command_line("status", "--watch", "--report", "markdown=x.md")
    assert ran.code == 64
    assert "--report makes no sense beside it" in ran.stderr


BROKEN = MANIFEST.replace("runs:", "lables: {}\n  runs:")


def test_problems_are_written_for_each_host(project: Path) -> None:
    (project / "manifests" / "b.yaml").write_text(BROKEN.replace("name: g", "name: h"), encoding="utf-8")
    subprocess.run(["git", "-C", str(project.parent), "init", "-q"], check=True)
    reports = [f"--report={name}={name}.out" for name in ("gitlab", "sarif", "junit")]
    ran = command_line("validate", *reports)
    assert ran.code == 4
    (issue,) = json.loads(read("gitlab.out"))
    assert issue["location"] == {"path": "project/manifests/b.yaml", "lines": {"begin": 6}}
    (result,) = json.loads(read("sarif.out"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "project/manifests/b.yaml"
    assert 'tests="2" failures="1"' in read("junit.out")
    assert ran.stdout == command_line("validate").stdout


def test_problems_are_annotated_on_their_lines(project: Path) -> None:
    assert command_line("validate", "--annotate", "github").stderr.startswith("No problems found")
    (project / "manifests" / "b.yaml").write_text(BROKEN.replace("lables", "'::error::x'"), encoding="utf-8")
    ran = command_line("validate", "--annotate", "github")
    commands = [line for line in ran.stderr.splitlines() if line.startswith("::")]
    assert commands
    assert all(line.startswith("::error file=manifests/") for line in commands)


def test_a_command_that_fails_says_so_in_each_format(project: Path) -> None:
    reports = [f"--report={name}={name}.out" for name in ("gitlab", "sarif", "junit")]
    assert command_line("validate", "--project-file", "missing.yaml", *reports).code == 64
    assert "missing.yaml" in json.loads(read("gitlab.out"))[0]["description"]
    assert json.loads(read("sarif.out"))["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert "<error" in read("junit.out")
    (project / "manifests" / "g.yaml").write_text(BROKEN, encoding="utf-8")
    assert command_line(*PLAN, "--report", "json=plan.json").code == 4
    assert json.loads(read("plan.json"))["diagnostics"][0]["line"] == 6


def test_json_is_that_of_the_output() -> None:
    ran = command_line(*PLAN, "--output", "json", "--report", "json=plan.json")
    assert read("plan.json") == ran.stdout
