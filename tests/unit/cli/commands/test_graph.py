"""`wfdeploy graph`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden_files import command_line
from wfdeploy.errors import ExitCode

HEAD = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: %s}\nspec:\n  destination: https://a.example.com\n"


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "seed.yaml").write_text(HEAD % "seed" + "  runs: [{name: a}, {name: b}]\n", "utf-8")
    after = "  dependsOn: [{group: seed}]\n  runs: [{name: a}]\n"
    (tmp_path / "manifests" / "load.yaml").write_text(HEAD % "load" + after, "utf-8")
    return tmp_path


def test_each_format(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert command_line("graph").stdout == "seed  2 runs\n└─ load  1 run  when seed has succeeded\n"
    assert command_line("graph", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    assert command_line("graph", "--format", "dot").stdout.startswith("digraph wfdeploy {\n")
    groups = json.loads(command_line("graph", "-o", "json").stdout)["groups"]
    assert [(each["group"], each["runs"]) for each in groups] == [("load", 1), ("seed", 2)]
    assert sorted(project.rglob("*")) == before


def test_a_part_of_the_project(project: Path) -> None:
    ran = command_line("graph", "manifests/load.yaml")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == "seed  not declared in these files\n└─ load  1 run  when seed has succeeded\n"


def test_no_environment_is_needed(project: Path) -> None:
    (project / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p, uid: abcdefgh12345678}\nspec:\n"
        "  manifests: [manifests]\n  environments:\n    staging: {vars: {x: 1}}\n    production: {vars: {y: 1}}\n",
        "utf-8",
    )
    shown = "seed  2 runs\n└─ load  1 run  when seed has succeeded\n"
    for options in ((), ("--local",), ("-e", "staging"), ("-e", "local")):
        ran = command_line("graph", *options)
        assert (ran.code, ran.stdout, ran.stderr) == (0, shown, ""), options
    seed = project / "manifests" / "seed.yaml"
    seed.write_text(seed.read_text("utf-8").replace("{name: b}", '{name: b, body: "${{ vars.x }}"}'), "utf-8")
    assert command_line("graph", "-e", "staging").stdout == shown
    ran = command_line("graph")
    assert ran.code == ExitCode.INVALID
    assert "(in environment 'production')" in ran.stderr


def test_a_circle_is_an_error(project: Path) -> None:
    after = "  dependsOn: [{group: load}]\n  runs: [{name: a}]\n"
    (project / "manifests" / "seed.yaml").write_text(HEAD % "seed" + after, "utf-8")
    assert command_line("graph").code == ExitCode.INVALID


def test_two_formats_at_once(project: Path) -> None:
    assert command_line("graph", "--format", "dot", "-o", "json").code == ExitCode.USAGE
