"""Data that lost its rows, and what becomes of the runs that it declared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, planned, run
from wfdeploy.errors import Withheld
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Selection
from wfdeploy.planning.saved_plan import plan_file_text, save_plan
from wfdeploy.render import plan_json, plan_text

ALLOWED = ApplyOptions(allow_cancel=True)
FILE = {"file": "rows.csv", "onBadRow": "skip", "rowSchema": {"properties": {"id": {"type": "integer"}}}}


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100_000.0) as bench:
        yield bench


def entry(name: str = "r", **fields: Any) -> dict[str, Any]:
    return {"name": name, "key": "${{ row.id }}", "body": {"id": "${{ row.id }}"}, **fields}


def rows(bench: VirtualBench, text: str) -> None:
    (bench.root / "manifests" / "rows.csv").write_text(text)


def declare(
    bench: VirtualBench, *entries: dict[str, Any], policy: str = "cancel", name: str = "g", **spec: Any
) -> None:
    bench.write(group(name, [*entries, run("other", body="other")], policy={"onRemove": policy}, **spec))


def begin(bench: VirtualBench, policy: str = "cancel", count: int = 3) -> None:
    rows(bench, "id\n" + "".join(f"{number}\n" for number in range(1, count + 1)))
    declare(bench, entry(forEach=FILE), policy=policy)
    assert counts(bench.apply()) == {"triggered": count + 1}


def is_asked(bench: VirtualBench) -> None:
    calls = bench.remote.calls
    with pytest.raises(Withheld, match="cancel 3 runs since g/r makes no runs any more") as caught:
        bench.apply()
    assert caught.value.exit_code == 8
    assert bench.remote.calls == calls
    assert not any(run.cancelled for run in bench.remote.runs)


@pytest.mark.parametrize("text", ["id\n", "id\n\n", "id\n,\n", "id\nx\ny\n", "id\n \n"])
def test_a_file_without_good_rows_cancels_nothing_without_consent(bench: VirtualBench, text: str) -> None:
    begin(bench)
    rows(bench, text)
    is_asked(bench)
    assert counts(bench.apply(options=ALLOWED))["cancelled"] == 3
    assert not bench.plan().has_changes


@pytest.mark.parametrize(
    "generator",
    [
        {"forEach": {"items": []}},
        {"forEach": {"items": "${{ vars.rows }}"}},
        {
            "matrix": {"id": [1, 2, 3], "exclude": [{"id": 1}, {"id": 2}, {"id": 3}]},
            "key": "${{ matrix.id }}",
            "body": 1,
        },
        {"forEach": {"items": [{"id": 1}]}, "matrix": {"a": [1], "exclude": [{"a": 1}]}},
    ],
)
def test_any_generator_that_makes_no_runs_is_meant(bench: VirtualBench, generator: dict[str, Any]) -> None:
    bench.project = replace(bench.project, vars={"rows": []})
    begin(bench)
    declare(bench, entry(**generator))
    is_asked(bench)


def test_the_cache_tells_as_much(bench: VirtualBench) -> None:
    begin(bench)
    rows(bench, "id\n")
    for _ in range(3):
        is_asked(bench)


def test_other_entries_of_the_group_are_no_excuse(bench: VirtualBench) -> None:
    begin(bench)
    rows(bench, "id\n")
    declare(bench, entry(forEach=FILE), entry("s", forEach={"items": [{"id": 7}, {"id": 8}]}))
    is_asked(bench)


def test_removals_that_people_wrote_are_as_they_were(bench: VirtualBench) -> None:
    begin(bench)
    rows(bench, "id\n3\n")
    assert counts(bench.apply())["cancelled"] == 2, "some rows are left"
    declare(bench)
    assert counts(bench.apply())["cancelled"] == 1, "the entry is gone"


def test_more_than_a_hundred_ask_whatever_is_left(bench: VirtualBench) -> None:
    begin(bench, count=102)
    rows(bench, "id\n1\n")
    with pytest.raises(Withheld, match="cancel 101 runs"):
        bench.apply()


@pytest.mark.parametrize("policy", ["keep", "forget"])
def test_where_nothing_is_cancelled_it_is_a_warning(bench: VirtualBench, policy: str) -> None:
    begin(bench, policy)
    rows(bench, "id\n")
    report = bench.apply()
    assert counts(report)["kept"] == (4 if policy == "keep" else 1)
    assert [text for text in report.warnings if "g/r" in text and "has no rows" in text]


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("count", [100, 101])
def test_rows_that_come_back_after_they_were_forgotten_are_counted_as_triggered_again(
    bench: VirtualBench, count: int, wait: bool
) -> None:
    """A file that was empty for one night must not have everything done twice."""
    before: dict[str, Any] = {"rollout": {"steps": [{"count": 1}]}} if wait else {}
    bench.remote.durations_s = (1.0,)
    begin(bench, "forget", count)
    bench.pass_time(200_000)
    rows(bench, "id\n")
    assert counts(bench.apply())["forgotten"] == count
    rows(bench, "id\n" + "".join(f"{number}\n" for number in range(1, count + 1)))
    declare(bench, entry(forEach=FILE), policy="forget", **before)
    change = next(change for change in bench.plan().changes if change.sends)
    assert change.generation == 2
    assert wait or change.reason == "declared again: it was triggered before, and forgotten"
    if count > 100:
        with pytest.raises(Withheld, match="trigger 101 runs again"):
            bench.apply(options=ApplyOptions(wait=wait))
    allowed = ApplyOptions(wait=wait, allow_retrigger=count > 100)
    assert counts(bench.apply(options=allowed))["triggered"] == count


def test_rows_that_were_forgotten_by_mistake_can_be_adopted(bench: VirtualBench) -> None:
    begin(bench, "forget")
    rows(bench, "id\n")
    bench.apply()
    rows(bench, "id\n1\n2\n3\n")
    assert counts(bench.adopt())["adopted"] == 3
    assert not bench.plan().has_changes
    assert set(bench.remote.counts.values()) == {1}


def test_runs_that_have_ended_are_not_cancelled(bench: VirtualBench) -> None:
    begin(bench)
    bench.pass_time(200_000)
    rows(bench, "id\n")
    bench.apply(options=ApplyOptions(max_triggers=0))
    assert not any(run.cancelled for run in bench.remote.runs)


def test_a_renamed_group_whose_data_is_empty(bench: VirtualBench) -> None:
    begin(bench)
    rows(bench, "id\n")
    declare(bench, entry(forEach=FILE), name="h", moved=[{"from": "g", "to": "h"}])
    with pytest.raises(Withheld, match="h/r makes no runs any more"):
        bench.apply()


def test_plans_tell_it(bench: VirtualBench) -> None:
    begin(bench)
    rows(bench, "id\n")
    plan = bench.plan()
    assert planned(plan) == {f"g/r[{number}]": "cancel" for number in (1, 2, 3)}
    assert plan.changes[0].reason == "g/r makes no runs any more, and the group's onRemove is cancel"
    assert json.loads("".join(plan_json.text(plan)))["emptiedGenerators"] == [{"generator": "g/r", "cancels": 3}]
    assert any("--allow-cancel" in line for line in plan_text.text(plan))
    file = bench.root / "plan.json"
    save_plan(plan_file_text(plan, paths=None, selection=Selection(), new_state=False), file)
    with pytest.raises(Withheld):
        bench.apply(plan_file=file)
    assert counts(bench.apply(plan_file=file, options=ALLOWED))["cancelled"] == 3
