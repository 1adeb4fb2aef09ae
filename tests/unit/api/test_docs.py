"""The examples of docs/python.md, run as they stand there, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import wfdeploy
from tests.sharedlog.servers import s3
from tests.support.local_server import LocalServer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "python.md"
HOSTED = "https://qstash.upstash.io"
SHARED = "s3://acme-ops/wfdeploy/production"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(demo=True) as server:
        yield server


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_examples_run(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    infra = tmp_path / "infra"
    (infra / "manifests").mkdir(parents=True)
    project, backfill = blocks("yaml")
    project = project.replace(HOSTED, server.url).replace("https://app.example.com", str(server.demo_url))
    (infra / "wfdeploy.yaml").write_text(project.replace("spec:\n", "spec:\n  server: { logLag: 0 }\n"), "utf-8")
    (infra / "manifests" / "backfill.yaml").write_text(backfill, encoding="utf-8")
    onboarding = backfill.replace("backfill", "onboarding").replace("orders", "tenant")
    (infra / "manifests" / "onboarding.yaml").write_text(onboarding, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QSTASH_TOKEN", server.token)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user"))
    with s3() as place:
        url = place.url_of("wfdeploy/production")
        for name, value in place.environ.items():
            monkeypatch.setenv(name, value)
        wfdeploy.load("infra/", environment="production", state=url).shared_state.init()
        for source in blocks("python"):
            exec(compile(source.replace(SHARED, url), str(PAGE), "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out
    assert printed.startswith("3 runs to trigger\nonboarding/tenant[asia] RunState.")
    assert len(server.accepted()) == 9  # the last examples apply the manifests' own day
