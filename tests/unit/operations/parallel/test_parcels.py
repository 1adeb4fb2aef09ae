"""Runs made ready by the processes that read them: sent and recorded as if one process had done it all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.model.event import Notice
from wfdeploy.model.remote import Item, TriggerReply
from wfdeploy.model.run import DeclaredRun
from wfdeploy.operations import shipping
from wfdeploy.operations.parallel import crew, parcels, stash
from wfdeploy.pipeline.apply.shipment import Shipment

RUNS = [run(f"r{n:03}", body={"n": n, "long": "1" * (n % 20), "text": '\u00e4 "quoted"'}) for n in range(40)]
ODD = [
    run("none"),
    run("text", bodyText="as it is"),
    run("null", body=None),
    run("large", body={"text": "x" * 5000}),
    run("digits", body={"n": 9007199254740991}),
    run("float", body={"n": 1.5, "big": 1e21}),
    run("own", workflowRunId="mine"),
    run("later", delay="90s"),
    run("then", notBefore="2026-11-24T12:00:00Z"),
    run("type", contentType="text/plain", bodyText="a"),
    run("headers", headers={"X-A": "b"}, failureUrl="https://app.example.com/failed", failureHeaders={"X-F": "g"}),
    run("flow", flowControl={"key": "k", "parallelism": 3}),
    run("secret", body={"key": "${{ secrets.KEY }}"}),
    run("secret-header", headers={"X-Key": "${{ secrets.KEY }}"}),
    run("redacted", redact={"body": True}, body={"n": 1}),
]
ROWS = [run("row", forEach={"items": [{"k": "a"}, {"k": "b c"}]}, key="${{ row.k }}", body="${{ row }}")]


class Keeping(ModelServer):
    """A server that keeps what it was sent."""

    sent: dict[str, bytes]

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self.__dict__.setdefault("sent", {}).update({item.workflow_run_id: item.encoded for item in items})
        return await super().trigger(items)


def bench(root: Path, remote: ModelServer) -> Workbench:
    one = Workbench(root, "http://127.0.0.1:9", "token", clock=remote.clock, wrap=lambda _: remote)
    one.environ = {"KEY": "the value"}
    one.project = replace(one.project, secrets=("KEY",))
    one.server(log_lag_s=0.0, log_lag_given=True)
    return one


def write(one: Workbench, name: str, runs: list[dict[str, Any]]) -> None:
    """In the block style that can be read in parts."""
    data = group(name, runs, defaults={"labels": ["x"]})
    (one.root / "manifests" / f"{name}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


def applied(one: Workbench, remote: Keeping) -> tuple[dict[str, int], dict[str, bytes], list[Any]]:
    """What came of it: counts, what the server got, what the state has but for what its own key covers."""
    told = counts(one.apply())
    with one.open() as store:
        records = [
            replace(record, request="" if "redacted" in record.address else record.request)
            for record in store.records()
        ]
        return told, remote.sent, [list(store.groups()), dict(store.tallies()), *records]


@pytest.mark.parametrize(
    "files",
    [{"a": RUNS, "b": ODD, "c": ROWS, "d": RUNS}, {"a": [*RUNS, *ODD]}, {"a": [*ODD, *reversed(RUNS)], "b": RUNS[:3]}],
    ids=["files", "parts", "parts and more"],
)
def test_they_are_sent_and_recorded_as_by_one_process(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, list[dict[str, Any]]],
) -> None:
    found = []
    opened: list[parcels.Parcel] = []
    unpacked = shipping._unpacked

    def noted(parcel: parcels.Parcel, *args: Any, **options: Any) -> Shipment:
        opened.append(parcel)
        return unpacked(parcel, *args, **options)

    monkeypatch.setattr(shipping, "_unpacked", noted)
    for folder, processors in (("many", 2), ("one", 1)):
        monkeypatch.setattr(crew, "_processors", lambda count=processors: count)
        remote = Keeping(ManualClock(), lag_s=0.0)
        one = bench(tmp_path / folder, remote)
        for name, runs in files.items():
            write(one, name, runs)
        found.append(applied(one, remote))
    assert len(processes) == 2
    assert len(opened) > 30
    assert found[0] == found[1]
    assert not [path for path in tmp_path.rglob("*.db*") if b"the value" in path.read_bytes()]


def test_they_are_for_states_that_know_of_nothing(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "g", RUNS[:1])
    one.apply()
    write(one, "g", RUNS)
    monkeypatch.setattr(shipping, "_unpacked", None)
    assert counts(one.apply()) == {"kept": 1, "triggered": 39}
    assert processes


def test_runs_that_the_server_knows_are_not_sent_again(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "g", RUNS[:20])
    one.apply()
    one.state_file.unlink()
    edited = [*RUNS[5:], *({**entry, "body": "edited"} for entry in RUNS[:5])]
    write(one, "g", edited)
    assert counts(one.apply()) == {"adopted": 15, "triggered": 25}
    assert processes
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == 45
    assert counts(one.apply()) == {"kept": 40}


def test_an_answer_lost_is_looked_up(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    remote.faults = [Fault.LOST_AFTER]
    one = bench(tmp_path, remote)
    write(one, "g", RUNS)
    one.apply()
    assert processes
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == 40


def test_one_that_is_not_what_was_planned_is_not_sent(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "g", RUNS)
    read, changed = stash.stashed, []

    def other(path: Path) -> Iterator[tuple[int, DeclaredRun | parcels.Parcel]]:
        for number, parcel in read(path):
            if isinstance(parcel, parcels.Parcel) and parcel.address == "g/r030":
                changed.append(parcel.address)
                yield number, parcel._replace(fingerprint="1:other")
            else:
                yield number, parcel

    monkeypatch.setattr(stash, "stashed", other)
    one.apply()
    assert processes
    assert changed == ["g/r030"]
    assert [event for event in one.events if isinstance(event, Notice) and "is not what it says" in event.message]
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == 40
