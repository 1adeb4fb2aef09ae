"""The policies of docs/policies.md allow what they say, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wfdeploy.model.policy import PolicyRule, rules_of
from wfdeploy.policies.evaluation import Evaluator, Subject, Verdict

PAGE = Path(__file__).parents[3] / "docs" / "policies.md"

RUN: Mapping[str, Any] = {"destination": "https://app.example.com/x", "labels": ["team-a"], "delay": 0}
ALLOWED: Mapping[str, Mapping[str, Any]] = {
    "run": {"run": RUN, "group": {"runs": 1, "rollout": False}, "environment": {"name": "staging"}},
    "group": {"group": {"runs": 1, "rollout": False}, "environment": {"name": "staging"}},
    "change": {
        "change": {"action": "retrigger"},
        "plan": {"sends": 1},
        "environment": {"name": "production"},
        "actor": {"name": "ada"},
        "now": 1_764_363_600,  # a Friday
    },
    "plan": {
        "plan": {"sends": 1},
        "environment": {"name": "production"},
        "actor": {"name": "ada"},
        "now": 1_764_363_600,
    },
}
DENIED: Mapping[str, Mapping[str, Any]] = {
    "allowed-destinations": {"run": {**RUN, "destination": "https://app.example.com.evil.example/"}},
    "owner-label": {"run": {**RUN, "labels": ["x"]}},
    "few-retries": {"run": {**RUN, "retries": 9}},
    "short-delays": {"run": {**RUN, "delay": 604_801}},
    "moderate-groups": {"group": {"runs": 10_001, "rollout": False}},
    "few-at-once": {"plan": {"sends": 20_001}},
    "who-triggers-again": {"actor": {"name": "eve"}},
    "no-weekend-releases": {"now": 1_764_450_000},
    "frozen": {"now": 1_798_000_000},
}


def policies() -> tuple[PolicyRule, ...]:
    """Those of the page's examples."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return tuple(one for block in blocks for one in rules_of(yaml.safe_load(block)["spec"], PAGE))


def test_each_example_allows_and_denies() -> None:
    rules = policies()
    assert sorted(rule.name for rule in rules) == sorted(DENIED)
    with Evaluator(rules, cwd=PAGE.parent) as evaluator:
        for rule in rules:
            allowed = ALLOWED[rule.scope.value]
            for data, expected in ((allowed, []), ({**allowed, **DENIED[rule.name]}, [Verdict.VIOLATED])):
                shared = {name: value for name, value in data.items() if name == "now"}
                subject = Subject({name: value for name, value in data.items() if name != "now"})
                found = [one for _, one in evaluator.evaluate(rule.scope, shared, [(0, subject)]) if one.rule == rule]
                assert [one.verdict for one in found] == expected, rule.name
                if rule.name == "few-retries" and expected:
                    assert found[0].text == "at most 5 retries, not 9"
