"""Runs put aside by the process that reads them: sent and recorded as if they had been held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault
from tests.support.workbench import counts, run
from tests.unit.operations.parallel.test_parcels import ODD, PLAIN, ROWS, RUNS, Keeping, applied, bench, write
from wfdeploy.operations import shipping
from wfdeploy.operations.parallel import aside, crew
from wfdeploy.operations.parallel.stash import Stash

MANY_ROWS = [
    run("row", forEach={"items": [{"k": f"k{n}", "n": n} for n in range(30)]}, key="${{ row.k }}", body="${{ row }}")
]
MATRIX = [run("m", matrix={"a": [1, 2, 3], "b": ["x", "y"]}, key="${{ matrix.a }}-${{ matrix.b }}", retries=2)]


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_processors", lambda: 1)


def ready(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs were taken as they lay ready, a batch each."""
    taken: list[int] = []
    make = shipping._ready

    def noted(crate: Any, **options: Any) -> Any:
        taken.append(len(crate.number))
        return make(crate, **options)

    monkeypatch.setattr(shipping, "_ready", noted)
    return taken


@pytest.mark.parametrize("few", [0, 7, 45])
@pytest.mark.parametrize(
    ("files", "all_ready"),
    [
        ({"a": RUNS, "b": PLAIN, "c": MANY_ROWS, "d": MATRIX}, True),
        ({"a": [*RUNS, *MANY_ROWS, *MATRIX], "empty": []}, True),
        ({"a": RUNS, "b": ODD, "c": ROWS}, False),
        ({"a": [*RUNS, *ODD[-3:], *MANY_ROWS]}, False),
        ({"a": ODD[-3:], "b": RUNS}, False),
    ],
    ids=["files", "one file", "files and more", "one file and more", "secrets first"],
)
def test_they_are_sent_and_recorded_as_from_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    files: dict[str, list[dict[str, Any]]],
    all_ready: bool,
) -> None:
    found = []
    taken = ready(monkeypatch)
    for folder, held in (("disk", few), ("memory", 1000)):
        monkeypatch.setattr(aside, "FEW", held)
        remote = Keeping(ManualClock(), lag_s=0.0)
        one = bench(tmp_path / folder, remote)
        for name, runs in files.items():
            write(one, name, runs)
        found.append(applied(one, remote))
        if folder == "disk":
            assert bool(taken) is all_ready
            assert not all_ready or sum(taken) == len(remote.counts)
            taken.clear()
    assert not taken
    assert found[0] == found[1]
    assert not [path for path in tmp_path.rglob("*.db*") if b"the value" in path.read_bytes()]


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("few", [0, 5, 45])
def test_a_full_disk_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int, few: int) -> None:
    monkeypatch.setattr(aside, "FEW", few)
    monkeypatch.setattr("wfdeploy.operations.parallel.stash._CHUNK", 25)
    put, done = Stash._write, []

    def full(self: Stash) -> None:
        done.append(self)
        if len(done) == which + 1:
            raise OSError(28, "No space left on device")
        put(self)

    monkeypatch.setattr(Stash, "_write", full)
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    for name in "abc":
        write(one, name, RUNS)
    assert counts(one.apply()) == {"triggered": 3 * len(RUNS)}
    assert done
    assert set(remote.counts.values()) == {1}
    assert counts(one.apply()) == {"kept": 3 * len(RUNS)}


def test_what_the_server_knows_is_adopted_and_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "FEW", 5)
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "a", RUNS[:15])
    one.apply()
    one.lose_state()
    write(one, "a", [*RUNS, *MANY_ROWS])
    assert counts(one.apply()) == {"adopted": 15, "triggered": len(RUNS) - 15 + 30}
    assert set(remote.counts.values()) == {1}


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE])
def test_an_answer_lost_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr(aside, "FEW", 5)
    remote = Keeping(ManualClock(), lag_s=0.0)
    remote.faults = [fault]
    one = bench(tmp_path, remote)
    write(one, "a", [*RUNS, *MANY_ROWS])
    one.apply()
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == len(RUNS) + 30


def test_its_files_are_gone_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "FEW", 5)
    made: Sequence[Path] = made_by(monkeypatch)
    remote = Keeping(ManualClock(), lag_s=0.0)
    one = bench(tmp_path, remote)
    write(one, "a", RUNS)
    one.apply()
    assert made
    assert not any(path.exists() for path in made)


def made_by(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made: list[Path] = []
    begin = Stash.__init__

    def noted(self: Stash, path: Path) -> None:
        made.append(path)
        begin(self, path)

    monkeypatch.setattr(Stash, "__init__", noted)
    return made
