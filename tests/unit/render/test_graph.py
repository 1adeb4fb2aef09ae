"""Groups and what they wait for, as text, Mermaid, DOT and JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise

import pytest

from wfdeploy.model.blocking import Amount, Condition, Dependency, Rollout, RolloutStep, Schedule
from wfdeploy.model.run import DesiredGroup, Group, Tally
from wfdeploy.render import graph


def declared(name: str, *after: str, runs: int = 1, **more: object) -> tuple[str, DesiredGroup]:
    """A group that waits for others, each written as `name` or `name:condition`."""
    pairs = [(other.partition(":")[0], other.partition(":")[2] or "succeeded") for other in after]
    dependencies = tuple(Dependency(other, Condition(how), 1) for other, how in pairs)
    return name, DesiredGroup(Group(name, depends_on=dependencies, **more), Tally(runs, 0))  # type: ignore[arg-type]


GROUPS = dict(
    [
        declared("seed", runs=1200),
        declared("load", "seed"),
        declared("report", "seed:triggered", "load:finished", schedule=Schedule(cron="0 3 * * MON")),
        declared("mail", "report"),
        declared("alone", rollout=Rollout((RolloutStep(Amount(1)), RolloutStep(Amount(50, is_percent=True))))),
    ]
)


def test_a_tree_shows_each_group_once_with_what_comes_after_it() -> None:
    assert "".join(graph.text(GROUPS)).splitlines() == [
        "alone  1 run  rollout 1, 50%, all",
        "seed  1,200 runs",
        "├─ load  1 run  when seed has succeeded",
        "│  └─ report  1 run  schedule 0 3 * * MON  when load has finished",
        "│     └─ mail  1 run  when report has succeeded",
        "└─ report  when seed was triggered  (see above)",
    ]


def test_mermaid() -> None:
    assert "".join(graph.mermaid(GROUPS)).splitlines() == [
        "flowchart LR",
        '  g1["alone<br/>1 run<br/>rollout 1, 50%, all"]',
        '  g2["load<br/>1 run"]',
        '  g3["mail<br/>1 run"]',
        '  g4["report<br/>1 run<br/>schedule 0 3 * * MON"]',
        '  g5["seed<br/>1,200 runs"]',
        "  g5 -->|succeeded| g2",
        "  g4 -->|succeeded| g3",
        "  g5 -->|triggered| g4",
        "  g2 -->|finished| g4",
    ]


def test_dot() -> None:
    lines = "".join(graph.dot(GROUPS)).splitlines()
    assert lines[0] == "digraph wfdeploy {"
    assert r'  "seed" [label="seed\n1,200 runs"];' in lines
    assert '  "seed" -> "report" [label="triggered"];' in lines
    assert lines[-1] == "}"


def test_json() -> None:
    groups = json.loads(graph.json_text(GROUPS))["groups"]
    assert [each["group"] for each in groups] == sorted(GROUPS)
    assert groups[3]["dependsOn"] == [
        {"group": "seed", "condition": "triggered"},
        {"group": "load", "condition": "finished"},
    ]
    assert groups[0]["rollout"] == ["1", "50%"]


def test_names_are_escaped_for_each_language() -> None:
    groups = dict([declared('a"]<b>#\\'), declared("end", 'a"]<b>#\\')])
    assert '  g1["a#34;#93;#60;b#62;#35;#92;<br/>1 run"]' in "".join(graph.mermaid(groups)).splitlines()
    assert r'  "a\"]<b>#\\" -> "end" [label="succeeded"];' in "".join(graph.dot(groups)).splitlines()


def test_a_group_that_is_not_in_these_files() -> None:
    groups = dict([declared("load", "seed")])
    assert "".join(graph.text(groups)) == (
        "seed  not declared in these files\n└─ load  1 run  when seed has succeeded\n"
    )


def test_no_group() -> None:
    assert "".join(graph.text({})) == "No groups.\n"


def test_a_long_chain_and_a_circle_end() -> None:
    chain = dict([declared("g0"), *(declared(f"g{n}", f"g{n - 1}") for n in range(1, 3000))])
    assert len(list(graph.text(chain))) == 3000
    circle = dict([declared("a", "b"), declared("b", "a")])
    assert len(list(graph.text(circle))) == 3


def test_many_that_wait_for_many_are_shown_once_each_way() -> None:
    layers = [[f"l{layer}-{n}" for n in range(5)] for layer in range(12)]
    groups = dict(declared(name) for name in layers[0])
    for before, after in pairwise(layers):
        groups |= dict(declared(name, *before) for name in after)
    assert len(list(graph.text(groups))) == 5 + 11 * 25


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no Graphviz")
def test_graphviz_reads_it() -> None:
    source = "".join(graph.dot(GROUPS))
    ran = subprocess.run(["dot", "-Tplain"], input=source, capture_output=True, text=True, check=True)
    assert ran.stdout.count("\nnode ") == len(GROUPS)
