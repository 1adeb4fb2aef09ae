"""The lines that name a schema for editors."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.documents.schemas import schema_text
from wfdeploy.files.bounds import Bounds
from wfdeploy.wiring.schema_lines import read_schema_lines


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    (root / "manifest.json").write_text(schema_text("manifest"), encoding="utf-8")
    (root / "old.json").write_text("{}", encoding="utf-8")
    (tmp_path / "outside.json").write_text(schema_text("manifest"), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("../manifest.json", None),
        ("https://example.com/manifest.schema.json", None),
        ("../old.json", "it is not the schema of this version"),
        ("../gone.json", "there is no such file"),
        ("../../outside.json", "it lies outside of the project, so it isn't read"),
    ],
)
def test_what_is_named(root: Path, named: str, problem: str | None) -> None:
    file = root / "manifests" / "a.yaml"
    file.write_text(f"# a comment\n# yaml-language-server: $schema={named}\nkind: RunGroup\n", encoding="utf-8")
    (line,) = read_schema_lines([("manifest", file)], Bounds.around(root))
    assert (line.file, line.named, line.problem) == (file, named, problem)


def test_files_without_the_line_and_files_that_are_gone(root: Path) -> None:
    (root / "plain.yaml").write_text("kind: RunGroup\n", encoding="utf-8")
    files = [("manifest", root / "plain.yaml"), ("manifest", root / "gone.yaml"), ("manifest", root / "manifests")]
    assert not list(read_schema_lines(files, Bounds.around(root)))
