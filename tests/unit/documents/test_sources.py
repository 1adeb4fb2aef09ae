from __future__ import annotations

import os
from pathlib import Path

import pytest

from wfdeploy.documents import sources
from wfdeploy.files.bounds import Bounds
from wfdeploy.model.diagnostic import Diagnostic


def find(paths: list[str], base: Path, cwd: Path | None = None) -> tuple[list[str], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    found = sources.find(paths, base=base, cwd=cwd or base, problems=problems, bounds=Bounds(base))
    return [entry.display for entry in found], problems


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a: 1\n")


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    put(
        tmp_path, "m/b.yaml", "m/a.yml", "m/c/d.yaml", "m/notes.txt", "m/.hidden/x.yaml", "m/.x.yaml", "m/wfdeploy.yaml"
    )
    assert find(["m"], tmp_path) == (["m/a.yml", "m/b.yaml", "m/c/d.yaml"], [])
    assert find(["m/"], tmp_path)[0] == ["m/a.yml", "m/b.yaml", "m/c/d.yaml"]


def test_a_folder_below_with_a_project_file_is_another_project(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml", "m/other/wfdeploy.yaml", "m/other/b.yaml", "m/other/deep/c.yaml", "m/z/d.yaml")
    assert find(["m"], tmp_path) == (["m/a.yaml", "m/z/d.yaml"], [])
    assert find(["m/other"], tmp_path) == (["m/other/b.yaml", "m/other/deep/c.yaml"], []), "it was named"
    assert find(["m/other/b.yaml"], tmp_path) == (["m/other/b.yaml"], [])
    problems: list[Diagnostic] = []
    own = sources.find(
        ["m"],
        base=tmp_path,
        cwd=tmp_path,
        problems=problems,
        bounds=Bounds(tmp_path),
        project_file=tmp_path / "m" / "other" / "wfdeploy.yaml",
    )
    assert [entry.display for entry in own] == [
        "m/a.yaml",
        "m/other/b.yaml",
        "m/other/deep/c.yaml",
        "m/z/d.yaml",
    ], "it is this one"


def test_endings_have_no_case(tmp_path: Path) -> None:
    put(tmp_path, "m/a.YAML", "m/b.Yml", "m/c.yaml.bak", "m/d.yaml~")
    assert find(["m"], tmp_path) == (["m/a.YAML", "m/b.Yml"], [])


def test_what_is_passed_over_is_told_with_why(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml", "m/wfdeploy.yaml", "m/.git/x.yaml", "m/.a.yaml.swp", "m/a.yaml~", "m/rows.csv")
    put(tmp_path, "m/sub/b.json", "m/other/wfdeploy.yaml", "m/other/c.yaml", "m/yaml")
    passed: list[sources.PassedOver] = []
    sources.find(["m"], base=tmp_path, cwd=tmp_path, problems=[], bounds=Bounds(tmp_path), passed=passed)
    assert sorted(passed) == sorted(
        [
            ("m/wfdeploy.yaml", "a project file"),
            ("m/.git/", "hidden"),
            ("m/.a.yaml.swp", "hidden"),
            ("m/a.yaml~", "no *.yaml or *.yml"),
            ("m/rows.csv", "no *.yaml or *.yml"),
            ("m/yaml", "no *.yaml or *.yml"),
            ("m/sub/b.json", "no *.yaml or *.yml"),
            ("m/other", "another project"),
        ]
    )


def test_a_folder_without_manifests_says_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "m/a.json", "m/b.json", "m/c/d.json", "m/e.json")
    assert find(["m"], tmp_path)[1][0].hint == (
        "manifests are files *.yaml and *.yml; passed over: m/a.json, m/b.json, m/c/d.json and 1 more"
    )


def test_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt")
    assert find(["notes.txt"], tmp_path) == (["notes.txt"], [])


def test_names_that_are_not_utf8_are_shown_as_escapes(tmp_path: Path) -> None:
    bad = os.fsdecode(b"b\xff")
    put(tmp_path, f"{bad}/{bad}.yaml", f"{bad}/a.yaml")
    assert find([bad], tmp_path) == ([r"b\xff/a.yaml", r"b\xff/b\xff.yaml"], [])
    assert find([f"{bad}/{bad}.yaml"], tmp_path)[0] == [r"b\xff/b\xff.yaml"]
    assert find(["a.yaml"], tmp_path / bad, tmp_path)[0] == [r"b\xff/a.yaml"]


def test_file_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml", "m/b.yaml")
    assert find(["m/b.yaml", "m", "./m/a.yaml", "-", "-"], tmp_path)[0] == ["m/b.yaml", "m/a.yaml", "<stdin>"]


def test_names_are_shown_from_the_working_directory(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml", "sub/x")
    assert find(["m"], tmp_path, tmp_path / "sub")[0] == ["../m/a.yaml"]


def test_missing_path_and_empty_folder(tmp_path: Path) -> None:
    put(tmp_path, "m/notes.txt", "ok/a.yaml")
    found, problems = find(["nowhere", "m", "ok"], tmp_path)
    assert found == ["ok/a.yaml"]
    assert [(p.code, str(p.place)) for p in problems] == [("not-found", "nowhere:1:1"), ("no-manifests", "m:1:1")]


def test_symlink_loop_is_told(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml")
    (tmp_path / "m" / "loop").symlink_to(tmp_path / "m")
    (tmp_path / "m" / "self.yaml").symlink_to("self.yaml")
    found, problems = find(["m"], tmp_path)
    assert "m/a.yaml" in found
    assert [(p.code, p.place.file) for p in problems] == [("symlink-loop", "m/loop")]


def test_linked_folder_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "shared/a.yaml")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link").symlink_to(tmp_path / "shared")
    assert find(["m"], tmp_path) == (["m/link/a.yaml"], [])


def read(path: Path, root: Path) -> tuple[str | None, list[Diagnostic]]:
    problems: list[Diagnostic] = []
    found = sources.read(sources.Found("f", path), root=root, cwd=root, stdin=None, problems=problems)
    return (None if found is None else found.text), problems


def test_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read(tmp_path / "a", tmp_path) == ("a: 1\r\n", [])


@pytest.mark.parametrize(
    ("data", "place"), [(b"a\nb\xff", "f:2:2"), (b"\xff\xfea\x00", "f:1:1"), ("ä".encode() + b"\xe4", "f:1:2")]
)
def test_other_encodings_are_refused(tmp_path: Path, data: bytes, place: str) -> None:
    (tmp_path / "a").write_bytes(data)
    text, (problem,) = read(tmp_path / "a", tmp_path)
    assert text is None
    assert (problem.code, str(problem.place)) == ("not-utf8", place)


def test_utf_16_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("a: 1".encode("utf-16"))
    assert [problem.message for problem in read(tmp_path / "a", tmp_path)[1]] == ["UTF-16, not UTF-8"]


def test_too_big_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 3)
    (tmp_path / "a").write_text("a: 1")
    assert [problem.code for problem in read(tmp_path / "a", tmp_path)[1]] == ["file-too-big"]


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    assert [problem.code for problem in read(tmp_path / "gone", tmp_path)[1]] == ["unreadable"]
    assert [problem.code for problem in read(tmp_path, tmp_path)[1]] == ["unreadable"]
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    assert [problem.code for problem in read(loop, tmp_path)[1]] == ["unreadable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir(mode=0)
    assert [problem.code for problem in find(["m"], tmp_path)[1]] == ["unreadable"]


def test_name_is_relative_to_the_project(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml")
    problems: list[Diagnostic] = []
    found = sources.read(
        sources.Found("x", tmp_path / "m" / "a.yaml"), root=tmp_path, cwd=tmp_path, stdin=None, problems=problems
    )
    assert found is not None
    assert (found.name, found.display, found.folder) == ("m/a.yaml", "x", tmp_path / "m")


def test_a_link_that_leads_out_of_bounds_is_told_and_not_read(tmp_path: Path) -> None:
    root = tmp_path / "project"
    put(root, "m/a.yaml", ".env")
    put(tmp_path, "secret.yaml", "other/b.yaml")
    for name, target in {
        "environ.yaml": "/proc/self/environ",
        "folder": str(tmp_path / "other"),
        "hidden.yaml": "../.env",
        "zero.yaml": "/dev/zero",
        "not-a-manifest": "/etc/passwd",
    }.items():
        (root / "m" / name).symlink_to(target)
    found, problems = find(["m"], root)
    assert found == ["m/a.yaml"]
    assert [(p.code, p.place.file) for p in problems] == [
        ("out-of-bounds", f"m/{name}") for name in ("environ.yaml", "folder", "hidden.yaml", "zero.yaml")
    ]
    assert problems[1].hint == f"whoever runs this command allows it: --allow path={tmp_path / 'other'}"


def test_a_folder_outside_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "other/b.yaml", "project/x")
    root = tmp_path / "project"
    (root / "m").symlink_to(tmp_path / "other")
    for named in ("../other", "m", str(tmp_path / "other"), "../other/b.yaml"):
        found, problems = find([named], root)
        assert (found, [p.code for p in problems]) == ([], ["out-of-bounds"])


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    put(tmp_path, "m/a.yaml")
    os.mkfifo(tmp_path / "m" / "pipe.yaml")
    problems: list[Diagnostic] = []
    for entry in sources.find(["m"], base=tmp_path, cwd=tmp_path, problems=problems, bounds=Bounds(tmp_path)):
        sources.read_bytes(entry, stdin=None, problems=problems)
    assert [(p.code, p.message, p.place.file) for p in problems] == [
        ("unreadable", "can't be read: it is no regular file", "m/pipe.yaml")
    ]


def test_a_descriptor_that_the_shell_opened_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a: 1\n")
    os.close(writer)
    path = f"/dev/fd/{reader}"
    problems: list[Diagnostic] = []
    bounds = Bounds(tmp_path).named(tmp_path, [path])
    (entry,) = sources.find([path], base=tmp_path, cwd=tmp_path, problems=problems, bounds=bounds)
    assert sources.read_bytes(entry, stdin=None, problems=problems) == b"a: 1\n"
    os.close(reader)
    assert not problems


def test_a_merge_conflict_is_told_with_its_line(tmp_path: Path) -> None:
    text = "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> other\n"
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    problems: list[Diagnostic] = []
    found = sources.Found("a.yaml", tmp_path / "a.yaml")
    assert sources.read(found, root=tmp_path, cwd=tmp_path, stdin=None, problems=problems) is None
    assert [(one.code, one.place.line, one.excerpt) for one in problems] == [("merge-conflict", 2, "<<<<<<< HEAD")]
