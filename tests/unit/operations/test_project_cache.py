"""A project file taken from the cache is the file, or isn't taken."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations.test_project_file import FULL, HEAD, write
from wfdeploy.errors import CacheDamaged, InvalidInput
from wfdeploy.operations import project_cache, project_document
from wfdeploy.operations.project_file import confirm, load_project

KEPT = ".wfdeploy/cache/project.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / KEPT).parent.mkdir(parents=True)
    write(tmp_path, FULL)
    return tmp_path


@pytest.mark.parametrize("environment", ["local", "staging", "production"])
def test_what_is_known_is_not_read_again(root: Path, environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_project(cwd=root, environment=environment)
    assert load_project(cwd=root, environment=environment, by_cache=True) == read
    monkeypatch.setitem(sys.modules, project_document.__name__, None)
    assert load_project(cwd=root, environment=environment, by_cache=True) == read
    with pytest.raises(ImportError):
        load_project(cwd=root, environment=environment)


@pytest.mark.parametrize("text", ["\ufeff" + FULL, FULL.replace("\n", "\r\n"), FULL + "# 🙂\n"])
def test_any_text_is_known_again(root: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "wfdeploy.yaml").write_bytes(text.encode())
    read = load_project(cwd=root, environment="staging", by_cache=True)
    monkeypatch.setitem(sys.modules, project_document.__name__, None)
    assert load_project(cwd=root, environment="staging", by_cache=True) == read


def test_another_content_is_read(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=True)
    write(root, FULL.replace("k3v9", "k3v0"))
    assert load_project(cwd=root, environment="staging", by_cache=True).uid == "k3v0"


def test_a_file_that_became_wrong_is_told(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=True)
    write(root, FULL.replace("90s", "90 parsecs"))
    for _ in range(2):  # nor is it kept
        with pytest.raises(InvalidInput):
            load_project(cwd=root, environment="staging", by_cache=True)


def test_another_version_reads_for_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "wfdeploy.yaml"
    load_project(cwd=root, environment="staging", by_cache=True)
    assert project_cache.recall(path) is not None
    monkeypatch.setattr(project_cache, "__version__", "99.0")
    assert project_cache.recall(path) is None


def test_every_damage_is_noticed(root: Path) -> None:
    path, kept = root / "wfdeploy.yaml", root / KEPT
    load_project(cwd=root, environment="staging", by_cache=True)
    sound = kept.read_bytes()
    for position in range(len(sound)):
        kept.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        assert project_cache.recall(path) is None
        kept.write_bytes(sound[:position])
        assert project_cache.recall(path) is None
    kept.write_bytes(sound)
    assert project_cache.recall(path) is not None


def test_no_traces_where_there_is_no_cache(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    load_project(cwd=tmp_path, by_cache=True)
    assert [path.name for path in tmp_path.iterdir()] == ["wfdeploy.yaml"]


def test_a_cache_that_cannot_be_written_is_done_without(root: Path) -> None:
    (root / KEPT).mkdir()
    assert load_project(cwd=root, environment="staging", by_cache=True).uid == "k3v9"
    assert [path.name for path in (root / KEPT).parent.iterdir()] == ["project.json"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.dictionaries(st.text(max_size=3), VALUES, max_size=3))
def test_what_comes_back_is_what_was_kept(tmp_path_factory: pytest.TempPathFactory, data: Mapping[str, Any]) -> None:
    root = tmp_path_factory.mktemp("project")
    (root / KEPT).parent.mkdir(parents=True)
    path = write(root, HEAD)
    project_cache.remember(path, HEAD, data)
    found = project_cache.recall(path)
    assert found is None or (found == data and repr(found) == repr(data))
    if json.loads(json.dumps(data)) == data:
        assert found is not None


def test_a_cache_that_lies_never_meets_a_server(root: Path) -> None:
    path = root / "wfdeploy.yaml"
    true = load_project(cwd=root, environment="staging", by_cache=True)
    confirm(true, cwd=root)
    data = dict(project_cache.recall(path) or {})
    project_cache.remember(path, FULL, {**data, "metadata": {"name": "other"}})
    lie = load_project(cwd=root, environment="staging", by_cache=True)
    assert lie.name == "other"
    with pytest.raises(CacheDamaged):
        confirm(lie, cwd=root)
    assert load_project(cwd=root, environment="staging", by_cache=True) == true
