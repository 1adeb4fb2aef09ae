"""`wfdeploy validate` in process."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.golden_files import command_line

HEAD = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://a.example.com
  runs:
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_many_alike_are_folded_unless_all_are_asked_for() -> None:
    Path("m.yaml").write_text(HEAD + "".join(f"    - {{name: r{n}, bdoy: {n}}}\n" for n in range(200)))
    folded = command_line("validate", "m.yaml")
    assert folded.code == 4
    assert folded.stdout.count("the field 'bdoy' is not known here") == 5
    assert folded.stdout.endswith("  and 195 more like this in m.yaml, shown by 'wfdeploy validate --all'\n")
    assert re.fullmatch(r"200 errors\. Took \d+\.\d s\.\n", folded.stderr)
    everything = command_line("validate", "m.yaml", "--all")
    assert everything.stdout.count("the field 'bdoy' is not known here") == 200
    as_json = json.loads(command_line("validate", "m.yaml", "--output", "json").stdout)
    assert len(as_json["diagnostics"]) == as_json["summary"]["error"] == 200


def test_a_problem_that_a_line_has_several_times_is_counted_so_in_each_environment() -> None:
    Path("wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\nspec:\n"
        "  vars: {rows: [{id: a}, {id: a}, {id: a}]}\n"
        "  environments: {staging: {}, production: {vars: {rows: [{id: a}, {id: a}, {id: a}, {id: a}]}}}\n"
    )
    Path("m.yaml").write_text(HEAD + "    - {name: r, forEach: {items: '${{ vars.rows }}'}, key: '${{ row.id }}'}\n")
    ran = command_line("validate", "m.yaml")
    told = "m.yaml:7:1: g/r[a]: g/r[a] is already declared, on the same line"
    heads = [line for line in ran.stdout.splitlines() if line.startswith("m.yaml")]
    assert heads == [told, told, f"{told} (in environment 'production')"]
    assert ran.stderr.startswith("3 errors. Took ")


@pytest.mark.parametrize("on_bad_row", ["error", "skip"])
def test_each_of_many_bad_rows_is_listed_where_all_are_asked_for(on_bad_row: str) -> None:
    Path("a.csv").write_text("id\na\n" + "b,c\n" * 300)
    Path("m.yaml").write_text(
        HEAD + f"    - {{name: r, forEach: {{file: a.csv, onBadRow: {on_bad_row}}}, key: '${{{{ row.id }}}}'}}\n"
    )
    assert command_line("validate", "m.yaml", "--all").stdout.count("the row has 2 cells") == 300
    as_json = json.loads(command_line("validate", "m.yaml", "--output", "json").stdout)
    lines = [one["line"] for one in as_json["diagnostics"] if one["code"] == "ragged-row"]
    assert lines == list(range(3, 303))


def test_many_warnings_do_not_slow_the_good_rows_down() -> None:
    Path("a.csv").write_text("id\n" + "".join(f"{n}\n{n},\n" for n in range(10_000)))
    entry = "{name: r, forEach: {file: a.csv, onBadRow: skip}, key: '${{ row.id }}', labels: ['${{ row.id }}']}"
    Path("m.yaml").write_text(f"{HEAD}    - {entry}\n")
    began = time.process_time()
    assert command_line("validate", "m.yaml").stderr.startswith("10,001 warnings in 1 file: 1 group, 10,000 runs.")
    assert time.process_time() - began < 4


def test_sound_manifest() -> None:
    Path("m.yaml").write_text(HEAD + "    - name: a\n")
    ran, of_all = command_line("validate", "m.yaml"), command_line("validate", "m.yaml", "--all")
    assert (ran.code, ran.stdout) == (0, of_all.stdout)
    assert ran.stderr.partition(" Took ")[0] == of_all.stderr.partition(" Took ")[0]


def test_manifests_are_checked_although_the_project_file_is_wrong() -> None:
    Path("wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\nspec:\n  manifest: [x]\n  vars: [app_url]\n"
    )
    Path("manifests").mkdir()
    Path("manifests/m.yaml").write_text(
        HEAD.replace("https://a.example.com", "'${{ vars.app_url }}/wf'")
        + "    - {name: a, labels: ['${{ vars.a }}'], headers: {A: '${{ secrets.S }}'}, bodyText: '${{ x }}'}\n"
        + "    - {name: b, destination: 'http://example.com', body: '${{ vars.b }}', retries: -1}\n"
        + "  moved: [{from: g/old, to: g/c}]\n"
    )
    ran = command_line("validate")
    heads = [line for line in ran.stdout.splitlines() if line.startswith(("wfdeploy.yaml:", "manifests/"))]
    assert heads == [
        "wfdeploy.yaml:5:3: spec.manifest: the field 'manifest' is not known here",
        "wfdeploy.yaml:6:9: spec.vars: vars must be a mapping, not a list",
        "manifests/m.yaml:7:93: g/a: 'x' is not known here",
        "manifests/m.yaml:8:84: g/b: retries is -1; it must be at least 0",
    ]
    assert ran.code == 4


@pytest.mark.parametrize("text", ["a: [", "", "- a\n", "spec: 1\n", "spec: {manifests: [1, nowhere]}\n"])
def test_folder_that_no_sound_project_file_names_is_not_missed(text: str) -> None:
    Path("wfdeploy.yaml").write_text(text)
    ran = command_line("validate")
    assert ran.code == 4
    assert ran.stdout.startswith("wfdeploy.yaml:")
    assert ran.stdout.count("there is no such file or folder") == text.count("nowhere")


def test_with_v_it_is_told_once_what_was_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command_line("init")
    (tmp_path / "manifests/rows.csv").write_text("id\n1\n", encoding="utf-8")
    (tmp_path / "manifests/.hello.yaml.swp").write_text("", encoding="utf-8")
    found = r"No problems found in 1 file: 1 group, 2 runs\. Took \d+\.\d s\."
    assert re.fullmatch(found + "\n", command_line("validate").stderr)
    *passed, last = command_line("validate", "-v").stderr.splitlines()
    assert re.fullmatch(found, last)
    assert passed == [
        "passed over (hidden): manifests/.hello.yaml.swp",
        "passed over (no *.yaml or *.yml): manifests/rows.csv",
    ]
    manifest = """apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: rows}
