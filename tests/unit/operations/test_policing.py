"""Apply sends nothing that a policy forbids, and a command without policies loads nothing for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workbench import Workbench, counts, group, run
from tests.unit.policies.test_checking import bench, forbid
from wfdeploy.errors import ExitCode, PolicyViolated
from wfdeploy.model.plan import Plan

__all__ = ["bench"]


def test_nothing_is_sent_and_nobody_is_asked(bench: Workbench) -> None:
    bench.write(group("g", [run("a", retries=9), run("b")]))
    forbid(bench, {"expression": "!has(run.retries) || run.retries < 5", "hint": "fewer"})
    asked: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        asked.append(plan)
        return True

    with pytest.raises(PolicyViolated) as raised:
        bench.apply(confirm=confirm)
    assert (raised.value.exit_code, asked) == (ExitCode.WITHHELD, [])
    assert raised.value.message == "a policy forbids it, and nothing was sent: g/a: policy p0: no"
    assert [one.hint for one in raised.value.diagnostics] == ["fewer"]
    assert not bench.state_file.exists()
    bench.write(group("g", [run("a", retries=4), run("b")]))
    assert counts(bench.apply()) == {"triggered": 2}


def test_warnings_are_warnings_of_the_plan(bench: Workbench) -> None:
    bench.write(group("g", [run("a")]))
    forbid(bench, {"expression": "false", "severity": "warning"})
    plan = bench.plan()
    assert not plan.is_forbidden
    assert [text.partition(": ")[2] for text in plan.warnings if "policy" in text] == ["g/a: policy p0: no"]
    assert counts(bench.apply()) == {"triggered": 1}


def test_without_anything_to_send_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: demo}\nspec:\n"
        "  policies: [{name: p, message: no, expression: 'true'}]\n"
    )
    (tmp_path / "manifests").mkdir()
    program = (
        "import sys; from wfdeploy.__main__ import main\n"
        "sys.argv = ['wfdeploy', 'plan', '--offline']\n"
        "main(); print(sorted(name for name in sys.modules if 'policies' in name or 'cel' in name.split('_')))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "[]"
