"""The public API is a list, and each name of it is documented, typed, and loaded when it is first used."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import wfdeploy

PUBLIC = [
    "ABSENT", "Action", "ApplyOptions", "ApplyReport", "Assumption", "CacheDamaged", "Change", "Check", "CheckStatus",
    "Continuation", "Diagnosis", "Diagnostic", "Event", "ExitCode", "FailState", "FieldChange", "Following",
    "Interrupted", "InvalidInput", "LeaseStatus", "Listing", "Notice", "Outcome", "Place", "Plan",
    "PolicyViolated", "ProbeReport",
    "Project", "Reading", "Refreshed", "RemoteFailure", "Result", "RowStatus", "RunState", "Settled", "Severity",
    "SharedState", "StalePlan", "Started", "StateChange", "StateError", "StateLocked", "StateUnusable", "StatusRow",
    "StopFlag", "Suggestion", "Truth", "UsageError", "Waited", "Waiting", "WfdeployError", "Withheld", "load",
]  # fmt: skip
"""A name that goes from here is gone for everybody who uses it."""


def test_the_public_names_are_these() -> None:
    assert list(wfdeploy.__all__) == sorted(PUBLIC)
    assert sorted(name for names in wfdeploy._HOMES.values() for name in names) == sorted(PUBLIC)
    with pytest.raises(AttributeError):
        wfdeploy.nothing_of_the_kind  # noqa: B018


def test_an_import_loads_nothing_else() -> None:
    program = (
        "import sys; bare = set(sys.modules); import wfdeploy; print(*sorted(set(sys.modules) - bare - {'typing'}))"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    ours = {name for name in ran.stdout.split() if name not in sys.stdlib_module_names and "." not in name}
    assert ours == {"wfdeploy"}
    assert not [name for name in ran.stdout.split() if name.startswith("wfdeploy.")]


def test_a_program_loads_no_command_line(tmp_path: Path) -> None:
    program = (
        "import sys, wfdeploy\n"
        "project = wfdeploy.load(sys.argv[1], environ={})\n"
        "assert not project.validate() and project.plan(offline=True).to_markdown()\n"
        "print(*(name for name in sys.modules if name in ('click', 'rich') or name.startswith('wfdeploy.cli')))"
    )
    (tmp_path / "wfdeploy.yaml").write_text("apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\n", "utf-8")
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "one.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: one}\n"
        "spec: {destination: 'https://app.example.com/wf', runs: [{name: r}]}\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (ran.stdout.strip(), ran.stderr) == ("", "")


def test_names_are_completed() -> None:
    assert set(PUBLIC) <= set(dir(wfdeploy))


ROOT = Path(__file__).resolve().parents[2]


def test_types_are_there_for_checkers() -> None:
    assert (ROOT / "wfdeploy" / "py.typed").exists()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_is_documented_and_typed(name: str) -> None:
    found = getattr(wfdeploy, name)
    if not inspect.isclass(found) and not inspect.isfunction(found):
        return  # a constant, or an alias of types
    assert inspect.getdoc(found), f"{name} has no docstring"
    if not inspect.isclass(found):
        require_typed(found)
        return
    kinds = (Exception, enum.Enum, tuple, wfdeploy.StopFlag)
    assert dataclasses.is_dataclass(found) or issubclass(found, kinds), f"{name} is no value"
    if dataclasses.is_dataclass(found):
        assert found.__dataclass_params__.frozen, f"{name} can be changed"  # type: ignore[attr-defined]
    for method, value in inspect.getmembers(found, inspect.isfunction):
        if not method.startswith("_") and value.__module__.startswith("wfdeploy"):
            assert inspect.getdoc(value), f"{name}.{method} has no docstring"
            require_typed(value)


def require_typed(function: typing.Callable[..., object]) -> None:
    signature = inspect.signature(function)
    names = [parameter for parameter in signature.parameters if parameter not in ("self", "cls")]
    untyped = [n for n in names if signature.parameters[n].annotation is inspect.Parameter.empty]
    assert not untyped, f"{function}: {untyped}"
    assert signature.return_annotation is not inspect.Signature.empty, f"{function} says nothing of what it gives"
