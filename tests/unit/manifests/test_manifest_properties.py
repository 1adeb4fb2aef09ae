"""Whatever a manifest says, it is judged: diagnostics or runs, never an exception."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.support.declared import declared_runs
from tests.support.shared_values import copied
from wfdeploy.documents import structure, yaml_docs
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Severity
from wfdeploy.model.document import FieldPath, SourceFile
from wfdeploy.model.project import Project
from wfdeploy.project.file import load_project

CASES = Path(__file__).parents[2] / "cases"
PROJECT = Project(
    root=CASES,
    vars={"app_url": "https://app.example.com", "label": "l", "limits": {"seats": 1}, "regions": ["eu", "us"]},
    secrets=("APP_TOKEN",),
)

PIECES: st.SearchStrategy[Any] = copied(st.sampled_from(
    [
        None, True, 0, -1, 1, 2**53, 10**400, 0.5, "", " ", "a", "a b", "A", "null", "10s", "-1s", "99999999999d", "\n",
        "1h1h", "2026-12-01T06:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
        "${{ row.id }}", "${{ row.x | upper }}", "${{ matrix.region }}", "${{ row }}", "${{ vars.regions }}",
        "../data/bad.csv",
        "${{ vars.app_url }}", "${{ vars.limits }}", "${{ secrets.APP_TOKEN }}", "${{ x", "$${{ x }}", "${{}}", "/",
        "2026-13-01T00:00:00Z", "..",
        "https://a", "http://[", "https://a:b@c", "full/acme", "full", "body", "headers.X", "wfr_", "é", "\U0001f600",
        "pow(", "1/0", "retried", [], {}, [[]], ["a", "a"], {"a": None}, {"key": "k"}, {"from": "a", "to": "a"},
    ]
))  # fmt: skip


def nodes(value: Any, path: FieldPath = ()) -> list[FieldPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for step, item in items for inner in nodes(item, (*path, step)))]


def case(name: str) -> Any:
    problems: list[Any] = []
    text = (CASES / "valid" / name).read_text()
    (document,) = yaml_docs.read(SourceFile("f", "f", Path(), text), problems)
    return json.loads(json.dumps(document.data))


BASE = case("full.yaml")
PATHS = [path for path in nodes(BASE) if path]
GENERATORS = case("generators.yaml")


def edited(base: Any, edits: list[tuple[FieldPath, str, Any]]) -> Any:
    data = copy.deepcopy(base)
    for path, how, given_piece in edits:
        holder, piece = data, copy.deepcopy(given_piece)
        try:
            for step in path[:-1]:
                holder = holder[step]
            if how == "drop":
                del holder[path[-1]]
            elif how == "add" and isinstance(holder, dict):
                holder[str(piece)] = piece
            else:
                holder[path[-1]] = piece
        except (KeyError, IndexError, TypeError):
            continue  # an edit before took the place away
    return data


EDITS = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(["put", "put", "drop", "add"]), PIECES), max_size=4)


@settings(max_examples=200, deadline=None)
@given(EDITS)
@example([(("spec", "runs", 0, "bodyFile"), "put", "\n"), (("spec", "runs", 1, "bodyText"), "put", "${{ a\nb }}")])
@example([(("spec", "runs", 0, "name"), "put", "\n"), (("spec", "runs", 1, "name"), "put", "\n")])
def test_any_manifest_is_judged(edits: list[tuple[FieldPath, str, Any]]) -> None:
    text = json.dumps(edited(BASE, edits), indent=1, ensure_ascii=False)
    found = validate(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid"))
    lines = text.split("\n")
    for diagnostic in found:
        place = diagnostic.place
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1
        assert diagnostic.message
        assert "\n" not in diagnostic.message
    errors = [diagnostic for diagnostic in found if diagnostic.severity is Severity.ERROR]
    if errors:
        with pytest.raises(InvalidInput):
            load_manifests(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid"))
    else:
        runs = load_manifests(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid")).runs
        assert len({run.address for run in runs.runs()}) == len(runs)


GENERATOR_EDITS = st.lists(
    st.tuples(
        st.sampled_from([path for path in nodes(GENERATORS) if len(path) > 1]),
        st.sampled_from(["put", "put", "drop", "add"]),
        PIECES,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(GENERATOR_EDITS)
def test_any_generator_is_judged(edits: list[tuple[FieldPath, str, Any]]) -> None:
    text = json.dumps(edited(GENERATORS, edits), indent=1, ensure_ascii=False)
    found = validate(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid"))
    lines = text.split("\n")
    for diagnostic in found:
        place = diagnostic.place
        assert place.line <= len(lines) or "data" in place.file
        assert min(place.line, place.column) >= 1
        assert "\n" not in diagnostic.message
    if not any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        with load_manifests(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid")) as manifests:
            runs = list(declared_runs(manifests))
            assert len({run.address for run in runs}) == len(runs)


# What one field says is right because of what another one says.
TIGHT = {
    "apiVersion": "wfdeploy/v1",
    "kind": "RunGroup",
    "metadata": {"name": "tight"},
    "spec": {
        "defaults": {"delay": "30s", "flowControl": {"key": "k", "rate": 5, "period": "1m"}},
        "moved": [{"from": "tight/old", "to": "tight/timed"}],
        "runs": [
            {"name": "timed", "destination": "https://a", "notBefore": "2026-12-01T06:00:00Z", "delay": None},
            {"name": "limited", "destination": "https://a", "bodyText": "a", "flowControl": {"key": "k", "rate": 1}},
        ],
    },
}
WHERE = [(base, path) for base in (BASE, TIGHT, GENERATORS) for path in nodes(base) if path]
MISTAKES = st.one_of(
    st.tuples(st.just("put"), PIECES), st.tuples(st.just("drop"), st.none()), st.just(("add", "dealy")),
    st.just(("add", "destinaton")),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHERE), MISTAKES)
def test_mistake_in_the_structure_is_told_once_and_causes_no_other(
    where: tuple[Any, FieldPath], mistake: tuple[str, Any]
) -> None:
    path, value = where[1], mistake[1]
    assume(not (path[:2] == ("spec", "runs") and len(path) == 3 and isinstance(value, dict)))  # it lacks more than one
    text = json.dumps(edited(where[0], [(path, *mistake)]), indent=1, ensure_ascii=False)
    (document,) = yaml_docs.read(SourceFile("f", "f", Path(), text), [])
    expected = structure.check(document, "manifest")
    assume(expected)
    found = validate(PROJECT, ["-"], how=Loading(stdin=text.encode, cwd=CASES / "valid"))
    assert sorted(d.message for d in found) == sorted(finding.message for finding in expected)


PROJECT_BASE = {
    "apiVersion": "wfdeploy/v1",
    "kind": "Project",
    "metadata": {"name": "acme", "uid": "k3v9"},
    "spec": {
        "manifests": ["runs"],
        "vars": {"app_url": "https://app.example.com"},
        "secrets": ["APP_TOKEN"],
        "state": {"required": True},
        "moved": [{"from": "a", "to": "b"}],
        "server": {"url": "https://q.example.com", "logLag": "90s", "timeouts": {"connect": "5s"}},
        "environments": {"local": None, "e": {"url": "https://q.example.com", "server": {"logLag": 0}}},
    },
}
PROJECT_PATHS = [path for path in nodes(PROJECT_BASE) if path]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(PROJECT_PATHS), st.sampled_from(["put", "put", "drop", "add"]), PIECES), max_size=3
    )
)
def test_any_project_file_is_judged(tmp_path: Path, edits: list[tuple[FieldPath, str, Any]]) -> None:
    (tmp_path / "wfdeploy.yaml").write_text(json.dumps(edited(PROJECT_BASE, edits), ensure_ascii=False))
    with contextlib.suppress(InvalidInput):
        assert load_project(cwd=tmp_path, environment="local").environment == "local"
