"""Code Quality, as GitLab's documentation has it."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from tests.unit.render.samples import DIAGNOSTICS
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.render import code_quality

TEXT = {"type": "string", "minLength": 1}
FACTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": TEXT,
            "check_name": TEXT,
            "fingerprint": TEXT,
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^(?!\\./)"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}


def test_it_is_as_documented() -> None:
    found = [
        Diagnostic(code="c", message="wrong", place=Place("a.yaml", 3), address="g/a", hint="correct it"),
        Diagnostic(code="w", message="careful", place=Place("a.yaml"), severity=Severity.WARNING),
        *DIAGNOSTICS,
    ]
    issues = json.loads("".join(code_quality.text(found, lambda name: f"deploy/{name}")))
    Draft202012Validator(FACTS).validate(issues)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == len(found)
    assert issues[0] | {"fingerprint": ""} == {
        "description": "g/a: wrong Hint: correct it",
        "check_name": "c",
        "fingerprint": "",
        "severity": "critical",
        "location": {"path": "deploy/a.yaml", "lines": {"begin": 3}},
    }
    assert issues[1]["severity"] == "minor"


def test_nothing_wrong_is_an_empty_array() -> None:
    assert "".join(code_quality.text([], str)) == "[]\n"
