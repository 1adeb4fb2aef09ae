"""`load_manifests`: paths, variables, completeness; what single manifests declare is in `test_manifest_cases`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.declared import declared_runs
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.manifests.manifests import Manifests, load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Severity
from wfdeploy.model.project import Project, ServerSettings
from wfdeploy.model.run import Move
from wfdeploy.project.file import load_project


def manifest(group: str, *runs: str, destination: str = "https://app.example.com/wf", more: str = "") -> str:
    listed = ", ".join(f"{{name: {run}}}" for run in runs)
    return (
        f"apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {{name: {group}}}\n"
        f"spec:\n  destination: {destination}\n  runs: [{listed}]\n{more}"
    )


def put(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project(root=root)


def addresses(manifests: Manifests) -> list[str]:
    return [run.address for run in manifests.runs.runs()]


def codes(project: Project, paths: list[str] | None = None, **options: Any) -> list[str]:
    return [diagnostic.code for diagnostic in validate(project, paths, how=Loading(cwd=project.root, **options))]


def test_runs_are_sorted_by_code_point(tmp_path: Path) -> None:
    project = put(
        tmp_path, {"manifests/b.yaml": manifest("a", "b", "B", "a"), "manifests/a.yaml": manifest("a-b", "a")}
    )
    assert addresses(load_manifests(project)) == ["a-b/a", "a/B", "a/a", "a/b"]


def test_project_manifests_are_relative_to_the_project(tmp_path: Path) -> None:
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "x"), "sub/dir/y": ""})
    loaded = load_manifests(project, how=Loading(cwd=tmp_path / "sub" / "dir"))
    assert loaded.files == ("../../manifests/a.yaml",)
    assert next(declared_runs(loaded)).source.file == "manifests/a.yaml"
    assert loaded.complete


def test_given_paths_are_relative_to_the_working_directory(tmp_path: Path) -> None:
    project = put(tmp_path, {"sub/a.yaml": manifest("a", "x")})
    loaded = load_manifests(project, ["./a.yaml"], how=Loading(cwd=tmp_path / "sub"))
    assert loaded.files == ("./a.yaml",)
    assert next(declared_runs(loaded)).source.file == "sub/a.yaml"


@pytest.mark.parametrize(
    ("paths", "complete"),
    [
        (None, True),
        (["manifests"], True),
        (["."], True),
        (["manifests/a.yaml", "manifests/b.yaml"], True),
        (["manifests", "other.yaml"], True),
        (["manifests/a.yaml"], False),
        (["other.yaml"], False),
    ],
)
def test_complete(tmp_path: Path, paths: list[str] | None, complete: bool) -> None:
    files = {"manifests/a.yaml": manifest("a"), "manifests/b.yaml": manifest("b"), "other.yaml": manifest("c")}
    assert load_manifests(put(tmp_path, files), paths, how=Loading(cwd=tmp_path)).complete is complete


def test_standard_input(tmp_path: Path) -> None:
    project = put(tmp_path, {"payload.json": "{}"})
    text = manifest("a").replace("runs: []", "runs: [{name: x, bodyFile: payload.json}]")
    loaded = load_manifests(project, ["-"], how=Loading(stdin=text.encode, cwd=tmp_path))
    assert addresses(loaded) == ["a/x"]
    assert next(declared_runs(loaded)).source.file == "-"
    assert loaded.files == ("<stdin>",)
    assert not loaded.complete
    (problem,) = validate(project, ["-"], how=Loading(stdin=lambda: b"a: [", cwd=tmp_path))
    assert problem.place.file == "<stdin>"


def test_variables_beat_the_project_and_defaults_are_beaten(tmp_path: Path) -> None:
    more = "  defaults: {headers: {A: '${{ vars.a }}', B: '${{ vars.b }}', C: '${{ vars.c }}'}}\n"
    put(tmp_path, {"manifests/a.yaml": manifest("a", "x", more=more)})
    project = Project(root=tmp_path, vars={"a": "project", "b": "project"})
    loaded = load_manifests(
        project, how=Loading(variables={"a": "given"}, defaults={"a": "d", "b": "d", "c": "d"}, cwd=tmp_path)
    )
    assert next(declared_runs(loaded)).request.template.headers == {"A": "given", "B": "project", "C": "d"}


@pytest.mark.parametrize("variables", [{"a-b": "x"}, {"": "x"}, {"a": "${{ vars.b }}"}, {"a": "\udcff"}])
def test_bad_variables_are_wrong_usage(tmp_path: Path, variables: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--var"):
        load_manifests(Project(root=tmp_path), how=Loading(variables=variables))


def test_runs_share_what_their_group_gives(tmp_path: Path) -> None:
    more = "  defaults: {headers: {A: b}, labels: [x], body: {a: 1}}\n"
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "x", "y", "z", more=more)})
    first, second, third = (run.request for run in declared_runs(load_manifests(project)))
    assert first.template is second.template is third.template
    assert first.body == second.body
    assert second.body is third.body


def test_everything_wrong_with_all_files_is_raised_at_once(tmp_path: Path) -> None:
    files = {
        "manifests/a.yaml": "a: [",
        "manifests/b.yaml": manifest("B"),
        "manifests/c.yaml": manifest("c", "x", destination="ftp://x"),
        "manifests/d.yaml": "",
    }
    project = put(tmp_path, files)
    with pytest.raises(InvalidInput) as caught:
        load_manifests(project, how=Loading(cwd=tmp_path))
    assert [d.code for d in caught.value.diagnostics] == ["yaml-syntax", "bad-form", "bad-url"]
    assert codes(project) == ["yaml-syntax", "bad-form", "bad-url", "empty-file"]


def test_empty_file_is_a_warning(tmp_path: Path) -> None:
    project = put(tmp_path, {"manifests/a.yaml": "# nothing\n", "manifests/b.yaml": manifest("b", "x")})
    loaded = load_manifests(project, how=Loading(cwd=tmp_path))
    assert addresses(loaded) == ["b/x"]
    assert [(d.severity, d.code) for d in loaded.warnings] == [(Severity.WARNING, "empty-file")]


def test_project_file_among_the_manifests_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, {"acme.yaml": PROJECT + "spec: {manifests: [.]}\n", "a.yaml": manifest("a", "x")})
    project = load_project(cwd=tmp_path, file=Path("acme.yaml"))
    for paths in (None, ["."], ["a.yaml"]):
        loaded = load_manifests(project, paths, how=Loading(cwd=tmp_path))
        assert addresses(loaded) == ["a/x"]
        assert loaded.complete


def test_hostile_numbers_are_told_not_stumbled_over(tmp_path: Path) -> None:
    long = "f" * 5000
    text = manifest("a").replace("runs: []", f"runs: [{{name: a, body: 0x{long}, retries: 0x{long}}}]")
    assert codes(put(tmp_path, {"manifests/a.yaml": text})) == ["number-too-long", "number-too-long"]


def test_two_bodies_in_the_defaults_are_told_once(tmp_path: Path) -> None:
    more = "  defaults: {body: 1, bodyText: a}\n"
    text = manifest("a", "x", "y", more=more)
    assert codes(put(tmp_path, {"manifests/a.yaml": text})) == ["two-bodies"]
    broken = text.replace("{name: x}", "{name: x, retires: 1}")
    assert codes(put(tmp_path, {"manifests/a.yaml": broken})) == ["unknown-field", "two-bodies"]


def test_missing_manifests_are_told(tmp_path: Path) -> None:
    (diagnostic,) = validate(Project(root=tmp_path), how=Loading(cwd=tmp_path))
    assert (diagnostic.code, diagnostic.place.file) == ("not-found", "manifests")


def test_twins_in_two_files_name_each_other(tmp_path: Path) -> None:
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "x"), "manifests/b.yaml": manifest("a", "x")})
    found = validate(project, how=Loading(cwd=tmp_path))
    assert [d.code for d in found] == ["duplicate-group", "duplicate-address"]
    assert all(d.place.file == "manifests/b.yaml" and "manifests/a.yaml:" in d.message for d in found)


def test_runs_beside_a_broken_one_are_judged(tmp_path: Path) -> None:
    text = manifest("a").replace(
        "runs: []", "runs: [{name: x, retires: 1}, {name: y, destination: 'ftp://x'}, {name: z, delay: soon}]"
    )
    assert codes(put(tmp_path, {"manifests/a.yaml": text})) == ["unknown-field", "bad-url", "bad-form"]


def test_shared_problem_is_told_once(tmp_path: Path) -> None:
    more = "  defaults: {labels: [a b], retryDelay: x, headers: {A: 'b\n '}}\n"
    text = manifest("a", "x", "y", "z", destination="ftp://x", more=more)
    assert sorted(codes(put(tmp_path, {"manifests/a.yaml": text}))) == [
        "bad-header-value", "bad-label", "bad-retry-delay", "bad-url",
    ]  # fmt: skip


def test_message_size_is_counted_in_bytes(tmp_path: Path) -> None:
    text = manifest("a").replace(
        "runs: []", "runs: [{name: a, bodyText: äääää}, {name: b, bodyText: aaaaa}, {name: c, body: {a: ää}}]"
    )
    put(tmp_path, {"manifests/a.yaml": text})
    project = Project(root=tmp_path, server=ServerSettings(max_message_bytes=9))
    found = validate(project, how=Loading(cwd=tmp_path))
    assert [(d.code, d.address) for d in found] == [("message-too-big", "a/a"), ("message-too-big", "a/c")]


def test_numbers_from_variables_are_looked_at(tmp_path: Path) -> None:
    text = manifest("a").replace("runs: []", "runs: [{name: a, body: {x: '${{ vars.big }}'}}]")
    put(tmp_path, {"manifests/a.yaml": text})
    assert codes(Project(root=tmp_path, vars={"big": 2**60})) == ["not-a-json-number"]


def test_moves_of_project_and_groups(tmp_path: Path) -> None:
    text = manifest("a", "x", more="  moved: [{from: a/old, to: a/x}]\n")
    put(tmp_path, {"manifests/a.yaml": text, "wfdeploy.yaml": PROJECT + "spec:\n  moved: [{from: former, to: a}]\n"})
    project = load_project(cwd=tmp_path)
    assert load_manifests(project, how=Loading(cwd=tmp_path)).moved == (Move("former", "a"), Move("a/old", "a/x"))


def test_bad_move_of_the_project_is_found_in_its_file(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"manifests/a.yaml": manifest("a"), "wfdeploy.yaml": PROJECT + "spec:\n  moved:\n    - {from: a, to: b}\n"},
    )
    (found,) = validate(load_project(cwd=tmp_path), how=Loading(cwd=tmp_path))
    assert (found.code, str(found.place)) == ("moved-still-declared", "wfdeploy.yaml:6:14")


def test_move_to_nowhere_is_a_warning_when_all_is_known(tmp_path: Path) -> None:
    text = manifest("a", "x", more="  moved: [{from: a/old, to: a/gone}]\n")
    project = put(tmp_path, {"manifests/a.yaml": text, "manifests/b.yaml": manifest("b")})
    assert [d.code for d in load_manifests(project, how=Loading(cwd=tmp_path)).warnings] == ["moved-nowhere"]
    assert not load_manifests(project, ["manifests/a.yaml"], how=Loading(cwd=tmp_path)).warnings


def test_examples_of_the_repository_are_sound() -> None:
    root = Path(__file__).parents[3]
    project = load_project(cwd=root, environment="local")
    loaded = load_manifests(
        project, ["manifests/"], how=Loading(defaults={"app_url": "http://127.0.0.1:8080"}, cwd=root)
    )
    assert "onboarding/acme" in addresses(loaded)
    assert loaded.complete
    production = load_project(cwd=root, environment="production")
    assert production.state_required
    assert not load_manifests(production, how=Loading(cwd=root)).warnings


PROJECT = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\n"


def test_requests_that_are_not_held_are_found_again_in_any_order(tmp_path: Path) -> None:
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "x, headers: {A: b}", "y", "z")})
    with (
        load_manifests(project, how=Loading(cwd=tmp_path)) as held,
        load_manifests(project, how=Loading(cwd=tmp_path, keep=1)) as manifests,
    ):
        runs = list(manifests.runs.runs())
        expected = [held.requests.of(run) for run in held.runs.runs()]
        assert [manifests.requests.of(run) for run in reversed(runs)] == expected[::-1]
        assert [request.template.headers for request in expected] == [{"A": "b"}, {}, {}]


@pytest.mark.parametrize("destination", ["[1]", "1", "{a: 1}", "https://app.example.com"])
def test_a_destination_among_the_defaults_is_told_and_not_used(tmp_path: Path, destination: str) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\nspec:\n"
        f"  destination: https://a.example.com\n  defaults: {{destination: {destination}}}\n  runs: [{{name: a}}]\n"
    )
    assert [said.code for said in validate(Project(root=tmp_path), how=Loading(cwd=tmp_path))] == ["unknown-field"]


def test_a_destination_that_is_probably_not_meant_is_warned_of_once_for_each_text(tmp_path: Path) -> None:
    rows = "all, key: '${{ row }}', forEach: {items: [1, 2, 3]}, destination: 'http://localhost//${{ row }}'"
    more = "  defaults: {failureUrl: 'https://app.example.com//fail'}\n"
    files = {
        "manifests/a.yaml": manifest("a", "x", "y", rows, destination="http://[::1]/wf", more=more),
        "manifests/b.yaml": manifest("b", "x", "y", destination="http://[::1]/wf"),
    }
    project = put(tmp_path, files)
    slashes = [("double-slash", "a.yaml", 6), ("double-slash", "a.yaml", 7)]
    here = [("loopback-destination", "a.yaml", 5), ("loopback-destination", "a.yaml", 6)]
    here.append(("loopback-destination", "b.yaml", 5))
    cache = Cache.of(tmp_path / "cache", b"secret")
    for loopback, expected in ((True, slashes), (False, [*slashes, *here]), (True, slashes)):
        for _ in range(2):  # the second time, the files are known
            with closing(load_manifests(project, how=Loading(cwd=tmp_path, cache=cache, loopback=loopback))) as found:
                told = sorted((one.code, Path(one.place.file).name, one.place.line) for one in found.warnings)
                assert told == sorted(expected)
                assert len(list(found.doubts)) == len(expected)
                assert not list(found.cautions), "nothing needs a closer look at the runs"
