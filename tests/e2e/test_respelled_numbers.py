"""An upgrade from a release that wrote numbers otherwise (`r[1.0]`) triggers nothing: neither with its state nor with
no state and what the server lists. `tests/cases/upgrade/numbers` holds what such a release left behind."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.support.workbench import Workbench, counts, group, planned
from wfdeploy.errors import InvalidInput, UsageError
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.model.edits import Forget, PutAttempt
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.project import Shard
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.operations import state

CASE = Path(__file__).parents[1] / "cases" / "upgrade" / "numbers"
STATE = (CASE / "state.sql").read_text(encoding="utf-8")
IDS = sorted(set(re.findall(r"wfr_[a-z0-9-]+", STATE)))


@pytest.fixture
def left(bench: Workbench) -> Workbench:
    """The manifests that were applied then."""
    shutil.copytree(CASE / "manifests", bench.root / "manifests", dirs_exist_ok=True)
    shutil.copytree(CASE / "data", bench.root / "data")
    return bench


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """NumberFormat are written as they were, until this is undone."""
    former = NumberFormat(former=True)
    monkeypatch.setattr(NumberFormat, "text", lambda _, value: former_text(former, value))
    return monkeypatch


former_text = NumberFormat.text


def restore(bench: Workbench) -> None:
    """The state that was left."""
    bench.state_file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(bench.state_file)) as connection:
        connection.executescript(STATE.replace("SERVER", bench.url))


def start(bench: Workbench, ids: list[str]) -> None:
    """Start runs on the server, under these ids."""
    items = [
        {
            "destination": "http://127.0.0.1:9/wf",
            "headers": {
                "Upstash-Workflow-RunId": run_id,
                "Upstash-Label": "wfdeploy.bench.default",
                "Upstash-Delay": "1h",
            },
        }
        for run_id in ids
    ]
    headers = {"Authorization": f"Bearer {bench.token}"}
    httpx.post(f"{bench.url}/v2/batch/trigger", json=items, headers=headers).raise_for_status()


def upgrade(bench: Workbench, as_before: pytest.MonkeyPatch) -> None:
    """Write numbers as they are written now; another release has a cache of its own."""
    as_before.undo()
    shutil.rmtree(bench.root / ".wfdeploy" / "cache", ignore_errors=True)


def addresses(bench: Workbench) -> set[str]:
    with bench.open() as store:
        return {record.address for record in store.records()}


def test_with_its_state(left: Workbench, server: LocalServer) -> None:
    restore(left)
    plan = left.plan(offline=True)
    assert plan.sends == 0
    assert {change.action.value for change in plan.changes} <= {"keep"}  # delivery options with numbers in them
    assert plan.orphans == 0
    assert counts(left.apply()) == {"kept": 21}
    assert server.accepted() == []
    declared = {run.address for run in left.plan(keep_all=True).kept} | {c.address for c in left.plan().changes}
    assert addresses(left) == declared
    assert {"rows/r[1]", "rows/r[1000]", "rows/r[0]", "rows/r[0.00001]", "decimals/d[0]", "axes/a[1-b]"} <= declared
    assert planned(left.plan()) == {}
    exported = "".join(state.export(left.workspace))
    assert all(run_id in exported for run_id in IDS)  # that stays what the server has
    assert counts(left.apply()) == {"kept": 21}
    with left.open() as store:
        assert store.tallies() == {name: one.tally for name, one in _groups(left).items()}


def _groups(bench: Workbench) -> Any:
    from wfdeploy.manifests.manifests import load_manifests

    with load_manifests(bench.project) as manifests:
        return manifests.runs.groups


def test_with_no_state_and_the_servers_listing(left: Workbench, server: LocalServer) -> None:
    start(left, IDS)
    assert set(planned(left.plan()).values()) == {"adopt"}
    assert counts(left.apply()) == {"adopted": 21}
    assert len(server.accepted()) == 21
    assert not any("[1.0" in address for address in addresses(left))
    assert counts(left.apply()) == {"kept": 21}
    assert planned(left.plan()) == {}


def test_with_no_state_once_more_after_the_upgrade(left: Workbench, server: LocalServer) -> None:
    """Some runs have ids of then, others of now; an edit of now counts."""
    start(left, IDS[:10])
    assert counts(left.apply()) == {"adopted": 10, "triggered": 11}
    left.lose_state()
    assert counts(left.apply()) == {"adopted": 21}
    assert len(server.accepted()) == 21


def test_what_was_edited_is_triggered(left: Workbench, server: LocalServer) -> None:
    restore(left)
    rows = left.root / "data" / "rows.jsonl"
    rows.write_text(rows.read_text().replace('"value": 1}', '"value": 2}', 1))
    assert planned(left.plan(offline=True))["rows/r[1]"] == "retrigger"
    assert counts(left.apply()) == {"kept": 20, "triggered": 1}
    assert [item.run_id for item in server.accepted() if "rows-r-1-" in item.run_id] != []
    assert counts(left.apply()) == {"kept": 21}


def test_another_exporter_changes_nothing(bench: Workbench, server: LocalServer) -> None:
    rows(bench, "1", "2")
    assert counts(bench.apply()) == {"triggered": 2}
    for one, other in (("1.0", "2.0"), ("1e0", "20e-1"), ("1.000", "2")):
        rows(bench, one, other)
        assert planned(bench.plan()) == {}
        assert counts(bench.apply()) == {"kept": 2}
    assert len(server.accepted()) == 2


def rows(bench: Workbench, *ids: str, value: int = 1, **spec: Any) -> None:
    lines = "".join(f'{{"id": {key}, "value": {value}}}\n' for key in ids)
    (bench.root / "rows.jsonl").write_text(lines)
    run = {
        "name": "r",
        "forEach": {"file": "../rows.jsonl"},
        "key": "${{ row.id }}",
        "body": {"value": "${{ row.value }}"},
    }
    bench.write(group("g", [run], **spec))


def test_a_group_that_is_renamed_with_the_upgrade(
    bench: Workbench, server: LocalServer, as_before: pytest.MonkeyPatch
) -> None:
    rows(bench, "1.0", "2")
    assert counts(bench.apply()) == {"triggered": 2}
    upgrade(bench, as_before)
    run = json.loads((bench.root / "manifests" / "runs.yaml").read_text())["spec"]["runs"]
    bench.write(group("new", run, moved=[{"from": "g", "to": "new"}]))
    assert counts(bench.apply()) == {"kept": 2}
    assert addresses(bench) == {"new/r[1]", "new/r[2]"}
    assert len(server.accepted()) == 2
    bench.lose_state()
    assert counts(bench.apply()) == {"adopted": 2}


@pytest.mark.parametrize("arrived", [False, True])
def test_an_attempt_whose_answer_was_lost_before_the_upgrade(
    bench: Workbench, server: LocalServer, as_before: pytest.MonkeyPatch, arrived: bool
) -> None:
    rows(bench, "1.0")
    bench.apply()
    with bench.open() as store:
        (record,) = store.records()
    attempt = Attempt(
        address=record.address,
        fingerprint=record.fingerprint,
        generation=1 if arrived else 2,
        workflow_run_id=record.workflow_run_id if arrived else record.workflow_run_id.replace("-g1-", "-g2-"),
        intent_at_ms=record.recorded_at_ms,
        status=AttemptStatus.UNKNOWN,
        ended_at_ms=record.recorded_at_ms,
        delivery=record.delivery,
    )
    workspace = bench.workspace
    with closing(workspace.open_state(readonly=False)) as store:
        workspace.commit(store, [Forget(record.address), PutAttempt(attempt)])
    upgrade(bench, as_before)
    assert planned(bench.plan(offline=True)) == {"g/r[1]": "recover"}
    bench.apply()
    assert len(server.accepted()) == (1 if arrived else 2)
    assert counts(bench.apply()) == {"kept": 1}
    assert addresses(bench) == {"g/r[1]"}


def test_both_names_in_one_state(bench: Workbench, server: LocalServer, as_before: pytest.MonkeyPatch) -> None:
    """Where another exporter had everything triggered again, before."""
    rows(bench, "1", "2")
    bench.apply()
    rows(bench, "1.0", "2.0")
    assert counts(bench.apply())["triggered"] == 2
    upgrade(bench, as_before)
    plan = bench.plan()
    assert (planned(plan), plan.orphans) == ({}, 2)
    rows(bench, "1.0", "2.0", value=2)
    as_before.setattr(NumberFormat, "text", lambda _, value: former_text(NumberFormat(former=True), value))
    assert counts(bench.apply()) == {"triggered": 2, "kept": 2}
    upgrade(bench, as_before)
    with pytest.raises(InvalidInput) as caught:  # what is declared is what the orphan does, not what the record does
        bench.apply()
    assert {one.code for one in caught.value.diagnostics} == {"moved-onto-known"}
    assert len(server.accepted()) == 6


def test_shards_say_what_to_do(bench: Workbench, server: LocalServer, as_before: pytest.MonkeyPatch) -> None:
    rows(bench, *(f"{number}.0" for number in range(20)))
    bench.shard = Shard(1, 2)
    bench.apply(options=ApplyOptions(create_state=True))
    sent = len(server.accepted())
    upgrade(bench, as_before)
    with pytest.raises(UsageError, match="numbers in keys"):
        bench.apply()
    assert len(server.accepted()) == sent
