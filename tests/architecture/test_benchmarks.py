"""The benchmarks run, at a size at which they say nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import page

ROOT = Path(__file__).resolve().parents[2]


def test_every_work_runs_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "results" / "figures.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--sizes", "20", "--repeat", "1", "--start-up-repeat", "1"),
            *("--latencies", "0,1", "--runs-per-file", "15", "--json", str(file)),
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
    } | {("sending", "raw sockets"), ("no-op plan of ten runs", "python -c pass")}
    assert all(row["median_s"] > 0 and row["peak_kib"] > 0 for row in told["rows"])
    assert {"processor", "cores", "python"} <= told["machine"].keys()


def test_the_stages_are_told() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.stages", "30"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| **all, 30 runs** |" in ran.stdout


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("before\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nafter\n", encoding="utf-8")
    page.put("figures", r"new \1", file)
    assert file.read_text(encoding="utf-8") == "before\n<!-- figures:begin -->\nnew \\1\n<!-- figures:end -->\nafter\n"
    with pytest.raises(ValueError, match="no place for stages"):
        page.put("stages", "", file)
