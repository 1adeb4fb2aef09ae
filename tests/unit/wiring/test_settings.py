"""What beats what, and what makes no sense."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.model.options import TargetOptions
from wfdeploy.project.permissions import Permissions
from wfdeploy.wiring.settings import EMBEDDED, Settings, resolve

PROJECT = """\
apiVersion: wfdeploy/v1
kind: Project
metadata: {name: shop, uid: abc123}
spec:
  server: {url: "https://base.example.com"}
  environments:
    staging: {}
    production: {url: "https://prod.example.com", tokenEnv: QSTASH_TOKEN_PROD, state: {path: states/prod.db}}
"""

HOSTED = "https://qstash.upstash.io"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wfdeploy.yaml").write_text(PROJECT, encoding="utf-8")
    return tmp_path


def settled(cwd: Path, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    return resolve(TargetOptions(**flags), environ or {}, cwd=cwd)


def test_without_anything_it_is_the_hosted_server(tmp_path: Path) -> None:
    target = settled(tmp_path).target
    assert (target.url, target.token, target.token_source) == (HOSTED, None, "QSTASH_TOKEN")
    assert target.project.environment == "default"
    assert target.state_file == tmp_path / ".wfdeploy/state/default.db"


def test_variables_are_used_where_no_environment_is_chosen(tmp_path: Path) -> None:
    target = settled(tmp_path, {"QSTASH_URL": "https://q.example.com/", "QSTASH_TOKEN": "abc\n"}).target
    assert (target.url, target.token) == ("https://q.example.com", "abc")


@pytest.mark.parametrize(
    ("environment", "flags", "url"),
    [
        ("production", {}, "https://prod.example.com"),
        ("staging", {}, "https://base.example.com"),
        ("production", {"url": "https://flag.example.com"}, "https://flag.example.com"),
    ],
)
def test_a_stray_variable_never_redirects_a_chosen_environment(
    project: Path, environment: str, flags: dict[str, str], url: str
) -> None:
    environ = {"QSTASH_URL": "https://stray.example.com"}
    assert settled(project, environ, environment=environment, **flags).target.url == url


def test_the_token_comes_from_the_variable_that_the_environment_names(project: Path) -> None:
    environ = {"QSTASH_TOKEN": "other", "QSTASH_TOKEN_PROD": "right"}
    target = settled(project, environ, environment="production").target
    assert (target.token, target.token_source) == ("right", "QSTASH_TOKEN_PROD")
    assert settled(project, {"QSTASH_TOKEN": "other"}, environment="production").target.token is None


def test_environments_declared_and_none_chosen(project: Path) -> None:
    with pytest.raises(UsageError, match="none is chosen"):
        settled(project)


@pytest.mark.parametrize(
    ("environ", "flags"),
    [({}, {"local": True}), ({"QSTASH_DEV": "true"}, {}), ({}, {"environment": "local"})],
)
def test_local_is_an_environment_of_its_own(project: Path, environ: dict[str, str], flags: dict[str, Any]) -> None:
    settings = settled(project, environ | {"QSTASH_TOKEN": "real"}, **flags)
    target = settings.target
    assert target.local
    assert target.project.environment == "local"
    assert (target.url, target.token) == (EMBEDDED, None)  # a real token never goes near it
    assert target.state_file == project / ".wfdeploy/state/local.db"
    assert settings.local_database == project / ".wfdeploy/local-server.db"


@pytest.mark.parametrize(
    ("environ", "flags"),
    [
        ({"QSTASH_DEV": "1"}, {"environment": "production"}),
        ({}, {"local": True, "environment": "production"}),
        ({}, {"local": True, "url": HOSTED}),
        ({}, {"local": True, "token_file": "t"}),
        ({"QSTASH_DEV": "maybe"}, {"environment": "production"}),
        ({}, {"environment": "nowhere"}),
        ({}, {"environment": "staging", "url": "ftp://x"}),
        ({}, {"environment": "staging", "url": "https://user:pass@x.example.com"}),
        ({}, {"environment": "staging", "project_file": "missing.yaml"}),
        ({}, {"environment": "staging", "token_file": "missing"}),
        ({}, {"environment": "staging", "env_file": "missing"}),
        ({"QSTASH_TOKEN_PROD": "two words"}, {"environment": "production"}),
    ],
)
def test_contradictions_and_nonsense_are_usage_errors(
    project: Path, environ: dict[str, str], flags: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        settled(project, environ, **flags)


def test_a_server_on_this_machine_in_local_gets_the_published_token(project: Path) -> None:
    target = settled(project, environment="local", url="http://127.0.0.1:8080").target
    assert not target.local
    assert target.token is not None
    assert target.token.startswith("eyJ")


def test_token_file(project: Path) -> None:
    (project / "token").write_text("from-file\n", encoding="utf-8")
    target = settled(project, {"QSTASH_TOKEN_PROD": "variable"}, environment="production", token_file="token").target
    assert (target.token, target.token_source) == ("from-file", "the file token")


def test_token_from_standard_input(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped\n")))
    settings = settled(project, environment="production", token_file="-")
    assert settings.target.token == "piped"
    assert settings.stdin_taken


def test_nothing_shows_the_token(project: Path) -> None:
    settings = settled(project, {"QSTASH_TOKEN_PROD": "right-token"}, environment="production")
    assert "right-token" not in repr(settings)


def test_state_is_found_beside_the_project_file(project: Path) -> None:
    below = project / "deep" / "down"
    below.mkdir(parents=True)
    assert settled(below, environment="production").target.state_file == project / "states/prod.db"
    assert settled(below, environment="staging").target.state_file == project / ".wfdeploy/state/staging.db"
    assert settled(below, environment="staging", state="my.db").target.state_file == below / "my.db"


def test_env_file_fills_in_and_the_process_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# comment\nexport QSTASH_TOKEN='from file'\nA=1\nB=\"x$A\"\nQSTASH_URL=https://file.example.com\n",
        encoding="utf-8",
    )
    environ = {"QSTASH_TOKEN": "process"}
    settings = settled(tmp_path, environ, env_file=".env")
    assert settings.target.token == "process"
    assert settings.target.url == "https://file.example.com"
    assert settings.environ["B"] == "x$A"
    assert environ == {"QSTASH_TOKEN": "process"}


def test_env_file_lines_that_are_no_variables_have_a_place_and_show_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n'half a secret\n", encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        settled(tmp_path, env_file=".env")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.place.line == 2
    assert "secret" not in repr(diagnostic)


# --- what the operator allows ----------------------------------------------------------------------------------------

GREEDY = """\
apiVersion: wfdeploy/v1
kind: Project
metadata: {name: shop, uid: abc123}
spec:
  secrets: [APP_KEY, AWS_SECRET_ACCESS_KEY]
  server:
    url: https://evil.example
    tokenEnv: AWS_SECRET_ACCESS_KEY
