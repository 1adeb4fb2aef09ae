"""Runs made ready by the processes that read them: sent and recorded as if one process had done it all."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import InvalidInput
from wfdeploy.model.event import Notice
from wfdeploy.model.first_changes import FirstChanges
from wfdeploy.model.plan import Change
from wfdeploy.model.remote import Item, TriggerReply
from wfdeploy.model.run import DeclaredRun
from wfdeploy.operations import shipping
from wfdeploy.operations.parallel import crew, parcels, stash
from wfdeploy.operations.reading import Wanted
from wfdeploy.pipeline.apply.batch import ReadyBatch
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
PLAIN = [one for one in ODD if "redact" not in one and "${{" not in str(one)]
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
    [
        {"a": RUNS, "b": ODD, "c": ROWS, "d": RUNS},
        {"a": [*RUNS, *ODD]},
        {"a": [*ODD, *reversed(RUNS)], "b": RUNS[:3]},
        {"a": RUNS, "c": PLAIN, "b": RUNS},
        {"a": [*PLAIN, *reversed(RUNS)]},
    ],
    ids=["files", "parts", "parts and more", "files of parcels", "parts of parcels"],
)
def test_they_are_sent_and_recorded_as_by_one_process(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, list[dict[str, Any]]],
) -> None:
    found = []
    opened: list[object] = []
    unpacked, ready = shipping._unpacked, shipping._ready

    def noted(parcel: parcels.Parcel, *args: Any, **options: Any) -> Shipment:
        opened.append(parcel)
        return unpacked(parcel, *args, **options)

    def noted_all(crate: parcels.Crate, *args: Any, **options: Any) -> ReadyBatch:
        opened.extend(crate.number)
        return ready(crate, *args, **options)

    monkeypatch.setattr(shipping, "_unpacked", noted)
    monkeypatch.setattr(shipping, "_ready", noted_all)
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
    monkeypatch.setattr(shipping, "_ready", None)
    assert counts(one.apply()) == {"kept": 1, "triggered": 39}
    assert processes


def test_runs_that_the_server_knows_are_not_sent_again(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "g", RUNS[:20])
    one.apply()
    one.lose_state()
    edited = [*RUNS[5:], *({**entry, "body": "edited"} for entry in RUNS[:5])]
    write(one, "g", edited)
    assert counts(one.apply()) == {"adopted": 15, "triggered": 25}
    assert processes
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == 45
    assert counts(one.apply()) == {"kept": 40}


@pytest.mark.parametrize("odd", [[], ODD[-1:]], ids=["all", "but one"])
def test_where_all_are_ready_none_is_planned_one_by_one(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, odd: list[dict[str, Any]]
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "g", [*RUNS, *odd])
    asked: list[object] = []
    made = FirstChanges.__iter__

    def noted(changes: FirstChanges) -> Iterator[Change]:
        asked.append(changes)
        return made(changes)

    monkeypatch.setattr(FirstChanges, "__iter__", noted)
    assert counts(one.apply()) == {"triggered": len(RUNS) + len(odd)}
    assert processes
    assert bool(asked) is bool(odd)
    assert counts(one.apply()) == {"kept": len(RUNS) + len(odd)}


def test_a_file_read_by_this_process_is_sent_too(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs are in no parcel, so what is in parcels isn't everything."""
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    for name in ("a", "b", "c"):
        write(one, name, RUNS)
    run = crew._run

    def failing(folders: Sequence[Path], wanted: Wanted, whole: int) -> list[bool]:
        return [sound and number > 0 for number, sound in enumerate(run(folders, wanted, whole))]

    monkeypatch.setattr(crew, "_run", failing)
    assert counts(one.apply()) == {"triggered": 3 * len(RUNS)}
    assert processes
    assert set(remote.counts.values()) == {1}
    assert counts(one.apply()) == {"kept": 3 * len(RUNS)}


@pytest.mark.parametrize("change", [lambda ready: ready[:-1], lambda ready: [*ready, ready[0]]], ids=["less", "more"])
def test_parcels_that_do_not_add_up_to_the_plan_are_noticed(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[list[parcels.Crate]], list[parcels.Crate]],
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "a", RUNS)
    read = stash.crates
    monkeypatch.setattr(stash, "crates", lambda path: iter(change(list(read(path)))))
    one.apply()
    assert processes
    assert [event for event in one.events if isinstance(event, Notice) and "is not what it says" in event.message]
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == len(RUNS)


@pytest.mark.parametrize(
    "files", [{"a": [*RUNS, RUNS[3]]}, {"a": [RUNS[3], *RUNS]}, {"a": [*RUNS, RUNS[3]], "b": RUNS}]
)
def test_nothing_is_sent_where_a_run_is_declared_twice(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], files: dict[str, list[dict[str, Any]]]
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    for name, runs in files.items():
        write(one, name, runs)
    for _ in range(3):
        with pytest.raises(InvalidInput) as told:
            one.apply()
        assert [said.code for said in told.value.diagnostics] == ["duplicate-address"]
    assert processes
    assert not remote.counts


def test_runs_in_crates_that_are_not_as_many_as_planned_are_looked_at_one_by_one(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "a", RUNS)
    monkeypatch.setattr(stash, "count_of", lambda _: len(RUNS))
    monkeypatch.setattr(shipping, "_ready", None)
    assert counts(one.apply()) == {"triggered": len(RUNS)}
    assert processes


def test_what_is_left_when_the_server_says_no_is_told(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    remote = Keeping(ManualClock(), lag_s=0.0)
    remote.faults = [Fault.UNAUTHORISED]
    one = bench(tmp_path, remote)
    write(one, "g", RUNS)
    report = one.apply()
    assert processes
    assert report.stopped is not None
    assert counts(report) == {"pending": len(RUNS)}
    assert [result.address for result in report.results] == sorted(f"g/r{n:03}" for n in range(len(RUNS)))
    assert counts(one.apply()) == {"triggered": len(RUNS)}


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
    write(one, "g", [*RUNS, ODD[-1]])  # of which one isn't in a parcel, so each is looked for
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
    assert len(remote.counts) == 41
