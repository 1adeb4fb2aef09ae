"""A project in a folder, and a server for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import wfdeploy
from tests.support.local_server import LocalServer
from tests.support.workbench import group, run

Load = Callable[..., wfdeploy.Project]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups of runs, `seed` and `onboarding`."""
    root = tmp_path / "infra"
    root.mkdir()
    project = {
        "apiVersion": "wfdeploy/v1",
        "kind": "Project",
        "metadata": {"name": "shop", "uid": "u1u2u3u4"},
        "spec": {"server": {"logLag": 0}, "vars": {"team": "growth"}},
    }
    (root / "wfdeploy.yaml").write_text(json.dumps(project), encoding="utf-8")
    (root / "manifests").mkdir()
    declare(root, "seed", [run("first")])
    declare(root, "onboarding", [run("acme"), run("globex")], defaults={"headers": {"x-team": "${{ vars.team }}"}})
    return root


def declare(root: Path, name: str, runs: list[dict[str, Any]], **spec: Any) -> None:
    """Write a group's manifest."""
    text = json.dumps(group(name, runs, **spec), indent=1)
    (root / "manifests" / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def load(folder: Path, server: LocalServer) -> Load:
    """Loads the project, for the server."""

    def load(**options: Any) -> wfdeploy.Project:
        return wfdeploy.load(folder, **{"url": server.url, "token": server.token, "environ": {}, **options})

    return load


def counts(report: wfdeploy.ApplyReport) -> dict[str, int]:
    return {outcome.value: count for outcome, count in report.summary.items() if count}
