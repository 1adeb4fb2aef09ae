"""The benchmarks run, at a size at which they say nothing about speed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import goals, measure, page, plot, results
from benchmarks.limits import Limits
from benchmarks.measure import TooSlow
from benchmarks.works import Peer, Work

ROOT = Path(__file__).resolve().parents[2]


def test_every_work_runs_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "results" / "figures.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--sizes", "20", "--repeat", "1", "--start-up-repeat", "1"),
            *("--latencies", "0,1", "--runs-per-file", "15", "--no-javascript", "--json", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads(file.read_text(encoding="utf-8"))
    works = {(row["work"], row["peer"]) for row in told["rows"]}
    peers = ("wfdeploy", "naive", "naive, unsafe")
    assert works >= {
        (work, peer) for work in ("validate", "cold plan", "no-op plan", "cold apply") for peer in peers
    } | {("sending", "raw sockets, 8"), ("sending", "raw sockets, 64"), ("no-op plan of ten runs", "python -c pass")}
    assert all(row["median_s"] > 0 and row["peak_kib"] > 0 for row in told["rows"])
    assert {"processor", "cores", "python"} <= told["machine"].keys()
    assert told["left_out"] == []


def test_what_would_take_too_long_is_not_begun_and_named() -> None:
    limits = Limits(total_s=60, longest_s=10, budget_s=5)
    slow, quick = (Peer(name=name, command=("true",)) for name in ("slow", "quick"))
    small, large = (Work(name="plan", size=size, peers=(quick, slow)) for size in (1_000, 10_000))
    assert limits.allow(small, slow)
    assert limits.again(small, slow)
    limits.spent(small, slow, 2.0)
    limits.spent(small, quick, 0.5)
    assert limits.again(small, slow)
    limits.spent(small, slow, 2.0)
    assert not limits.again(small, slow)  # a third one would be beyond the budget
    assert limits.allow(large, quick)
    assert not limits.allow(large, slow)
    assert limits.left_out == ["plan, 10,000 runs, slow: it takes 2 s for 1,000 runs"]
    assert not Limits(total_s=-1, longest_s=10, budget_s=5).allow(small, quick)


def test_a_process_is_ended_when_it_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(TooSlow):
        measure.run(("sleep", "60"), cwd=tmp_path, environ={"PATH": os.environ["PATH"]}, timeout_s=0.2)


def test_the_plot_shows_each_work_and_peer(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot needs the extra `bench`")
    sample = measure.Sample(wall_s=1.0, user_s=0.5, system_s=0.1, peak_kib=1000)
    rows = [
        row
        for work in ("cold plan", "sending")
        for size in (10, 100)
        for row in results.rows(work, size, 30, {"wfdeploy": [sample], "naive": [sample]})
    ]
    plot.draw(rows, tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert {"cold plan", "sending, 30 ms", "wfdeploy", "naive", "runs a second"} <= set(re.findall(r">([^<>]+)<", text))


def test_the_stages_are_told() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.stages", "30"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| **all, 30 runs** |" in ran.stdout


def test_goals_stand_beside_what_was_measured() -> None:
    ours, naive = (
        measure.Sample(wall_s=wall, user_s=wall / 2, system_s=0.0, peak_kib=peak) for wall, peak in ((1, 100), (9, 350))
    )
    rows = results.rows("cold plan", 100_000, 0, {"wfdeploy": [ours], "naive": [naive]})
    assert goals.table(rows).splitlines()[2:] == [
        "| cold plan, naive over wfdeploy | 8x | 15x | 9x | 9x |",
        "| cold plan, peak memory, naive over wfdeploy | 3x | 6x | 3.5x | – |",
    ]


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("before\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nafter\n", encoding="utf-8")
    page.put("figures", r"new \1", file)
    assert file.read_text(encoding="utf-8") == "before\n<!-- figures:begin -->\nnew \\1\n<!-- figures:end -->\nafter\n"
    with pytest.raises(ValueError, match="no place for stages"):
        page.put("stages", "", file)


def test_the_server_is_measured() -> None:
    sizes = ("--triggers", "20", "--runs", "2", "--sdk-runs", "1", "--profile", "2", "--soak", "10", "--every", "5")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.server", *sizes],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for what in ("| runs triggered | 20 |", "| steps, Python SDK on FastAPI | 5 |", "| SQLite |", "| 10 |"):
        assert what in ran.stdout
