from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.manifests.expand.data.streams import FileProblem
from wfdeploy.manifests.expand.input_files import InputFiles


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    (root / "payload.json").write_bytes(b'{"a":  1}\r\n')
    (tmp_path / "outside.json").write_text("{}")
    (root / "link.json").symlink_to(tmp_path / "outside.json")
    (root / "folder").symlink_to(tmp_path)
    (root / "inner.json").symlink_to("payload.json")
    (root / "binary").write_bytes(b"\x00\xff")
    (tmp_path / "project-2").mkdir()
    (tmp_path / "project-2" / "a.json").write_text("{}")
    return root


@pytest.mark.parametrize("path", ["../payload.json", "./../payload.json", "../inner.json", "../x/../payload.json"])
def test_content_is_read_byte_for_byte(project: Path, path: str) -> None:
    assert InputFiles(project, 100).read_body(project / "manifests", path) == ("payload.json", '{"a":  1}\r\n')


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../../outside.json", "body-file-outside"),
        ("../../project-2/a.json", "body-file-outside"),
        ("/etc/passwd", "body-file-outside"),
        ("../link.json", "body-file-outside"),
        ("../folder/outside.json", "body-file-outside"),
        ("../.env", "body-file-hidden"),
        ("../.git/config", "body-file-hidden"),
        ("../.wfdeploy/state/default.db", "body-file-hidden"),
        ("../nowhere.json", "body-file-missing"),
        ("..", "body-file-missing"),
        ("a\0b", "body-file-missing"),
        ("../" + "x" * 300, "body-file-missing"),
        ("../binary", "body-file-not-utf8"),
    ],
)
def test_what_cannot_be_used(project: Path, path: str, code: str) -> None:
    with pytest.raises(FileProblem) as caught:
        InputFiles(project, 100).read_body(project / "manifests", path)
    assert caught.value.code == code


def test_too_big_a_file_is_not_read(project: Path) -> None:
    with pytest.raises(FileProblem) as caught:
        InputFiles(project, 3).read_body(project, "payload.json")
    assert caught.value.code == "message-too-big"


def test_a_body_with_a_whole_merge_conflict_is_refused(project: Path) -> None:
    (project / "a.md").write_text("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n", encoding="utf-8")
    with pytest.raises(FileProblem, match=r"a merge conflict was left in \.\./a\.md, in line 2") as caught:
        InputFiles(project, 100).read_body(project / "manifests", "../a.md")
    assert caught.value.code == "merge-conflict"


@pytest.mark.parametrize("text", ["Title\n=======\n", "<<<<<<< x\n", ">>>>>>> x\n=======\n<<<<<<< x\n", " <<<<<<< x\n"])
def test_a_body_that_only_looks_like_one_is_sent(project: Path, text: str) -> None:
    (project / "a.md").write_text(text, encoding="utf-8")
    assert InputFiles(project, 100).read_body(project / "manifests", "../a.md") == ("a.md", text)
