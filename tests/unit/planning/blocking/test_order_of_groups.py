"""`dependsOn` across files, read anew and out of the cache."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.workbench import group, run
from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.project import Project


def told(root: Path, **files: list[dict[str, object]]) -> list[Diagnostic]:
    """What is said of these files, the same when they are read and when they are remembered."""
    (root / "manifests").mkdir(exist_ok=True)
    for name, groups in files.items():
        text = "\n---\n".join(json.dumps(value, indent=1) for value in groups)
        (root / "manifests" / f"{name}.yaml").write_text(text, encoding="utf-8")
    project = Project(root=root)
    first, second = (
        list(validate(project, how=Loading(cwd=root, cache=Cache(root / "cache", b"key")))) for _ in range(2)
    )
    assert first == second
    return first


def waiting(name: str, *others: str) -> dict[str, object]:
    return group(name, [run("a")], dependsOn=[{"group": other} for other in others])


def test_a_circle_across_files_is_told_with_file_and_line_of_each_step(tmp_path: Path) -> None:
    (one,) = told(tmp_path, one=[waiting("a", "b")], two=[waiting("x"), waiting("b", "a")])
    lines = (tmp_path / "manifests" / "two.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"group": "a"' in text) - 1
    assert one.code == "dependency-cycle"
    assert f"-> b (manifests/two.yaml:{line}) -> a" in one.message
    assert str(one.place).startswith("manifests/one.yaml:")


def test_an_unknown_group_is_an_error_unless_something_was_left_out(tmp_path: Path) -> None:
    (one,) = told(tmp_path, one=[waiting("load", "sead")], two=[waiting("seed")])
    assert (one.code, one.hint) == ("unknown-group", "did you mean 'seed'?")
    alone = validate(Project(root=tmp_path), ["manifests/one.yaml"], how=Loading(cwd=tmp_path))
    assert list(alone) == []
