"""SARIF, held against its published schema and what GitHub requires besides."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tests.unit.render.samples import DIAGNOSTICS
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.render import sarif

VENDOR = Path(__file__).resolve().parents[2] / "vendor" / "sarif-spec" / "sarif-schema-2.1.0.json"


@cache
def schema() -> Draft4Validator:
    return Draft4Validator(json.loads(VENDOR.read_text(encoding="utf-8")))


def log(found: list[Diagnostic], **how: Any) -> dict[str, Any]:
    """The run of a log that its schema and GitHub accept."""
    value = json.loads("".join(sarif.text(found, lambda name: f"deploy/{name}", **how)))
    schema().validate(value)
    run: dict[str, Any] = value["runs"][0]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert len(rules) == len(run["tool"]["driver"]["rules"])
    assert all(
        rule[text]["text"] for rule in rules.values() for text in ("shortDescription", "fullDescription", "help")
    )
    for result in run["results"]:
        assert list(rules)[result["ruleIndex"]] == result["ruleId"]
        assert re.fullmatch("[!-~]+", result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    return run


def made(message: str = "this is wrong", **more: Any) -> Diagnostic:
    return Diagnostic(**{"code": "unknown-field", "message": message, "place": Place("a b.yaml", 3, 5), **more})


def test_a_result_says_what_where_and_the_way_out() -> None:
    run = log([made(address="g/a", hint="correct it"), made(severity=Severity.WARNING)])
    first, second = run["results"]
    assert first["message"]["text"] == "g/a: this is wrong Hint: correct it"
    assert first["locations"][0] == {
        "physicalLocation": {
            "artifactLocation": {"uri": "deploy/a%20b.yaml"},
            "region": {"startLine": 3, "startColumn": 5},
        },
        "logicalLocations": [{"fullyQualifiedName": "g/a"}],
    }
    assert [first["level"], second["level"]] == ["error", "warning"]
    assert run["invocations"][0]["executionSuccessful"] is True


def test_fingerprints_follow_the_problem_and_not_the_line() -> None:
    def prints(*found: Diagnostic) -> list[str]:
        return [result["partialFingerprints"]["wfdeploy/v1"] for result in log(list(found))["results"]]

    moved = made(place=Place("a b.yaml", 30))
    assert prints(made()) == prints(moved)
    assert prints(made(), moved)[0] == prints(made())[0]
    assert len({*prints(made(), moved), *prints(made(address="g/b"), made("other"), made(code="c"))}) == 5


def test_nothing_wrong_is_a_log_without_results() -> None:
    assert log([])["results"] == []


def test_a_failure_is_a_notification() -> None:
    run = log([], failure="the project file is missing")
    assert run["invocations"][0] == {
        "executionSuccessful": False,
        "toolExecutionNotifications": [{"level": "error", "message": {"text": "the project file is missing"}}],
    }


def test_of_too_many_the_errors_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    found = [*(made(f"careful {n}", severity=Severity.WARNING) for n in range(4)), made()]
    assert [result["level"] for result in log(found)["results"]] == ["error", "warning", "warning"]


def test_samples_are_valid() -> None:
    assert len(log(list(DIAGNOSTICS))["results"]) == len(DIAGNOSTICS)