"""


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    (tmp_path / "wfdeploy.yaml").write_text(GREEDY, encoding="utf-8")
    return tmp_path


def refused(cwd: Path, environ: dict[str, str] | None = None, **flags: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        settled(cwd, environ, **flags)
    (problem,) = caught.value.diagnostics
    assert problem.code == "not-allowed"
    assert problem.hint
    return f"{problem.place} {problem.address}"


def test_a_project_file_names_no_variable_as_token_that_is_not_called_so(greedy: Path) -> None:
    assert refused(greedy) == "wfdeploy.yaml:8:15 spec.server.tokenEnv"
    assert settled(greedy, allow=("token=AWS_*",)).target.token_source == "AWS_SECRET_ACCESS_KEY"
    assert settled(greedy, {"WFDEPLOY_ALLOW": "token=AWS_*"}).target.token_source == "AWS_SECRET_ACCESS_KEY"
    assert settled(greedy, local=True).target.local  # no token is read


def test_secrets_and_servers_are_pinned_by_the_operator(greedy: Path) -> None:
    allowed = ("token=AWS_*",)
    assert refused(greedy, allow=(*allowed, "secret=APP_*")) == "wfdeploy.yaml:5:22 spec.secrets[1]"
    assert refused(greedy, allow=(*allowed, "url=qstash.upstash.io")) == "wfdeploy.yaml:7:10 spec.server.url"
    with pytest.raises(UsageError, match=r"https://b\.example is not among"):
        settled(greedy, {"QSTASH_URL": "https://b.example"}, allow=(*allowed, "url=qstash.upstash.io"))
    assert settled(greedy, local=True, allow=("url=qstash.upstash.io",)).target.local


def test_an_environment_is_held_to_it_too(project: Path) -> None:
    allow = ("url=base.example.com",)
    assert settled(project, environment="staging", allow=allow).target.url == "https://base.example.com"
    place = refused(project, environment="production", allow=allow)
    assert place == "wfdeploy.yaml:8:23 spec.environments.production.url"


def test_an_env_file_allows_nothing(greedy: Path) -> None:
    (greedy / ".env").write_text("WFDEPLOY_ALLOW=token=AWS_*\n", encoding="utf-8")
    assert refused(greedy, env_file=".env") == "wfdeploy.yaml:8:15 spec.server.tokenEnv"


def test_a_permission_that_cannot_be_read_is_an_error(greedy: Path) -> None:
    with pytest.raises(UsageError, match="'tokn=A' is not KIND=PATTERN"):
        settled(greedy, {"WFDEPLOY_ALLOW": "token=A tokn=A"})


@pytest.mark.parametrize("path", ["../elsewhere.db", "/tmp/elsewhere.db", "link/elsewhere.db"])
def test_a_state_lies_in_the_project_unless_the_operator_says_so(tmp_path: Path, path: str) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "wfdeploy.yaml").write_text(
        f"apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {{name: shop}}\nspec:\n  state: {{path: {path}}}\n"
    )
    assert refused(root) == "wfdeploy.yaml:5:17 spec.state.path"
    real = str((root / path).resolve())
    assert settled(root, allow=(f"path={real}",)).target.state_file == root / path
    assert settled(root, state="../mine.db").target.state_file == root / "../mine.db"


def test_a_project_file_that_is_a_link_to_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("TOKEN=abc", encoding="utf-8")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wfdeploy.yaml").symlink_to("../secret")
    with pytest.raises(InvalidInput) as caught:
        settled(tmp_path / "shop")
    assert [(d.code, d.excerpt) for d in caught.value.diagnostics] == [("out-of-bounds", None)]


def test_brackets_of_a_permission_stand_around_an_address() -> None:
    permissions = Permissions.read(["url=http://[::1]:8080", "url=q?.example.com"])
    assert permissions.url("http://[::1]:8080")
    assert permissions.url("https://q1.example.com")
    for other in ("http://1:8080", "http://::8080", "https://q12.example.com", "https://[::1]:8080"):
        assert not permissions.url(other)