spec:
  destination: https://example.com/x
  runs: [{name: row, forEach: {file: rows.csv}, key: "${{ row.id }}"}]
"""
    (tmp_path / "manifests/rows.yaml").write_text(manifest, encoding="utf-8")
    for command in ("validate", "plan", "plan"):  # the second one takes it from the cache
        said = command_line(command, "-v", *(["--local", "--offline"] if command == "plan" else [])).stderr
        assert "passed over (hidden): manifests/.hello.yaml.swp" in said
        assert "rows.csv" not in said


def test_success_says_how_much_was_checked() -> None:
    Path("wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\nspec:\n"
        "  environments: {staging: {vars: {n: [1]}}, production: {vars: {n: [1, 2, 3]}}}\n"
    )
    Path("manifests").mkdir()
    Path("manifests/a.yaml").write_text(
        HEAD + "    - {name: r, forEach: {items: '${{ vars.n }}'}, key: '${{ row }}'}\n"
    )
    Path("manifests/b.yaml").write_text(HEAD.replace("name: g", "name: h") + "    - {name: r, delay: 0}\n")
    ran = command_line("validate")
    assert re.fullmatch(r"No problems found in 2 files: 2 groups, 4 runs\. Took \d+\.\d s\.\n", ran.stderr)
    assert command_line("validate", "-q").stderr == ""
    assert command_line("validate", "-e", "staging").stderr.startswith(
        "No problems found in 2 files: 2 groups, 2 runs."
    )
    assert json.loads(command_line("validate", "-o", "json").stdout)["checked"] == {"files": 2, "groups": 2, "runs": 4}
