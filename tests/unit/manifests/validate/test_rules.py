"""The rules on runs that generators make: told at the row, once where the template is wrong, and never without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import MAX_ROW_FINDINGS
from wfdeploy.model.project import Project, ServerSettings

HEAD = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://app.example.com/wf
  runs:
"""


def found(root: Path, rows: str, *fields: str, file: str = "rows.csv") -> list[Diagnostic]:
    (root / "manifests").mkdir(exist_ok=True)
    (root / file).write_text(rows)
    entry = "".join(f"      {field}\n" for field in fields)
    text = f"{HEAD}    - name: r\n      forEach: {{file: ../{file}}}\n      key: ${{{{ row.id }}}}\n{entry}"
    (root / "manifests" / "m.yaml").write_text(text)
    project = Project(root=root, server=ServerSettings(max_message_bytes=1000))
    return list(validate(project, how=Loading(cwd=root)))


@pytest.mark.parametrize(
    ("field", "bad", "code"),
    [
        ('destination: "${{ row.x }}"', "not a URL", "bad-url"),
        ('headers: {X-A: "${{ row.x }}"}', '"a\nb"', "bad-header-value"),
        ('labels: ["${{ row.x }}"]', "a b", "bad-label"),
        ('flowControl: {key: "${{ row.x }}", parallelism: 1}', "a b", "bad-label"),
        ('failureUrl: "${{ row.x }}"', "nowhere", "bad-url"),
        ('body: {x: "${{ row.x }}"}', "x" * 2000, "message-too-big"),
        ('bodyText: "${{ row.x }}"', "x" * 2000, "message-too-big"),
    ],
)
def test_a_value_of_a_row_is_told_at_the_row(tmp_path: Path, field: str, bad: str, code: str) -> None:
    good = "https://ok.example.com" if "URL" in bad or "nowhere" in bad else "fine"
    (told,) = found(tmp_path, f"id,x\na,{good}\nb,{bad}\nc,{good}\n", field)
    assert (str(told.place), told.address) == ("rows.csv:3:1", "g/r[b]")
    assert told.code.startswith(code.removesuffix("-value"))


@pytest.mark.parametrize("field", ["labels: [a b]", "headers: {X A: x}", "failureUrl: nowhere", "contentType: json"])
def test_what_the_template_says_itself_is_told_once_in_the_manifest(tmp_path: Path, field: str) -> None:
    (told,) = found(tmp_path, "id,x\n" + "".join(f"k{n},x\n" for n in range(300)), field)
    assert (told.place.file, told.place.line) == ("manifests/m.yaml", 10)


def test_a_run_of_a_plain_item_stands_where_its_entry_does(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    text = f"{HEAD}    - name: r\n      forEach: {{items: [a, b]}}\n      key: ${{{{ row }}}}\n"
    (tmp_path / "manifests" / "m.yaml").write_text(f"# A comment above.\n{text}", encoding="utf-8")
    with load_manifests(Project(root=tmp_path), how=Loading(cwd=tmp_path)) as manifests:
        assert {run.source.line for run in manifests.runs.runs()} == {8}


def test_what_is_wrong_with_many_rows_is_counted(tmp_path: Path) -> None:
    rows = "id,x\n" + "".join(f"k{n},bad label {n}\n" for n in range(MAX_ROW_FINDINGS + 250))
    told = found(tmp_path, rows, 'labels: ["${{ row.x }}"]')
    assert len(told) == MAX_ROW_FINDINGS + 1
    (rest,) = (one for one in told if one.place.file == "manifests/m.yaml")
    assert rest.message == "250 more runs with a problem like the last"
    assert rest.address == "g/r"


def test_two_rows_with_one_key_are_told_with_both_places(tmp_path: Path) -> None:
    (told,) = found(tmp_path, "id,x\na,1\nb,2\na,3\n")
    assert (str(told.place), told.code, told.address) == ("rows.csv:4:1", "duplicate-address", "g/r[a]")
    assert "rows.csv:2" in told.message


@pytest.mark.parametrize(
    ("rows", "field"),
    [('[{"id": "a"}, {"id": "b"}, {"id": "a"}]', "labels: [x]"), ('[{"id": "a"}]', "matrix: {x: [1, 2]}")],
)
def test_runs_of_one_line_with_one_key_are_told_so(tmp_path: Path, rows: str, field: str) -> None:
    (told,) = found(tmp_path, rows, field, file="rows.json")
    assert (str(told.place), told.code, told.address) == ("rows.json:1:1", "duplicate-address", "g/r[a]")
    assert told.message == "g/r[a] is already declared, on the same line"


def test_a_generator_and_a_run_may_not_share_a_name(tmp_path: Path) -> None:
    told = found(tmp_path, "id,x\na,1\n", "labels: [x]\n    - name: r")
    assert [one.code for one in told] == ["duplicate-address"]


def test_a_cached_file_declares_the_same_and_warns_the_same(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "rows.csv").write_text("id\na\n\x00\nb\n")
    entry = "    - {name: r, forEach: {file: ../rows.csv, onBadRow: skip}, key: '${{ row.id }}'}\n"
    (tmp_path / "manifests" / "m.yaml").write_text(HEAD + entry)
    project = Project(root=tmp_path)
    seen = []
    for _ in range(3):
        with load_manifests(project, how=Loading(cwd=tmp_path, cache=Cache(tmp_path / "cache", b"key"))) as manifests:
            runs = [(run.address, str(run.source), run.fingerprint) for run in manifests.runs.runs()]
            seen.append((runs, list(manifests.omissions), [warning.message for warning in manifests.warnings]))
    assert seen[0] == seen[1] == seen[2]
    assert [address for address, *_ in seen[0][0]] == ["g/r[a]", "g/r[b]"]
    assert len(seen[0][1]) == 1
