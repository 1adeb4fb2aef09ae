"""A project file taken from the cache is the file, or isn't taken."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.project.test_file import FULL, HEAD, write
from wfdeploy.errors import CacheDamaged, InvalidInput
from wfdeploy.project import cache as project_cache
from wfdeploy.project import document as project_document
from wfdeploy.project.file import confirm, load_project


def home(root: Path) -> Path:
    return root.with_name(f"{root.name}-home")


def kept_at(root: Path) -> Path:
    (found,) = home(root).iterdir()
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    home(tmp_path).mkdir(mode=0o700)
    write(tmp_path, FULL)
    return tmp_path


@pytest.mark.parametrize("environment", ["local", "staging", "production"])
def test_what_is_known_is_not_read_again(root: Path, environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_project(cwd=root, environment=environment)
    assert load_project(cwd=root, environment=environment, by_cache=home(root)) == read
    monkeypatch.setitem(sys.modules, project_document.__name__, None)
    assert load_project(cwd=root, environment=environment, by_cache=home(root)) == read
    with pytest.raises(ImportError):
        load_project(cwd=root, environment=environment)


@pytest.mark.parametrize("text", ["\ufeff" + FULL, FULL.replace("\n", "\r\n"), FULL + "# 🙂\n"])
def test_any_text_is_known_again(root: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "wfdeploy.yaml").write_bytes(text.encode())
    read = load_project(cwd=root, environment="staging", by_cache=home(root))
    monkeypatch.setitem(sys.modules, project_document.__name__, None)
    assert load_project(cwd=root, environment="staging", by_cache=home(root)) == read


def test_another_content_is_read(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=home(root))
    write(root, FULL.replace("k3v9", "k3v0"))
    assert load_project(cwd=root, environment="staging", by_cache=home(root)).uid == "k3v0"


def test_a_file_that_became_wrong_is_told(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=home(root))
    write(root, FULL.replace("90s", "90 parsecs"))
    for _ in range(2):  # nor is it kept
        with pytest.raises(InvalidInput):
            load_project(cwd=root, environment="staging", by_cache=home(root))


def test_another_version_reads_for_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "wfdeploy.yaml"
    load_project(cwd=root, environment="staging", by_cache=home(root))
    assert project_cache.recall(path, home(root)) is not None
    monkeypatch.setattr(project_cache, "__version__", "99.0")
    assert project_cache.recall(path, home(root)) is None


def test_every_damage_is_noticed(root: Path) -> None:
    path = root / "wfdeploy.yaml"
    load_project(cwd=root, environment="staging", by_cache=home(root))
    kept = kept_at(root)
    sound = kept.read_bytes()
    for position in range(len(sound)):
        kept.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        assert project_cache.recall(path, home(root)) is None
        kept.write_bytes(sound[:position])
        assert project_cache.recall(path, home(root)) is None
    kept.write_bytes(sound)
    assert project_cache.recall(path, home(root)) is not None


def test_no_traces_where_there_is_no_cache(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    load_project(cwd=tmp_path, by_cache=home(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["wfdeploy.yaml"]


def test_a_cache_that_cannot_be_written_is_done_without(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=home(root))
    kept = kept_at(root)
    kept.unlink()
    kept.mkdir()
    assert load_project(cwd=root, environment="staging", by_cache=home(root)).uid == "k3v9"
    assert kept_at(root) == kept


def test_a_link_or_what_others_may_write_is_not_believed(root: Path) -> None:
    path = root / "wfdeploy.yaml"
    load_project(cwd=root, environment="staging", by_cache=home(root))
    kept = kept_at(root)
    home(root).chmod(0o770)
    assert project_cache.recall(path, home(root)) is None
    home(root).chmod(0o700)
    assert project_cache.recall(path, home(root)) is not None
    kept.rename(root / "aside")
    kept.symlink_to(root / "aside")
    assert project_cache.recall(path, home(root)) is None
    load_project(cwd=root, environment="staging", by_cache=home(root))
    assert not kept.is_symlink()
    kept.unlink()
    os.mkfifo(kept)
    assert project_cache.recall(path, home(root)) is None


def test_what_lies_in_the_checkout_is_not_looked_at(root: Path) -> None:
    load_project(cwd=root, environment="staging", by_cache=home(root))
    (root / ".wfdeploy" / "cache").mkdir(parents=True)
    forged = kept_at(root).read_bytes().replace(b"k3v9", b"k3v0")
    inside = root / "home"
    shutil.copytree(home(root), inside)
    kept_in = inside / kept_at(root).name
    kept_in.write_bytes(forged)
    assert load_project(cwd=root, environment="staging", by_cache=inside).uid == "k3v9"
    assert kept_in.read_bytes() == forged
    for name in ("project.json", kept_at(root).name):
        (root / ".wfdeploy" / "cache" / name).write_bytes(forged)
    assert load_project(cwd=root, environment="staging", by_cache=home(root)).uid == "k3v9"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.dictionaries(st.text(max_size=3), VALUES, max_size=3))
def test_what_comes_back_is_what_was_kept(tmp_path_factory: pytest.TempPathFactory, data: Mapping[str, Any]) -> None:
    root = tmp_path_factory.mktemp("project")
    home(root).mkdir(mode=0o700)
    path = write(root, HEAD)
    project_cache.remember(path, home(root), HEAD, data)
    found = project_cache.recall(path, home(root))
    assert found is None or (found == data and repr(found) == repr(data))
    if json.loads(json.dumps(data)) == data:
        assert found is not None


def test_a_cache_that_lies_never_meets_a_server(root: Path) -> None:
    path = root / "wfdeploy.yaml"
    true = load_project(cwd=root, environment="staging", by_cache=home(root))
    confirm(true, cwd=root, by_cache=home(root))
    data = dict(project_cache.recall(path, home(root)) or {})
    project_cache.remember(path, home(root), FULL, {**data, "metadata": {"name": "other"}})
    lie = load_project(cwd=root, environment="staging", by_cache=home(root))
    assert lie.name == "other"
    with pytest.raises(CacheDamaged):
        confirm(lie, cwd=root, by_cache=home(root))
    assert load_project(cwd=root, environment="staging", by_cache=home(root)) == true
