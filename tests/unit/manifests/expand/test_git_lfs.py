"""A Git LFS pointer in place of a file is told, whatever should have stood there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.manifests.expand.expanding import expanded, from_file
from wfdeploy.documents import sources
from wfdeploy.files.access import LFS_HINT, LFS_POINTER_BYTES, is_lfs_pointer
from wfdeploy.model.diagnostic import Diagnostic

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)
WITH_EXTENSION = POINTER.replace(b"oid ", b"ext-0-foo sha256:0123\noid ", 1)


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.csv.gz", "a.jsonl.zst", "a.json", "a.jsonl", "a.yaml", "a.parquet"]
)
@pytest.mark.parametrize("more", ["", ", onBadRow: skip", ", sha256: " + 64 * "0"])
def test_as_data(tmp_path: Path, name: str, more: str) -> None:
    found = from_file(tmp_path, name, POINTER, more=more)
    assert found.told == ["m.yaml:8 lfs-pointer"]
    (diagnostic,) = found.diagnostics
    assert diagnostic.is_error
    assert diagnostic.message == f"{name}: this is a Git LFS pointer, not the file itself"
    assert "git lfs pull" in str(diagnostic.hint)


@pytest.mark.parametrize("pointer", [POINTER, WITH_EXTENSION])
def test_as_a_body(tmp_path: Path, pointer: bytes) -> None:
    (tmp_path / "b.json").write_bytes(pointer)
    found = expanded(tmp_path, "    - name: r\n      bodyFile: b.json")
    assert found.told == ["m.yaml:7 lfs-pointer"]
    assert found.diagnostics[0].message == "b.json is a Git LFS pointer, not the file itself"


def test_as_a_manifest(tmp_path: Path) -> None:
    problems: list[Diagnostic] = []
    found = sources.Found("m.yaml", tmp_path / "m.yaml")
    assert sources.decode(found, POINTER, name="m.yaml", cwd=tmp_path, problems=problems) is None
    assert [(one.code, one.place.file, one.hint) for one in problems] == [("lfs-pointer", "m.yaml", LFS_HINT)]


@pytest.mark.parametrize(
    "text",
    [
        b"version\nhttps://git-lfs.github.com/spec/v1\n",
        POINTER[:43],
        POINTER.replace(b"version", b"id", 1),
        POINTER + b"x" * LFS_POINTER_BYTES,
    ],
)
def test_what_only_looks_like_one_is_data(text: bytes) -> None:
    assert not is_lfs_pointer(text)
