"""Renames that nobody declared: what a plan takes for one, and when it asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import Withheld
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Selection
from wfdeploy.model.project import Shard
from wfdeploy.planning.saved_plan import plan_file_text, save_plan
from wfdeploy.render import plan_json, plan_text

MANY = 101


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench() as bench:
        yield bench


def many(name: str, count: int = MANY) -> dict[str, object]:
    return group(name, [run(f"r{index}", body=1) for index in range(count)])


# --- runs that the state knows ---------------------------------------------------------------------------------------


def test_one_run_that_is_gone_explains_one_new_run(bench: VirtualBench) -> None:
    bench.write(group("old", [run("a", body=1)]))
    bench.apply()
    bench.write(many("new"))
    assert bench.plan().possibly_renamed == (("old/a", "new/r0"),)
    assert counts(bench.apply())["triggered"] == MANY


def test_runs_of_a_group_that_is_not_loaded_are_not_gone(bench: VirtualBench) -> None:
    bench.write(many("other"), file="other.yaml")
    bench.apply()
    bench.write(many("new"), file="new.yaml")
    paths = [str(bench.root / "manifests" / "new.yaml")]
    assert bench.plan(paths=paths).possibly_renamed == ()
    assert counts(bench.apply(paths=paths))["triggered"] == MANY


@pytest.mark.parametrize("policy", ["keep", "forget", "cancel"])
def test_a_renamed_group_asks_whatever_becomes_of_its_old_runs(bench: VirtualBench, policy: str) -> None:
    bench.remote.durations_s = (10_000.0,)
    spec = {"policy": {"onRemove": policy}}
    bench.write({**many("old"), "spec": {**many("old")["spec"], **spec}})  # type: ignore[dict-item]
    bench.apply()
    bench.write(many("new"))
    with pytest.raises(Withheld, match="101 runs again"):
        bench.apply(options=ApplyOptions(allow_cancel=True))
    with pytest.raises(Withheld, match="101 runs again"):
        bench.apply(options=ApplyOptions(allow_cancel=True), targets=("new/*",))
    with pytest.raises(Withheld, match="101 runs again"):
        bench.apply(options=ApplyOptions(allow_cancel=True), prune=True)
    assert len(bench.triggered()) == MANY


@pytest.mark.parametrize(("body", "triggered"), [(1, 1), (3, 2)])
def test_a_moved_run_is_known_though_an_edit_of_it_was_refused(bench: VirtualBench, body: int, triggered: int) -> None:
    bench.write(group("g", [run("a", body=1)]))
    bench.apply()
    bench.remote.bad = lambda _: True
    bench.write(group("g", [run("a", body=2)]))
    assert counts(bench.apply()) == {"rejected": 1}
    bench.remote.bad = lambda _: False
    bench.write(group("g", [run("b", body=body)], moved=[{"from": "g/a", "to": "g/b"}]))
    bench.apply()
    assert counts(bench.apply()) == {"kept": 1}
    assert len(bench.triggered()) == triggered


# --- runs that only the server knows ---------------------------------------------------------------------------------


ALLOWED = ApplyOptions(allow_retrigger=True)
GENERATED = {"forEach": {"items": [{"id": 1}, {"id": 2}]}, "key": "${{ row.id }}", "body": {"id": "${{ row.id }}"}}


def lose(bench: VirtualBench) -> None:
    """The state, and whatever lies beside it."""
    for file in bench.state_file.parent.glob(f"{bench.state_file.name}*"):
        file.unlink()
    bench.pass_time(60)


def renamed(bench: VirtualBench, *, moved: bool = True) -> None:
    """A run gets another name, its `moved:` entry is tidied up, and the state is lost."""
    bench.write(group("old", [run("a", body=1)]))
    bench.apply()
    if moved:
        bench.write(group("new", [run("a", body=1)], moved=[{"from": "old", "to": "new"}]))
        assert counts(bench.apply())["kept"] == 1
    bench.write(group("new", [run("a", body=1)]))
    lose(bench)


@pytest.mark.parametrize("moved", [True, False])
def test_a_renamed_run_is_not_triggered_again_without_consent(bench: VirtualBench, moved: bool) -> None:
    renamed(bench, moved=moved)
    plan = bench.plan()
    assert [(change.address, change.reason) for change in plan.changes] == [
        ("new/a", "new; a run that did the same is on the server, under another name")
    ]
    ((run_id, address),) = plan.possibly_triggered
    assert (run_id[:9], address) == ("wfr_old-a", "new/a")
    with pytest.raises(Withheld, match=r"may trigger new/a again.*wfr_old-a") as caught:
        bench.apply()
    assert caught.value.exit_code == 8
    assert "moved" in (caught.value.hint or "")
    assert not bench.state_file.exists()
    assert bench.triggered() == ["old-a"]
    assert counts(bench.apply(options=ALLOWED)) == {"triggered": 1}
    assert counts(bench.apply()) == {"kept": 1}


def test_what_puts_it_right_needs_no_consent(bench: VirtualBench) -> None:
    renamed(bench)
    bench.write(group("new", [run("a", body=1)], moved=[{"from": "old", "to": "new"}]))
    assert counts(bench.apply()) == {"adopted": 1}
    lose(bench)
    bench.write(group("new", [run("a", body=1)]))
    assert counts(bench.adopt(targets=("new/a",))) == {"adopted": 1}
    assert counts(bench.apply()) == {"kept": 1}
    assert bench.triggered() == ["old-a"]


def test_adopt_answers_for_what_it_records_alone(bench: VirtualBench) -> None:
    bench.write(group("old", [run(name, body=1) for name in "ab"]))
    bench.apply()
    lose(bench)
    bench.write(group("other", [run("o")]))
    bench.apply()
    bench.write(group("other", [run("o")]), group("new", [run(name, body=1) for name in "ab"]))
    assert counts(bench.adopt(limit=1))["adopted"] == 1
    with pytest.raises(Withheld, match="new/b"):
        bench.apply()


def test_one_unclaimed_run_explains_one_new_run(bench: VirtualBench) -> None:
    renamed(bench)
    bench.write(group("new", [run(f"r{index}", body=1) for index in range(3)]))
    assert [address for _, address in bench.plan().possibly_triggered] == ["new/r0"]
    bench.write(group("new", [run("r0", body=2)]))
    assert bench.plan().possibly_triggered == ()


def test_an_answer_is_remembered_and_so_is_the_question(bench: VirtualBench) -> None:
    renamed(bench)
    bench.write(group("new", [run("a", body=1), run("b", body=2)]), group("third", [run("c", body=3)]))
    assert counts(bench.apply(targets=("third/*",))) == {"triggered": 1}, "the others aren't asked about"
    with pytest.raises(Withheld, match="new/a"):
        bench.apply()
    with bench.open() as store:
        assert len(store.unclaimed()) == 1
    assert counts(bench.apply(targets=("new/b",))) == {"triggered": 1}
    assert counts(bench.apply(options=ALLOWED))["triggered"] == 1
    bench.write(group("new", [run(name, body=1) for name in "axy"]), file="more.yaml")
    (bench.root / "manifests" / "runs.yaml").unlink()
    assert counts(bench.apply())["triggered"] == 2, "it was said that the run on the server is none of these"


def test_a_question_is_not_put_off_by_what_holds_a_run_back(bench: VirtualBench) -> None:
    """Else a nightly apply would stand still on the day that the run is released."""
    renamed(bench)
    first = group("first", [run("f", body=2)])
    bench.write(first, group("new", [run("a", body=1)], dependsOn=[{"group": "first"}]))
    with pytest.raises(Withheld, match="new/a"):
        bench.apply()
    assert counts(bench.apply(options=ALLOWED)) == {"triggered": 1, "blocked": 1}
    bench.pass_time(60)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}


def test_a_part_of_the_manifests_gives_no_reason_to_ask(bench: VirtualBench) -> None:
    """An unclaimed run may be that of a manifest that isn't loaded."""
    bench.write(group("a", [run("a", body=1)]), file="a.yaml")
    bench.apply()
    bench.write(group("b", [run("b", body=1)]), file="b.yaml")
    lose(bench)
    assert counts(bench.apply(paths=[str(bench.root / "manifests" / "b.yaml")])) == {"triggered": 1}
    assert counts(bench.apply()) == {"adopted": 1, "kept": 1}


