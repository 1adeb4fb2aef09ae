"""Manifests in `tests/cases`: what is said about each, and what each declares. Drop a file in to add a case."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from tests.support.declared import declared_runs
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.project import Project
from wfdeploy.model.request import Body, Request, SecretRef, SecretText

CASES = Path(__file__).parents[2] / "cases"
SUFFIXES = (".yaml", ".yml")

PROJECT = Project(
    root=CASES,
    vars={
        "app_url": "https://app.example.com",
        "label": "lbl",
        "regions": ["eu", "us"],
        "nothing": None,
        "limits": {"seats": 3},
    },
    secrets=("APP_TOKEN",),
)


def cases(folder: str) -> list[str]:
    return sorted(path.name for path in (CASES / folder).iterdir() if path.suffix in SUFFIXES)


@pytest.mark.parametrize("name", cases("invalid"))
def test_invalid_manifest_is_explained(name: str, golden: Callable[[Path, str], None]) -> None:
    diagnostics = validate(PROJECT, [f"invalid/{name}"], how=Loading(cwd=CASES))
    assert diagnostics, "this case belongs in tests/cases/valid"
    golden(CASES / "invalid" / f"{name}.expected", shown(diagnostics))


@pytest.mark.parametrize("name", cases("valid"))
def test_valid_manifest_declares_its_runs(name: str, golden: Callable[[Path, str], None]) -> None:
    manifests = load_manifests(PROJECT, [f"valid/{name}"], how=Loading(cwd=CASES))
    assert not manifests.warnings
    runs = [{str(run.address): plain(run)} for run in declared_runs(manifests)]
    golden(CASES / "valid" / f"{name}.expected", json.dumps(runs, indent=1, ensure_ascii=False) + "\n")


def test_every_diagnostic_points_into_its_file() -> None:
    for name in cases("invalid"):
        for diagnostic in validate(PROJECT, [f"invalid/{name}"], how=Loading(cwd=CASES)):
            place = diagnostic.place
            assert place.file == f"invalid/{name}" or place.file.startswith("data/")
            lines = (CASES / place.file).read_bytes().decode("utf-8", "replace").split("\n")
            assert 1 <= place.line <= len(lines)
            assert 1 <= place.column <= len(lines[place.line - 1]) + 1
            assert diagnostic.excerpt in (None, lines[place.line - 1])


def test_all_files_are_reported_in_one_go() -> None:
    diagnostics = validate(PROJECT, ["invalid"], how=Loading(cwd=CASES))
    named = {diagnostic.place.file for diagnostic in diagnostics if not diagnostic.place.file.startswith("data/")}
    assert named == {f"invalid/{name}" for name in cases("invalid")}


def shown(diagnostics: Sequence[Diagnostic]) -> str:
    lines = []
    for d in diagnostics:
        lines.append(f"{d.place}: {d.severity.value} {d.code}: {d.address or '-'}: {d.message}")
        if d.excerpt is not None:
            lines.append(f"  | {d.excerpt}")
            lines.append(f"  | {' ' * (d.place.column - 1)}^")
        if d.hint is not None:
            lines.append(f"  hint: {d.hint}")
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    if isinstance(value, SecretRef | SecretText):
        return f"<{type(value).__name__} {value}>"
    if isinstance(value, Request):
        template = {f.name: getattr(value.template, f.name) for f in dataclasses.fields(value.template)}
        delivery = template.pop("delivery")
        fields = {**template, "body": value.body, "delivery": delivery}  # as a manifest says it, all on one level
        return {name: plain(item) for name, item in fields.items() if item not in (None, (), {})}
    if isinstance(value, Body):
        body = {"kind": value.kind, "value": value.value, "file": value.file}
        return {name: plain(item) for name, item in body.items() if item not in (None, (), {})}
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.compare}
        return {name: plain(item) for name, item in fields.items() if item not in (None, (), {})}
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items() if item not in (None, (), {})}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if hasattr(value, "items") else value
