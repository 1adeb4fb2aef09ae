"""Groups that wait for one another, also across files, read anew and out of the cache."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from tests.support.workbench import group, run
from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.manifests.validate.across_files import check_order
from wfdeploy.model.blocking import Condition, Dependency
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.project import Project
from wfdeploy.model.run import Group


def told(edges: dict[str, list[str]], *, complete: bool = True) -> list[Diagnostic]:
    groups = {
        name: Group(name, depends_on=tuple(Dependency(other, Condition.SUCCEEDED, 10) for other in others))
        for name, others in edges.items()
    }
    return list(check_order(groups, lambda name: f"{name}.yaml", complete=complete))


def test_a_circle_is_printed_with_the_place_of_each_step() -> None:
    (one,) = told({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]})
    assert one.message == (
        "groups wait for one another in a circle: a (a.yaml:10) -> b (b.yaml:10) -> c (c.yaml:10) -> a"
    )
    assert str(one.place) == "a.yaml:10:1"


def test_a_diamond_is_no_circle() -> None:
    assert told({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) == []


def test_a_long_chain_is_no_circle() -> None:
    assert told({str(n): [str(n + 1)] for n in range(5000)} | {"5000": []}) == []


def test_an_unknown_group_is_told_with_what_was_meant() -> None:
    (one,) = told({"load": ["seeed"], "seed": []})
    assert (one.code, one.hint) == ("unknown-group", "did you mean 'seed'?")
    assert told({"load": ["seeed"], "seed": []}, complete=False) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6))
def test_a_circle_is_told_exactly_where_there_is_one(edges: dict[str, list[str]]) -> None:
    edges = {name: [other for other in others if other != name] for name, others in edges.items()}

    def reaches(start: str, goal: str) -> bool:
        seen, waiting = set(), [start]
        while waiting:
            for other in edges.get(waiting.pop(), ()):
                if other == goal:
                    return True
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return False

    assert bool(told(edges, complete=False)) is any(reaches(name, name) for name in edges)


def told_of_files(root: Path, **files: list[dict[str, object]]) -> list[Diagnostic]:
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
    (one,) = told_of_files(tmp_path, one=[waiting("a", "b")], two=[waiting("x"), waiting("b", "a")])
    lines = (tmp_path / "manifests" / "two.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"group": "a"' in text) - 1
    assert one.code == "dependency-cycle"
    assert f"-> b (manifests/two.yaml:{line}) -> a" in one.message
    assert str(one.place).startswith("manifests/one.yaml:")


def test_an_unknown_group_is_an_error_unless_something_was_left_out(tmp_path: Path) -> None:
    (one,) = told_of_files(tmp_path, one=[waiting("load", "sead")], two=[waiting("seed")])
    assert (one.code, one.hint) == ("unknown-group", "did you mean 'seed'?")
    alone = validate(Project(root=tmp_path), ["manifests/one.yaml"], how=Loading(cwd=tmp_path))
    assert list(alone) == []
