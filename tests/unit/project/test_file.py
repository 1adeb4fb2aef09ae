from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.model.project import Project, ServerSettings
from wfdeploy.model.run import Move
from wfdeploy.project.file import load_project, locate_project_file

HEAD = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: acme, uid: k3v9}\n"
FULL = (
    HEAD
    + """\
spec:
  manifests: [runs, more/a.yaml]
  vars: {app_url: https://app.example.com, seats: 3}
  secrets: [APP_TOKEN]
  state: {required: true}
  moved: [{from: a, to: b}]
  server:
    url: https://qstash.example.com
    tokenEnv: ACME_TOKEN
    logLag: 90s
    logRetention: 14d
    maxBatchItems: 50
    maxBatchBytes: 5000000
    maxMessageBytes: 2000000
    timeouts: {connect: 5s, read: 1.5m, write: 1.5, pool: 300ms}
    insecureDestinations: true
  environments:
    local:
    staging:
      url: http://localhost:8080
      vars: {app_url: http://localhost:3000}
      secrets: [OTHER, APP_TOKEN]
      state: {path: staging.db, required: false}
      server: {logLag: 0, insecureDestinations: false, timeouts: {read: 1s}}
    production:
      tokenEnv: PRODUCTION_TOKEN
"""
)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "wfdeploy.yaml"
    path.write_text(text)
    return path


def codes(folder: Path) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        load_project(cwd=folder)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_everything_has_a_default(tmp_path: Path) -> None:
    assert load_project(cwd=tmp_path) == Project(root=tmp_path)
    assert load_project(cwd=tmp_path, environment="local").environment == "local"
    assert load_project(cwd=tmp_path, environment="default").environment == "default"