def test_the_rest_of_the_project_tells_whose_a_run_is(bench: VirtualBench) -> None:
    bench.write(group("a", [run("a", body=1)]), file="a.yaml")
    bench.write(group("old", [run("b", body=1)]), file="b.yaml")
    bench.apply()
    bench.write(group("b", [run("b", body=1), run("c", body=1)]), file="b.yaml")
    lose(bench)
    only = [str(bench.root / "manifests" / "b.yaml")]
    assert bench.plan(paths=only).possibly_triggered == bench.plan().possibly_triggered
    with pytest.raises(Withheld, match=r"b/b again.*wfr_old-b"):
        bench.apply(paths=only)
    bench.write(group("a", [run("a", body=1)]), group("a", []), file="a.yaml")
    assert counts(bench.apply(paths=only)) == {"triggered": 2}, "nothing is known of the rest: it can't be read"


def test_a_new_name_may_belong_to_another_shard(bench: VirtualBench) -> None:
    bench.shard = Shard(1, 2)
    two = replace(bench, shard=Shard(2, 2))
    two.clock, two.remote, two.project = bench.clock, bench.remote, bench.project
    two.state_file = bench.state_file.with_name("two.db")
    create = ApplyOptions(create_state=True)
    bench.write(group("old", [run(f"r{index}", body=index // 2) for index in range(12)]))
    assert {**counts(bench.apply(options=create))}["triggered"] + counts(two.apply(options=create))["triggered"] == 12
    bench.pass_time(60)
    for one in (bench, two):
        one.lose_state()
        assert "triggered" not in counts(one.apply(options=create)), "the runs of the other shard are its own"
    bench.write(group("new", [run(f"r{index}", body=index // 2) for index in range(12)]))
    asked = []
    for one in (bench, two):
        one.lose_state()
        plan = one.plan()
        asked += [address for _, address in plan.possibly_triggered]
        with pytest.raises(Withheld, match="may trigger"):
            one.apply(options=create)
    assert sorted(asked) == sorted(f"new/r{index}" for index in range(12))


def test_another_runners_state_has_the_same_question(bench: VirtualBench) -> None:
    """One that is no new state: it just never heard of the former name."""
    bench.write(group("always", [run("z")]))
    bench.apply()
    own, bench.state_file = bench.state_file, bench.state_file.with_name("other.db")
    bench.pass_time(60)
    bench.write(group("always", [run("z")]), group("old", [run("a", body=1)]))
    bench.apply()
    bench.state_file = own
    bench.pass_time(60)
    bench.write(group("always", [run("z")]), group("new", [run("a", body=1)]))
    with pytest.raises(Withheld, match="new/a"):
        bench.apply()


@pytest.mark.parametrize(("old", "new"), [("g/r", "g/s"), ("g/r", "h/r")])
def test_generated_runs_are_no_exception(bench: VirtualBench, old: str, new: str) -> None:
    for address in (old, new):
        name, _, entry = address.partition("/")
        if address == new:
            lose(bench)
        bench.write(group(name, [{"name": entry, **GENERATED}]))
        if address == old:
            assert counts(bench.apply()) == {"triggered": 2}
    with pytest.raises(Withheld, match=rf"{new}\[1\] and 1 more"):
        bench.apply()


def test_the_latest_run_of_a_name_is_what_counts(bench: VirtualBench) -> None:
    for body in (1, 2):
        bench.write(group("old", [run("a", body=body)]))
        bench.apply()
        bench.pass_time(10)
    lose(bench)
    bench.write(group("new", [run("a", body=2), run("b", body=1)]))
    assert [address for _, address in bench.plan().possibly_triggered] == ["new/a"]


def test_instances_are_compared_by_their_time(bench: VirtualBench) -> None:
    schedule = {"cron": "0 * * * *", "startAt": "2026-11-23T10:00:00Z", "catchUp": "all"}
    bench.write(group("old", [run("n")], schedule=schedule))
    assert counts(bench.apply()) == {"triggered": 5}
    lose(bench)
    bench.write(group("new", [run("n")], schedule=schedule), group("plain", [run("n")]))
    times = [f"new/n@2026-11-23T{hour}:00:00Z" for hour in range(10, 15)]
    assert [address for _, address in bench.plan().possibly_triggered] == times


def test_a_saved_plan_and_the_rest_of_a_state_carry_the_question(bench: VirtualBench) -> None:
    renamed(bench)
    file = bench.root / "plan.json"
    plan = bench.plan()
    save_plan(plan_file_text(plan, paths=None, selection=Selection(), new_state=True), file)
    with pytest.raises(Withheld):
        bench.apply(plan_file=file)
    assert counts(bench.apply(plan_file=file, options=ALLOWED)) == {"triggered": 1}
    told = json.loads("".join(plan_json.text(plan)))
    assert told["possiblyTriggered"] == [{"workflowRunId": plan.unmatched_ids[0], "address": "new/a"}]
    assert any("--allow-retrigger" in line and "another name" in line for line in plan_text.text(plan))
