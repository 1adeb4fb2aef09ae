"""Assumption 7: the disk keeps what it said it keeps, and `Date` is the clock of the logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adversary.conftest import LAG_S
from tests.adversary.support import declare, starts
from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.model.remote import RunPage


class Snapshot:
    """The state, as it is now, to be put back; `with_marker`: the user's state directory too, as when a virtual machine
    is set back while it runs."""

    def __init__(self, bench: VirtualBench, folder: Path, *, with_marker: bool) -> None:
        self._pairs = [(bench.state_file.parent, folder / "state")]
        if with_marker:
            self._pairs.append((Path(os.environ["XDG_STATE_HOME"]), folder / "markers"))
        for origin, copy in self._pairs:
            shutil.copytree(origin, copy)

    def put_back(self) -> None:
        for origin, copy in self._pairs:
            shutil.rmtree(origin)
            shutil.copytree(copy, origin)


@pytest.fixture(autouse=True)
def own_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("pause_s", [0.0, 60.0])
def test_commits_that_vanish_are_made_good_by_the_logs(bench: VirtualBench, tmp_path: Path, pause_s: float) -> None:
    bench.apply()
    snapshot = Snapshot(bench, tmp_path, with_marker=False)
    declare(bench, "a")
    bench.remote.faults = [Fault.CRASH_AFTER]
    with dying():
        bench.apply()
    snapshot.put_back()
    bench.pass_time(pause_s)
    assert counts(bench.apply()) == {"adopted": 1, "kept": 1}
    assert starts(bench) == 1


@pytest.mark.parametrize(("pause_s", "expected"), [(0.0, 2), (LAG_S, 1)], ids=["at once", "after logLag"])
def test_a_machine_that_is_set_back_while_it_runs(
    bench: VirtualBench, tmp_path: Path, pause_s: float, expected: int
) -> None:
    declare(bench, "a")
    bench.apply()  # this writes the marker
    bench.pass_time(60)
    snapshot = Snapshot(bench, tmp_path, with_marker=True)
    bench.remote.durations_s = (0.001,)
    declare(bench, "a", "b")
    bench.apply()
    snapshot.put_back()
    bench.pass_time(pause_s)
    bench.apply()
    assert starts(bench, "b") == expected


@pytest.mark.parametrize("hours", [0, -1])
def test_logs_that_are_dated_by_another_clock(bench: VirtualBench, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Runs carry times of an hour ago, so that a listing since the watermark leaves them out."""
    remote = bench.remote
    honest = remote.list_runs
    shift_ms = hours * 3_600_000

    async def list_runs(*, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        async for page in honest(label=label, since_ms=None if since_ms is None else since_ms - shift_ms):
            yield replace(
                page, runs=tuple(one._replace(created_at_ms=one.created_at_ms + shift_ms) for one in page.runs)
            )

    monkeypatch.setattr(remote, "list_runs", list_runs)
    remote.durations_s = (0.001,)
    declare(bench, "a")
    remote.faults = [Fault.LOST_AFTER]
    bench.apply()
    assert starts(bench) == (1 if hours == 0 else 2)


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_server_whose_clock_is_wrong_as_a_whole_is_no_trouble(bench: VirtualBench, skew_s: float) -> None:
    bench.remote.skew_s = skew_s
    bench.pass_time(7200)
    bench.remote.durations_s = (0.001,)
    for number, fault in enumerate((Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_BEFORE)):
        declare(bench, *"abc"[: number + 1])
        bench.remote.faults = [fault]
        bench.apply()
        bench.pass_time(60)
        assert starts(bench, "abc"[number]) == 1