def test_smallest_file(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    assert load_project(cwd=tmp_path) == Project(root=tmp_path, file=path, name="acme", uid="k3v9")


def test_every_field(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    assert load_project(cwd=tmp_path, environment="production") == Project(
        root=tmp_path,
        file=path,
        name="acme",
        uid="k3v9",
        environment="production",
        environments=("local", "staging", "production"),
        manifests=("runs", "more/a.yaml"),
        state_path=None,
        state_required=True,
        vars={"app_url": "https://app.example.com", "seats": 3},
        secrets=("APP_TOKEN",),
        moved=(Move("a", "b"),),
        server=ServerSettings(
            url="https://qstash.example.com",
            token_env="PRODUCTION_TOKEN",
            log_lag_s=90.0,
            log_lag_given=True,
            log_retention_s=14 * 86400.0,
            max_batch_items=50,
            max_batch_bytes=5_000_000,
            max_message_bytes=2_000_000,
            connect_timeout_s=5.0,
            read_timeout_s=90.0,
            write_timeout_s=1.5,
            pool_timeout_s=0.3,
            insecure_destinations=True,
        ),
    )


def test_project_file_that_is_no_mapping(tmp_path: Path) -> None:
    write(tmp_path, "- a\n")
    with pytest.raises(InvalidInput) as caught:
        load_project(cwd=tmp_path)
    (problem,) = caught.value.diagnostics
    assert problem.message == "a project file is a mapping with apiVersion, kind and metadata, not a list"


def test_environment_overrides_field_by_field(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    project = load_project(cwd=tmp_path, environment="staging")
    assert project.vars == {"app_url": "http://localhost:3000", "seats": 3}
    assert project.secrets == ("APP_TOKEN", "OTHER")
    assert (project.state_path, project.state_required) == ("staging.db", False)
    server = project.server
    assert (server.url, server.token_env) == ("http://localhost:8080", "ACME_TOKEN")
    assert (server.log_lag_s, server.log_lag_given, server.insecure_destinations) == (0.0, True, False)
    assert (server.connect_timeout_s, server.read_timeout_s, server.max_batch_items) == (5.0, 1.0, 50)


@pytest.mark.parametrize("environments", ["", "  environments: {local: {}}\n"])
def test_local_begins_with_a_state_of_its_own(tmp_path: Path, environments: str) -> None:
    write(tmp_path, HEAD + "spec:\n  state: {required: true, path: x.db}\n" + environments)
    project = load_project(cwd=tmp_path, environment="local")
    assert (project.environment, project.state_path, project.state_required) == ("local", None, False)


def test_file_is_found_by_walking_up(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert load_project(cwd=deep).root == tmp_path


def test_nearest_file_counts_and_a_given_one_wins(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    inner = write(tmp_path / "a", HEAD.replace("acme", "inner"))
    assert load_project(cwd=inner.parent).name == "inner"
    given = load_project(cwd=inner.parent, file=Path("../wfdeploy.yaml"))
    assert (given.name, given.root, given.file) == ("acme", tmp_path, tmp_path / "wfdeploy.yaml")


@pytest.mark.parametrize("name", ["wfdeploy.yml", "Wfdeploy.yaml", "WFDEPLOY.YML", "wfdeploy.YAML"])
def test_a_project_file_of_another_name_is_never_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_text(HEAD, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        locate_project_file(cwd=tmp_path / "sub")
    assert caught.value.message == f"../{name} is not read: the project file is called wfdeploy.yaml"
    assert caught.value.hint == f"rename it: mv ../{name} ../wfdeploy.yaml"
    (tmp_path / "wfdeploy.yaml").write_text(HEAD, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        locate_project_file(cwd=tmp_path)
    assert caught.value.message == f"{name} stands beside wfdeploy.yaml, and only one of them can be the project file"
    assert locate_project_file(cwd=tmp_path, file=Path(name)) == tmp_path / name


def test_another_name_for_the_same_file_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "wfdeploy.yaml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "wfdeploy.yml").symlink_to("wfdeploy.yaml")
    assert locate_project_file(cwd=tmp_path) == tmp_path / "wfdeploy.yaml"


def test_a_nearer_file_hides_one_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "wfdeploy.yml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "sub/wfdeploy.yaml").write_text(HEAD, encoding="utf-8")
    assert locate_project_file(cwd=tmp_path / "sub") == tmp_path / "sub/wfdeploy.yaml"


def test_given_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_project(cwd=tmp_path, file=Path("nowhere.yaml"))
    assert [(d.code, d.place.file) for d in caught.value.diagnostics] == [("unreadable", "nowhere.yaml")]


def test_one_environment_has_to_be_chosen(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    with pytest.raises(UsageError, match="local, staging, production") as caught:
        load_project(cwd=tmp_path)
    assert "-e NAME" in (caught.value.hint or "")


@pytest.mark.parametrize(("name", "hint"), [("prodution", "did you mean 'production'?"), ("zz", "available: local")])
def test_unknown_environment(tmp_path: Path, name: str, hint: str) -> None:
    write(tmp_path, FULL)
    with pytest.raises(UsageError, match=name) as caught:
        load_project(cwd=tmp_path, environment=name)
    assert hint in (caught.value.hint or "")


def test_every_environment_is_named_once(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    with pytest.raises(UsageError) as caught:
        load_project(cwd=tmp_path, environment="zz")
    assert caught.value.hint == "available: local, staging, production"


def test_environment_without_a_project_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no project file"):
        load_project(cwd=tmp_path, environment="production")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["empty-file"]),
        ("a: [", ["yaml-syntax"]),
        (HEAD + "---\na: 1\n", ["second-document"]),
        (HEAD.replace("Project", "RunGroup"), ["wrong-kind"]),
        (HEAD.replace("Project", "Projekt"), ["not-allowed"]),
        (HEAD.replace("acme", "Acme"), ["bad-form"]),
        (HEAD + "spec: {manifest: [a], manifests: []}\n", ["unknown-field", "empty"]),
        (HEAD + "spec: {vars: {a-b: 1}}\n", ["bad-name"]),
        (HEAD + "spec: {environments: {A.b: {}}}\n", ["bad-name"]),
        (HEAD + "spec: {vars: {a: [{b: '${{ vars.x }}'}]}}\n", ["expression-in-variable"]),
        (HEAD + "spec: {environments: {e: {vars: {a: '${{'}}}}\n", ["expression-in-variable"]),
        (HEAD + "spec: {server: {url: 'qstash.upstash.io'}}\n", ["bad-form"]),
        (HEAD + "spec: {server: {url: 'https://a:b@qstash.upstash.io'}}\n", ["bad-form"]),
        (HEAD + "spec: {server: {url: 'https://a:99999'}}\n", ["bad-url"]),
        (HEAD + "spec: {environments: {e: {url: '${{ vars.x }}'}}}\n", ["bad-form"]),
        (HEAD + "spec: {server: {logLag: .nan, timeouts: {read: .nan}}}\n", ["not-a-json-number"] * 2),
        (HEAD + "spec: {environments: {e: {server: {logRetention: .inf}}}}\n", ["too-large"]),
        (HEAD + "spec: {secrets: [a b]}\n", ["bad-form"]),
        (HEAD + "spec: {server: {logLag: soon, maxBatchItems: 0}}\n", ["bad-form", "too-small"]),
        (HEAD + 'spec: {state: {path: "a\\0b"}, manifests: [m, "n\\0"]}\n', ["bad-path"] * 2),
        (HEAD + 'spec: {environments: {e: {state: {path: "\\0"}}}}\n', ["bad-path"]),
        (HEAD + "spec: {state: {path: a.db}, environments: {a: {}, b: {}}}\n", ["shared-state"]),
        (HEAD + "spec: {environments: {a: {state: {path: x}}, b: {state: {path: x}}}}\n", ["shared-state"]),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, expected: list[str]) -> None:
    write(tmp_path, text)
    assert codes(tmp_path) == expected
