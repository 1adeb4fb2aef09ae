"""Generated runs against the embedded server over real HTTP."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.support.workbench import Workbench, counts, group, planned
from wfdeploy.errors import InvalidInput
from wfdeploy.model.plan import Action


def users(bench: Workbench, rows: Mapping[str, Any], *, name: str = "users.jsonl") -> None:
    lines = "".join(json.dumps({"id": key, "value": value}) + "\n" for key, value in rows.items())
    (bench.root / "data").mkdir(exist_ok=True)
    data = lines.encode()
    (bench.root / "data" / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def declare(bench: Workbench, *, name: str = "users.jsonl", **more: Any) -> None:
    run = {
        "name": "u",
        "forEach": {"file": f"../data/{name}", **more},
        "key": "${{ row.id }}",
        "body": {"value": "${{ row.value }}"},
    }
    bench.write(group("g", [run]))


def test_each_row_is_triggered_once_and_then_nothing(bench: Workbench, server: LocalServer) -> None:
    users(bench, {f"k{number}": number for number in range(500)}, name="users.jsonl.gz")
    declare(bench, name="users.jsonl.gz")
    assert counts(bench.apply()) == {"triggered": 500}
    assert counts(bench.apply()) == {"kept": 500}
    assert set(server.accepted_counts().values()) == {1}
    assert sorted(json.loads(accepted.body)["value"] for accepted in server.accepted()) == list(range(500))


def test_a_row_that_changes_is_triggered_anew_and_the_order_of_rows_means_nothing(
    bench: Workbench, server: LocalServer
) -> None:
    users(bench, {"a": 1, "b": 2, "Köln/[x]%": 3})
    declare(bench)
    bench.apply()
    users(bench, {"Köln/[x]%": 3, "b": 20, "a": 1, "new": {"deep": [None]}})
    plan = bench.plan()
    assert planned(plan) == {"g/u[b]": "retrigger", "g/u[new]": "trigger"}
    change = next(change for change in plan.changes if change.action is Action.RETRIGGER)
    assert [(field.path, field.old, field.new) for field in change.diff] == [("body.value", 2, 20)]
    assert str(change.source) == "data/users.jsonl:2"
    assert counts(bench.apply()) == {"triggered": 2, "kept": 2}
    assert len(server.accepted()) == 5


def test_a_bad_row_stops_everything_unless_it_may_be_skipped(bench: Workbench, server: LocalServer) -> None:
    users(bench, {"a": 1, "b": "x"})
    schema = {"properties": {"value": {"type": "integer"}}}
    declare(bench, rowSchema=schema)
    with pytest.raises(InvalidInput) as caught:
        bench.apply()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.place.file.endswith("/project/data/users.jsonl")  # as a user in another folder would type it
    assert (diagnostic.place.line, diagnostic.address) == (2, "g/u")
    assert server.accepted() == []
    declare(bench, rowSchema=schema, onBadRow="skip")
    plan = bench.plan()
    (warning,) = plan.warnings
    assert warning.startswith("g/u: 1 of 2 rows of ")
    assert "data/users.jsonl is skipped (onBadRow: skip)" in warning
    assert counts(bench.apply()) == {"triggered": 1}
    assert bench.plan().warnings == plan.warnings  # also when the file is known from the cache


def test_one_key_twice_is_an_error_that_names_both_rows(bench: Workbench, server: LocalServer) -> None:
    (bench.root / "data").mkdir()
    (bench.root / "data" / "users.jsonl").write_text('{"id": "a", "value": 1}\n\n{"id": "a", "value": 2}\n')
    declare(bench)
    with pytest.raises(InvalidInput) as caught:
        bench.apply()
    (diagnostic,) = caught.value.diagnostics
    assert str(diagnostic.place) == "data/users.jsonl:3:1"
    assert "data/users.jsonl:1" in diagnostic.message
    assert server.accepted() == []


def test_a_data_file_that_changed_is_never_taken_from_the_cache(bench: Workbench, server: LocalServer) -> None:
    users(bench, {"a": 1})
    declare(bench)
    bench.apply()
    for value in range(2, 5):
        users(bench, {"a": value})
        assert planned(bench.plan()) == {"g/u[a]": "retrigger"}
    users(bench, {"a": 1})
    assert planned(bench.plan()) == {}
    assert len(server.accepted()) == 1


def test_a_matrix_is_triggered(bench: Workbench, server: LocalServer) -> None:
    run = {
        "name": "report",
        "matrix": {"region": ["eu", "us"], "month": [1, 2], "exclude": [{"region": "us", "month": 2}]},
        "key": "${{ matrix.region }}-${{ matrix.month }}",
        "body": "${{ matrix }}",
        "labels": ["region-${{ matrix.region }}"],
    }
    bench.write(group("g", [run]))
    assert counts(bench.apply()) == {"triggered": 3}
    assert sorted((json.loads(item.body)["region"], item.labels[-1]) for item in server.accepted()) == [
        ("eu", "region-eu"), ("eu", "region-eu"), ("us", "region-us"),
    ]  # fmt: skip
