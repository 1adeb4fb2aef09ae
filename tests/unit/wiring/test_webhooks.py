"""Webhooks of a project file that a pull request may have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.errors import InvalidInput
from wfdeploy.model.notification import NotificationKind
from wfdeploy.model.options import TargetOptions
from wfdeploy.wiring.settings import Settings, resolve, secret_values
from wfdeploy.wiring.validation import Validation, problems
from wfdeploy.wiring.webhooks import webhooks_of

PROJECT = """\
apiVersion: wfdeploy/v1
kind: Project
metadata: {name: shop, uid: abc123}
spec:
  notify:
    - {name: on-call, urlEnv: HOOK}
    - {name: pager, urlEnv: PAGER, on: [drift], body: {x: "${{ event.id }}"}}
  environments:
    production: {}
    quiet: {notify: []}
    other: {notify: [{name: other, urlEnv: OTHER}]}
"""
URL = "https://hooks.slack.com/services/T0/B0/hidden"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wfdeploy.yaml").write_text(PROJECT, encoding="utf-8")
    return tmp_path


def settled(folder: Path, environ: dict[str, str], environment: str = "production", *allow: str) -> Settings:
    return resolve(TargetOptions(environment=environment, allow=allow), environ, cwd=folder)


def test_an_environment_has_its_own_webhooks_or_those_of_the_project(folder: Path) -> None:
    def names(environment: str) -> list[str]:
        return [one.name for one in settled(folder, {}, environment).target.project.notify]

    assert names("production") == ["on-call", "pager"]
    assert names("quiet") == []
    assert names("other") == ["other"]
    assert names("local") == [], "nobody is called about what runs on this machine"
    call, pager = settled(folder, {}).target.project.notify
    assert call.kinds == frozenset(NotificationKind)
    assert pager.kinds == {NotificationKind.DRIFT}


def test_a_webhook_is_reached_where_the_operator_allows_its_host(folder: Path) -> None:
    settings = settled(folder, {"HOOK": f" {URL}\n"}, "production", "notify=*.slack.com")
    assert webhooks_of(settings)[1] == {"on-call"}
    by_variable = settled(folder, {"HOOK": URL, "WFDEPLOY_ALLOW": "notify=https://hooks.slack.com"})
    assert webhooks_of(by_variable)[1] == {"on-call"}
    loopback = settled(folder, {"HOOK": "http://127.0.0.1:8099/x"}, "production", "notify=http://127.0.0.1:8099")
    assert webhooks_of(loopback)[1] == {"on-call"}


@pytest.mark.parametrize(
    ("value", "allow"),
    [
        (URL, ()),
        (URL, ("url=*", "secret=HOOK", "token=HOOK")),
        (URL, ("notify=slack.com",)),
        ("http://hooks.slack.com/services/x", ("notify=http://hooks.slack.com", "notify=*")),
        ("http://127.0.0.1:8099/x", ("notify=127.0.0.1:8099",)),
        ("https://hooks.slack.com@evil.example/", ("notify=*slack.com*",)),
        ("https://evil.example\\@hooks.slack.com/", ("notify=*",)),
        ("eyJhbGciOiJIUzI1NiJ9.hidden", ("notify=*",)),
        ("postgresql://u:hidden@db/x", ("notify=*",)),
    ],
)
def test_any_other_value_is_refused_with_the_place_and_never_shown(
    folder: Path, value: str, allow: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        webhooks_of(settled(folder, {"HOOK": value}, "production", *allow))
    (found,) = refused.value.diagnostics
    assert (found.code, found.place.line, found.address) == ("not-allowed", 6, "spec.notify[0].urlEnv")
    assert found.message == "HOOK holds no URL of a webhook that is allowed here"
    for text in (found.message, str(found.hint), str(found.excerpt)):
        assert "hidden" not in text
        assert value not in text


def test_an_env_file_allows_nothing(folder: Path) -> None:
    (folder / ".env").write_text(f"HOOK={URL}\nWFDEPLOY_ALLOW=notify=hooks.slack.com\n")
    settings = resolve(TargetOptions(environment="production", env_file=".env"), {}, cwd=folder)
    with pytest.raises(InvalidInput):
        webhooks_of(settings)


def test_a_url_is_a_secret(folder: Path) -> None:
    settings = settled(folder, {"HOOK": URL}, "production", "notify=hooks.slack.com")
    assert URL in secret_values(settings.target, settings.environ)
    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(webhooks_of(settings))


def test_validate_finds_what_is_wrong_with_bodies_and_names(folder: Path) -> None:
    def found() -> list[tuple[str, int]]:
        how = Validation(
            options=TargetOptions(), environ={}, cwd=folder, paths=None, variables={}, listener=lambda _: None
        )
        all_ = problems(how)
        return [(one.code, one.place.line or 0) for one in all_ if one.place.file == "wfdeploy.yaml"]

    (folder / "manifests").mkdir()
    assert found() == []
    file = folder / "wfdeploy.yaml"
    file.write_text(PROJECT.replace("event.id", "secrets.HOOK"))
    assert found() == [("undefined-secret", 7)]
    file.write_text(PROJECT.replace("name: pager", "name: on-call"))
    assert found() == [("duplicate-name", 7)]
