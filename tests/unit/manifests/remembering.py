"""Manifests that are remembered in a catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wfdeploy.catalogue.entries import Cache
from wfdeploy.manifests import parsing
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.project import Project

MANIFEST = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: %s}
spec:
  destination: https://app.example.com/wf
%s
"""


def put(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project(root=root, vars={"plan": "pro"}, secrets=("TOKEN",))


def manifest(name: str, *runs: str, more: str = "") -> str:
    return MANIFEST % (name, f"{more}  runs: [{', '.join(runs)}]")


@contextmanager
def no_parsing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in ("parse_file", "parse_pieces"):
            patch.setattr(parsing.ManifestParser, name, lambda *_, **__: pytest.fail("a file was read anew"))
        yield


def identities(project: Project, cache: Cache | None, **options: Any) -> dict[str, str]:
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache, **options)) as manifests:
        return {run.address: run.fingerprint for run in manifests.runs.runs()}


def said(project: Project, cache: Cache | None) -> list[Diagnostic]:
    return list(validate(project, how=Loading(cwd=project.root, cache=cache)))
