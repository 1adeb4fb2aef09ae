"""Plan and apply against the embedded server over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.local_server import LocalServer
from tests.support.workbench import Workbench, counts, group, planned, run
from wfdeploy.errors import StalePlan, StateUnusable, UsageError, Withheld
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Action, Selection
from wfdeploy.planning.saved_plan import plan_file_text, save_plan


def test_apply_triggers_each_declared_run_once_and_then_nothing(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run(f"r{i}", body={"i": i}) for i in range(250)]))
    assert counts(bench.apply()) == {"triggered": 250}
    assert set(server.accepted_counts().values()) == {1}
    assert len(server.accepted_counts()) == 250
    assert counts(bench.apply()) == {"kept": 250}
    assert len(server.accepted()) == 250
    assert not bench.plan().has_changes


def test_what_is_sent_is_what_was_declared(bench: Workbench, server: LocalServer) -> None:
    bench.environ = {"APP_TOKEN": "s3cr3t-value"}
    bench.project = type(bench.project)(root=bench.root, name="bench", secrets=("APP_TOKEN",))
    bench.write(
        group(
            "g",
            [run("a", body={"b": 1, "a": [True, None]}, labels=["x"])],
            defaults={"headers": {"X-Team": "growth", "Authorization": "Bearer ${{ secrets.APP_TOKEN }}"}},
        )
    )
    bench.apply()
    (accepted,) = server.accepted()
    assert accepted.destination == "http://127.0.0.1:9/wf"
    assert accepted.body == b'{"a":[true,null],"b":1}'
    assert accepted.headers["X-Team"] == "growth"
    assert accepted.headers["Authorization"] == "Bearer s3cr3t-value"
    assert accepted.labels == ("wfdeploy.bench.default", "x")
    assert b"s3cr3t-value" not in bench.state_file.read_bytes()


def test_an_edit_triggers_the_next_run_and_an_edit_back_another_generation(
    bench: Workbench, server: LocalServer
) -> None:
    bench.write(group("g", [run("a", body=1)]))
    bench.apply()
    bench.write(group("g", [run("a", body=2)]))
    plan = bench.plan()
    (change,) = plan.changes
    assert (change.action, change.generation) == (Action.RETRIGGER, 1)
    assert [(field.path, field.old, field.new) for field in change.diff] == [("body", 1, 2)]
    assert counts(bench.apply()) == {"triggered": 1}
    bench.write(group("g", [run("a", body=1)]))
    (change,) = bench.plan().changes
    assert change.generation == 2
    assert counts(bench.apply()) == {"triggered": 1}
    ids = list(server.accepted_counts())
    assert len(ids) == 3
    assert sum("-g2-" in run_id for run_id in ids) == 1


def test_delivery_options_alone_trigger_nothing_and_are_said_once(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a", body=1)], defaults={"retries": 1}))
    bench.apply()
    bench.write(group("g", [run("a", body=1)], defaults={"retries": 5}))
    (change,) = bench.plan().changes
    assert change.action is Action.KEEP
    assert [field.path for field in change.diff] == ["retries"]
    assert counts(bench.apply()) == {"kept": 1}
    assert bench.plan().changes == ()
    assert len(server.accepted()) == 1


def test_a_lost_state_is_read_back_from_the_server(bench: Workbench, server: LocalServer) -> None:
    server.faults.instant_finish = True
    bench.write(group("g", [run("a", body=1), run("b", body=2)]))
    bench.apply()
    bench.lose_state()
    plan = bench.plan()
    assert planned(plan) == {"g/a": "adopt", "g/b": "adopt"}
    assert plan.verified
    bench.write(group("g", [run("a", body=1), run("b", body=3), run("c")]))
    assert planned(bench.plan()) == {"g/a": "adopt", "g/b": "retrigger", "g/c": "trigger"}
    assert counts(bench.apply()) == {"adopted": 1, "triggered": 2}
    assert set(server.accepted_counts().values()) == {1}
    assert not bench.plan().has_changes


def test_a_stale_state_learns_what_another_runner_did(bench: Workbench, server: LocalServer, tmp_path: Path) -> None:
    server.faults.instant_finish = True
    bench.write(group("g", [run("a", body=1)]))
    bench.apply()
    copy = bench.state_file.read_bytes()
    bench.write(group("g", [run("a", body=1), run("b", body=1)]))
    bench.apply()
    bench.state_file.write_bytes(copy)
    bench.write(group("g", [run("a", body=1), run("b", body=1), run("c", body=1)]))
    assert counts(bench.apply()) == {"adopted": 1, "triggered": 1, "kept": 1}
    assert set(server.accepted_counts().values()) == {1}


def test_forgotten_runs_are_not_adopted_again_and_get_the_next_generation(
    bench: Workbench, server: LocalServer
) -> None:
    server.faults.instant_finish = True
    bench.write(group("g", [run("a", body=1)]))
    bench.apply()
    bench.write(group("g", [run("b", body=1)]))
    plan = bench.plan(prune=True)
    assert planned(plan) == {"g/a": "forget", "g/b": "trigger"}
    assert counts(bench.apply(prune=True)) == {"forgotten": 1, "triggered": 1}
    bench.write(group("g", [run("a", body=1), run("b", body=1)]))
    (change,) = bench.plan().changes
    assert (change.address, change.generation) == ("g/a", 2)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert set(server.accepted_counts().values()) == {1}


def test_replace_triggers_again_under_the_next_generation(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a"), run("b")]))
    bench.apply()
    plan = bench.plan(replace=("g/a",))
    assert [(change.address, change.generation) for change in plan.changes] == [("g/a", 2)]
    bench.apply(replace=("g/a",))
    assert len(server.accepted()) == 3
    with pytest.raises(UsageError, match="names no declared run"):
        bench.plan(replace=("g/zzz",))


def test_moved_addresses_are_not_triggered_again_with_and_without_state(bench: Workbench, server: LocalServer) -> None:
    server.faults.instant_finish = True
    bench.write(group("g", [run("a", body=1), run("b", body=2)]))
    bench.apply()
    moved = group(
        "h", [run("a", body=1), run("c", body=2)], moved=[{"from": "g", "to": "h"}, {"from": "h/b", "to": "h/c"}]
    )
    bench.write(moved)
    assert not bench.plan().has_changes
    assert counts(bench.apply()) == {"kept": 2}
    with bench.open() as store:
        assert [key.address for key in store.record_keys()] == ["h/a", "h/c"]
    bench.lose_state()
    assert planned(bench.plan()) == {"h/a": "adopt", "h/c": "adopt"}
    assert counts(bench.apply()) == {"adopted": 2}
    assert len(server.accepted()) == 2


def test_a_saved_plan_is_applied_once_and_only_as_it_was(bench: Workbench, server: LocalServer, tmp_path: Path) -> None:
    bench.write(group("g", [run("a", body=1)]))
    plan = bench.plan()
    file = tmp_path / "plan.json"
    save_plan(plan_file_text(plan, paths=None, selection=Selection(), new_state=True), file)
    assert file.stat().st_mode & 0o777 == 0o600
    bench.write(group("g", [run("a", body=2)]))
    with pytest.raises(StalePlan, match="manifests have changed"):
        bench.apply(plan_file=file)
    bench.write(group("g", [run("a", body=1)]))
    assert counts(bench.apply(plan_file=file)) == {"triggered": 1}
    with pytest.raises(StalePlan):
        bench.apply(plan_file=file)
    assert len(server.accepted()) == 1


def test_caps_and_consent_stop_before_anything_is_sent(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run(f"r{i}") for i in range(5)]))
    with pytest.raises(Withheld, match="max-triggers"):
        bench.apply(options=ApplyOptions(max_triggers=4))
    with pytest.raises(Withheld, match="declined"):
        bench.apply(confirm=lambda _: False)
    assert not bench.state_file.exists()
    assert server.accepted() == []


def test_many_retriggers_need_a_word(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run(f"r{i}", body=1) for i in range(101)]))
    bench.apply()
    bench.write(group("h", [run(f"r{i}", body=1) for i in range(101)]))
    with pytest.raises(Withheld) as caught:
        bench.apply()
    assert "moved" in (caught.value.hint or "")
    bench.write(group("g", [run(f"r{i}", body=2) for i in range(101)]))
    with pytest.raises(Withheld, match="101 runs again"):
        bench.apply()
    assert counts(bench.apply(options=ApplyOptions(allow_retrigger=True))) == {"triggered": 101}


def test_limit_blocks_the_rest_until_the_next_apply(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run(f"r{i}") for i in range(5)]))
    assert counts(bench.apply(limit=2)) == {"triggered": 2, "blocked": 3}
    assert counts(bench.apply(limit=2)) == {"triggered": 2, "blocked": 1, "kept": 2}
    assert counts(bench.apply()) == {"triggered": 1, "kept": 4}
    assert len(server.accepted()) == 5


def test_targets_narrow_and_unmatched_ones_are_an_error(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a"), run("b")]), group("h", [run("a")]))
    assert counts(bench.apply(targets=("g/*",))) == {"triggered": 2}
    assert planned(bench.plan(targets=("h",))) == {"h/a": "trigger"}
    with pytest.raises(UsageError, match="nope"):
        bench.apply(targets=("nope/*",))


def test_adopt_records_without_triggering(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a"), run("b")]))
    assert counts(bench.adopt()) == {"adopted": 2}
    assert server.accepted() == []
    assert counts(bench.apply()) == {"kept": 2}
    assert server.accepted() == []


def test_a_state_of_another_server_is_refused(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a")]))
    bench.apply()
    with LocalServer() as other:
        bench.url = other.url
        with pytest.raises(StateUnusable, match="belongs to"):
            bench.plan()


def test_a_required_state_must_be_begun_on_purpose(bench: Workbench, server: LocalServer) -> None:
    bench.write(group("g", [run("a")]))
    bench.project = replace(bench.project, state_required=True)
    with pytest.raises(Withheld, match="requires one"):
        bench.apply()
    assert counts(bench.apply(options=ApplyOptions(create_state=True))) == {"triggered": 1}
    assert counts(bench.apply()) == {"kept": 1}


def test_cancel_on_remove(bench: Workbench, server: LocalServer) -> None:
    server.faults.hold_deliveries = True
    policy = {"onRemove": "cancel"}
    bench.write(group("g", [run("a"), run("b")], policy=policy))
    bench.apply()
    bench.write(group("g", [run("b")], policy=policy))
    assert planned(bench.plan()) == {"g/a": "cancel"}
    assert counts(bench.apply()) == {"cancelled": 1, "kept": 1}
    assert sorted(accepted.state for accepted in server.accepted()) == ["RUN_CANCELED", "RUN_STARTED"]
    assert not bench.plan().has_changes
