"""The schemas that editors read: files of the project, renewed on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.golden_files import command_line
from wfdeploy.cli.schema_files import write_schemas
from wfdeploy.documents.schemas import NAMES, schema_text
from wfdeploy.errors import UsageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_file_of_a_new_project_names_a_schema_that_is_there(elsewhere: Path) -> None:
    command_line("init", "shop")
    named = []
    for path in sorted((elsewhere / "shop").rglob("*.yaml")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        named.append((path.parent / first.partition("$schema=")[2]).resolve())
        schema = json.loads(named[-1].read_text(encoding="utf-8"))
        kind = yaml.safe_load(path.read_text(encoding="utf-8"))["kind"]
        assert kind in schema["properties"]["kind"]["enum"]
    assert len(named) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_named_by_no_host(name: str) -> None:
    assert json.loads(schema_text(name))["$id"] == f"urn:wfdeploy:schemas:v1:{name}"


def test_old_ones_are_renewed(elsewhere: Path) -> None:
    old = elsewhere / "schemas" / "manifest.schema.json"
    old.parent.mkdir()
    old.write_text('{"$id": "urn:wfdeploy:schemas:v0:manifest"}', encoding="utf-8")
    ran = command_line("schema", "--write", "schemas")
    assert (ran.code, ran.stdout.splitlines()) == (0, [f"wrote schemas/{name}.schema.json" for name in NAMES])
    for name in NAMES:
        path = elsewhere / "schemas" / f"{name}.schema.json"
        assert path.read_text(encoding="utf-8") == schema_text(name)
        assert path.stat().st_mode & 0o777 == 0o644


def test_one_alone(elsewhere: Path) -> None:
    assert command_line("schema", "project", "--write", "a/b").code == 0
    assert [path.name for path in (elsewhere / "a" / "b").iterdir()] == ["project.schema.json"]


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"$id": "https://example.com/manifest"}', "[" * 100_000])
def test_a_file_of_somebody_else_stays(elsewhere: Path, text: str) -> None:
    theirs = elsewhere / "project.schema.json"
    theirs.write_text(text, encoding="utf-8")
    ran = command_line("schema", "--write", ".")
    assert ran.code == 64
    assert "project.schema.json is there, and is no schema of wfdeploy" in ran.stderr
    assert theirs.read_text(encoding="utf-8") == text
    assert not (elsewhere / "manifest.schema.json").exists()


def test_a_link_does_not_lead_out(elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (elsewhere / "schemas").symlink_to(tmp_path_factory.mktemp("outside"))
    with pytest.raises(UsageError, match="a link leads to"):
        write_schemas(Path("schemas"))


def test_a_folder_that_cannot_be_written(elsewhere: Path) -> None:
    (elsewhere / "file").write_text("", encoding="utf-8")
    assert command_line("schema", "--write", "file/below").code == 64
