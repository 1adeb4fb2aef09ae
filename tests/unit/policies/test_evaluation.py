"""Expressions in CEL: what they give, where they are wrong, and that no hostile one takes a command with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wfdeploy.errors import InvalidInput
from wfdeploy.model.policy import PolicyRule, PolicyScope, rules_of
from wfdeploy.policies.evaluation import Evaluator, Subject, Verdict

HEAD = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: demo}\nspec:\n  policies:\n"
DOUBLED = "[[1, 1, 1, 1, 1, 1, 1, 1]]" + ".map(a, [a, a, a, a, a, a, a, a])" * 12
LONGER = "['aaaaaaaa']" + ".map(a, a + a + a + a + a + a + a + a)" * 12


def rules(folder: Path, *policies: Mapping[str, Any]) -> tuple[PolicyRule, ...]:
    """Policies of a project file with one line for each."""
    file = folder / "wfdeploy.yaml"
    named = [{"name": f"p{index}", "message": "no", **policy} for index, policy in enumerate(policies)]
    file.write_text(HEAD + "".join(f"    - {json.dumps(one)}\n" for one in named))
    return rules_of({"policies": named}, file)


def findings(
    folder: Path, expression: str, data: Mapping[str, object], scope: str = "run", **more: Any
) -> list[tuple[Verdict, str]]:
    made = rules(folder, {"expression": expression, "scope": scope, **more.pop("policy", {})})
    with Evaluator(made, cwd=folder) as evaluator:
        found = evaluator.evaluate(PolicyScope(scope), more, [("it", Subject(data, more.pop("hidden", ())))])
        return [(one.verdict, one.text) for _, one in found]


def test_what_is_true_is_allowed_and_all_else_is_not(tmp_path: Path) -> None:
    run = {"destination": "https://a.example/x", "labels": ["team-a"], "delay": 30, "body": {"n": 2.5, "x": None}}
    data = {"run": run, "group": {"runs": 3}, "environment": {"name": "production"}}
    allowed = (
        "run.labels.exists(l, l.startsWith('team-')) && run.delay < 60 && !has(run.retries)",
        "run.destination.matches('^https://[a-z.]+/') && group.runs <= 3 && environment.name == 'production'",
        "run.body.n > 2 && run.body.x == null",
    )
    made = rules(
        tmp_path,
        *({"expression": one} for one in allowed),
        {"expression": "run.delay < 30"},
        {"expression": "run.retries < 3"},
        {"expression": "run.delay"},
        {"expression": "group.runs < 1", "messageExpression": "'not ' + string(group.runs)"},
    )
    with Evaluator(made, cwd=tmp_path) as evaluator:
        found = [
            (about, one.rule.name, one.verdict, one.text)
            for about, one in evaluator.evaluate(PolicyScope.RUN, {}, [(7, Subject(data))])
        ]
    assert found == [
        (7, "p3", Verdict.VIOLATED, ""),
        (7, "p4", Verdict.FAILED, 'Key not found in map : "retries"'),
        (7, "p5", Verdict.FAILED, "it gives int"),
        (7, "p6", Verdict.VIOLATED, "not 3"),
    ]


def test_now_is_a_time_with_zones(tmp_path: Path) -> None:
    friday = 1764363600  # 2025-11-28T21:00:00Z
    for zone, allowed in (("Europe/Berlin", True), ("Asia/Tokyo", False)):
        expression = f"now.getDayOfWeek('{zone}') == 5"
        found = findings(tmp_path, expression, {}, "plan", now=friday, plan={}, actor={}, environment={})
        assert (found == []) is allowed


def test_a_message_shows_nothing_that_the_run_redacts(tmp_path: Path) -> None:
    policy = {"messageExpression": "'is ' + run.body"}
    data = {"run": {"body": "hidden"}}
    assert findings(tmp_path, "run.body == ''", data, policy=policy) == [(Verdict.VIOLATED, "is hidden")]
    found = findings(tmp_path, "run.body == ''", data, policy=policy, hidden=[["run", "body"], ["run", "headers", "x"]])
    assert found == [(Verdict.VIOLATED, "")]


def problem(folder: Path, text: str, policy: Mapping[str, Any]) -> tuple[str, str | None]:
    """What is wrong with the one policy of a project file: its place with the message, and the line from there."""
    (folder / "wfdeploy.yaml").write_text(HEAD + text)
    (made,) = rules_of({"policies": [{"name": "p", "message": "no", **policy}]}, folder / "wfdeploy.yaml")
    with pytest.raises(InvalidInput) as raised:
        Evaluator([made], cwd=folder)
    (found,) = raised.value.diagnostics
    return str(found), None if found.excerpt is None else found.excerpt[found.place.column - 1 :]


def test_an_error_is_at_its_place_within_the_expression(tmp_path: Path) -> None:
    block = "    - name: p\n      message: no\n      expression: |\n        true ||\n          runs.delay < 3\n"
    folder = tmp_path
    message, rest = problem(folder, block, {"expression": "true ||\n  runs.delay < 3\n"})
    assert message == (
        "wfdeploy.yaml:10:15: spec.policies[0].expression: this expression of the policy p is wrong: "
        "undeclared reference to 'runs.delay'"
    )
    assert rest == ".delay < 3"
    quoted = '    - {name: p, message: no, expression: "run.delay < ) 3"}\n'
    assert problem(folder, quoted, {"expression": "run.delay < ) 3"})[1] == ') 3"}'
    escaped = '    - {name: p, message: no, expression: "run.delay\\u0020< ) 3"}\n'
    assert problem(folder, escaped, {"expression": "run.delay < ) 3"})[1] == '"run.delay\\u0020< ) 3"}'
    typed = "    - {name: p, message: no, expression: 1 + 1}\n"
    assert "it gives int, and must give bool" in problem(folder, typed, {"expression": "1 + 1"})[0]


@pytest.mark.parametrize(
    ("expression", "seconds", "why"),
    [
        (f"{DOUBLED} == {DOUBLED}", 1, "needs too much time"),
        (f"{LONGER} == []", 60, "needs too much memory"),
    ],
)
def test_a_hostile_expression_ends_its_own_process_only(
    tmp_path: Path, expression: str, seconds: int, why: str
) -> None:
    made = rules(tmp_path, {"expression": "true"}, {"expression": expression})
    with Evaluator(made, cwd=tmp_path, seconds=seconds) as evaluator, pytest.raises(InvalidInput) as raised:
        list(evaluator.evaluate(PolicyScope.RUN, {}, [(0, Subject({}))]))
    (found,) = raised.value.diagnostics
    assert (found.code, found.place.line, found.message) == ("policy-too-costly", 7, f"the policy p1 {why}")


def test_loops_are_bounded(tmp_path: Path) -> None:
    expression = "true"
    for depth in range(6):
        expression = f"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(v{depth}, {expression})"
    assert findings(tmp_path, expression, {}) == [(Verdict.FAILED, "Iteration budget exceeded")]


def test_without_the_extra_policies_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rules(tmp_path, {"expression": "true"})
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    with pytest.raises(InvalidInput) as raised:
        Evaluator(made, cwd=tmp_path)
    (found,) = raised.value.diagnostics
    assert (found.code, found.hint) == ("missing-extra", "install it: pip install 'wfdeploy[policy]'")
    assert found.place.line == 6


def test_the_process_has_no_secrets_and_imports_nothing_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cel_expr_python.py").write_text("import pathlib; pathlib.Path('run').touch()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QSTASH_TOKEN", "hidden")
    with Evaluator(rules(tmp_path, {"expression": "true"}), cwd=tmp_path) as evaluator:
        environ = Path(f"/proc/{evaluator.pid}/environ")
        if environ.exists():
            assert b"hidden" not in environ.read_bytes()
    assert not (tmp_path / "run").exists()
