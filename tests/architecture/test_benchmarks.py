"""The benchmarks run, at a size at which they say nothing about speed."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures, goals, measure, naive, operations, page, relay, shared
from benchmarks.harness import Harness, Limits, Round
from benchmarks.layouts import LAYOUTS, Layout, Runs
from benchmarks.measure import Sample, TooSlow
from benchmarks.project import Project
from benchmarks.relay import Counts
from benchmarks.sinks import RunningSink

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = RunningSink("http://127.0.0.1:1")


def benchmark(what: str, *options: str, tmp_path: Path) -> tuple[str, Any]:
    """What it prints, and what it writes."""
    file = tmp_path / "results" / "figures.json"
    command = [sys.executable, "-m", "benchmarks", what, "--repeat", "1", "--json", str(file), *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads(file.read_text(encoding="utf-8"))
    assert {"processor", "cores", "python"} <= told["machine"].keys()
    assert told["left_out"] == []
    return ran.stdout, told


def test_every_figure_is_measured_beside_what_was_asked_for(tmp_path: Path) -> None:
    options = ("--runs", "20", "--layouts", "corpus", "matrix")
    printed, told = benchmark("layouts", *options, tmp_path=tmp_path)
    assert {goal["goal"] for goal in told["goals"]} == {goal.title for goal in goals.GOALS if goal.only is None}
    assert all(goal.title in printed for goal in goals.GOALS if goal.only is None)
    assert {(one["layout"], one["figure"]) for one in told["figures"]} == {
        *((layout, figure) for layout in ("corpus", "matrix") for figure in figures.FIGURES),
        *(("", figure) for figure in (figures.START_UP, figures.MANY_ROWS)),
    }
    assert "The slowest layout of 1, corpus" in printed


def test_every_operation_is_measured(tmp_path: Path) -> None:
    printed, told = benchmark("operations", "--sizes", "100", tmp_path=tmp_path)
    names = [operation.name for operation in operations.OPERATIONS]
    assert {one["operation"] for one in told["operations"]} == set(names)
    assert all(f"| {name} |" in printed for name in names)


def test_sending_is_measured(tmp_path: Path) -> None:
    options = ("--sizes", "20", "--latencies", "0,1", "--no-javascript")
    printed, told = benchmark("sending", *options, tmp_path=tmp_path)
    peers = {"wfdeploy", "naive", "raw sockets, 8", "raw sockets, 64"}
    assert {(row["latency_ms"], row["peer"]) for row in told["sending"]} == {
        (ms, peer) for ms in (0, 1) for peer in peers
    }
    assert "| 20 | wfdeploy |" in printed


def test_sharing_is_measured(tmp_path: Path) -> None:
    options = ("--runs", "20", "--delays", "1", "--stores", "s3")
    printed, told = benchmark("shared", *options, tmp_path=tmp_path)
    assert [row["work"] for row in told["shared"]] == list(shared.WORKS)
    plan = next(row for row in told["shared"] if row["work"] == shared.NOOP_PLAN)
    assert [one["counts"]["exchanges"] for one in plan["rounds"]] == [2]  # a listing, and the entry that it begins with
    assert "| no-op plan | s3 | 1 ms |" in printed


def test_a_path_is_as_long_as_wanted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, relay.running(server.getsockname()[1]) as way:
        way.delay(40)
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", way.port), timeout=10) as client:
            near, _ = server.accept()
            with near:
                for least_s in (0.08, 0.04):  # the first time with a handshake
                    asked, got = os.urandom(300_000), b""
                    client.sendall(asked)
                    near.settimeout(10)
                    while len(got) < len(asked):
                        got += near.recv(65536)
                    assert got == asked
                    near.sendall(b"answer")
                    assert client.recv(6) == b"answer"
                    assert time.monotonic() - began >= 0.9 * least_s  # a timer may fire a moment early
                    began = time.monotonic()
        assert way.counts() == Counts(connections=1, exchanges=2, up_bytes=600_000, down_bytes=12)
        assert way.counts() == Counts()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_naive_script_does_the_same_work(layout: Layout, tmp_path: Path) -> None:
    edits = Runs(numbers=range(20)).edited({7: 1001})
    project = Project(tmp_path, layout).write(edits)
    harness = Harness(NOWHERE, package=ROOT)
    rendered = []
    for file in sorted((project.root / "manifests").rglob("*.yaml")):
        harness.ours(project, "render", str(file), "--output", "json")
        rendered += json.loads((project.root / "output.txt").read_text(encoding="utf-8"))["requests"]
    assert len(rendered) == 20
    if not layout.naive:
        assert sum("1001" in json.dumps(run) for run in rendered) == 1
        return
    items = naive.declared(naive.load(project.root))
    assert {run["address"]: sent(run) for run in rendered} == {
        address: (
            item["destination"],
            json.loads(item["body"]),
            item["headers"]["Upstash-Retries"],
            item["headers"]["Upstash-Label"],
            "Upstash-Delay" in item["headers"],
        )
        for address, item in items.items()
    }
    assert sum('"seats":1001' in item["body"] or '"seats":"1001"' in item["body"] for item in items.values()) == 1


def sent(run: dict[str, Any]) -> tuple[Any, ...]:
    request = run["request"]
    labels = ",".join(request["labels"])
    return request["destination"], request["body"], str(request["retries"]), labels, "delay" in request


def test_other_runs_change_only_their_files(tmp_path: Path) -> None:
    layout = next(layout for layout in LAYOUTS if layout.name == "files of ten")
    project = Project(tmp_path, layout).write(Runs(numbers=range(30)))
    files = {file: file.stat().st_mtime_ns for file in project.root.rglob("*.yaml")}
    project.write(Runs(numbers=range(25)).edited({3: 1001}))
    changed = {file.name for file, time in files.items() if not file.exists() or file.stat().st_mtime_ns != time}
    assert changed == {"wave-0.yaml", "wave-2.yaml"}
    project.write(Runs(numbers=range(10)))
    assert [file.name for file in (project.root / "manifests").rglob("*.yaml")] == ["wave-0.yaml"]


def test_what_would_take_too_long_is_not_begun_or_repeated_and_named() -> None:
    def slow() -> Round:
        raise TooSlow

    def broken() -> Round:
        raise RuntimeError("sent 1 runs, not 2")

    sample = Sample(wall_s=1.0, cpu_s=1.0, peak_kib=1000)
    limits = Limits(repeat=3, budget_s=0.0, longest_s=10.0)
    harness = Harness(NOWHERE, limits)
    assert len(list(harness.rounds("plan", lambda: {"wfdeploy": sample}))) == 1
    assert list(harness.rounds("apply", slow)) == []
    assert list(harness.rounds("edit", broken)) == []
    assert harness.left_out == ["apply: not done after 10 s", "edit: sent 1 runs, not 2"]
    late = Harness(NOWHERE, Limits(ends_at=time.monotonic() - 1))
    assert list(late.rounds("plan", lambda: {"wfdeploy": sample})) == []
    assert late.left_out == ["plan: the time is used up"]


def test_a_process_is_ended_when_it_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(TooSlow):
        measure.run(("sleep", "60"), cwd=tmp_path, environ={"PATH": os.environ["PATH"]}, timeout_s=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of children is read from /proc")
def test_the_processes_that_a_process_starts_count_too(tmp_path: Path) -> None:
    held = "import time; held = bytearray(60_000_000); began = time.process_time()\n"
    work = held + "while time.process_time() - began < 0.2: pass\n"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    both = f"import subprocess, sys; one = subprocess.Popen([sys.executable, '-c', {child!r}])\n{work}\none.wait()"
    sample = measure.run((sys.executable, "-c", both), cwd=tmp_path, environ={}, timeout_s=60)
    assert sample.peak_kib > 110_000_000 / 1024
    assert sample.cpu_s > 0.4


def test_goals_are_held_against_the_slowest_layout() -> None:
    def measured(naive_s: float) -> list[Round]:
        ours = Sample(wall_s=1.0, cpu_s=2.0, peak_kib=100)
        return [{figures.OURS: ours, figures.NAIVE: Sample(wall_s=naive_s, cpu_s=naive_s, peak_kib=350)}]

    found = {("corpus", "cold plan"): measured(14), ("labels", "cold plan"): measured(9)}
    assert goals.goal_table(found, 100_000).splitlines()[2:] == [
        "| cold plan, naive over ours | labels | 9.00x / 4.50x | 5.50x / 5.00x | 10.0x / 8.00x | met / **missed** |  |",
        "| peak memory of a cold plan, naive over ours | corpus | 3.50x | 5.00x | 8.00x | **missed** |  |",
    ]
    assert goals.layout_table(found, 100_000).splitlines()[2:] == [
        "| corpus | 14.0x | 7.00x | 3.50x |",
        "| labels | 9.00x | 4.50x | 3.50x |",
    ]


def test_a_goal_names_the_other_layouts_too() -> None:
    def measured(plan_s: float) -> list[Round]:
        cold, plan = (Sample(wall_s=wall_s, cpu_s=2.0, peak_kib=100) for wall_s in (1.0, plan_s))
        return [{figures.COLD: cold, figures.EDIT_PLAN: plan, figures.EDIT_APPLY: plan}]

    found = {("corpus", "edit"): measured(0.6), ("labels", "edit"): measured(0.4)}
    assert goals.goal_table(found, 100_000).splitlines()[2] == (
        "| plan after an edit of one run, of a cold plan | corpus | 0.60x / 1.00x | 1.00x | 0.50x | met "
        "| labels 0.40x / 1.00x |"
    )


def test_what_grows_faster_than_the_runs_is_flagged() -> None:
    def took(cpu_s: float) -> list[Sample]:
        return [Sample(wall_s=cpu_s, cpu_s=cpu_s, peak_kib=1000)]

    found = {
        **{("refresh", size): took(seconds) for size, seconds in ((1_000, 0.2), (10_000, 0.4), (100_000, 6.0))},
        **{("adopt all", size): took(seconds) for size, seconds in ((1_000, 0.3), (10_000, 1.3), (100_000, 18.0))},
        **{("render, one", size): took(seconds) for size, seconds in ((1_000, 0.2), (10_000, 0.3), (100_000, 0.5))},
    }
    lines = operations.table(found, (1_000, 10_000, 100_000)).splitlines()
    assert "| 1.18 | **superlinear** |" in next(line for line in lines if "refresh" in line)
    assert "| 1.20 | 5 s, 150 MiB: **superlinear**, **slow** |" in next(line for line in lines if "adopt" in line)
    assert "| 0.22 | 0.4 s: **slow** |" in next(line for line in lines if "render, one" in line)


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


def test_the_page_names_a_machine_once(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    places = [f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in ("layouts-machine", "stages")]
    file.write_text("".join(places), encoding="utf-8")
    for name in ("layouts-machine", "stages", "layouts-machine"):
        page.put(name, f"One core; sqlite 3.40.1, httpx 0.28.1. {name}.", file)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[1] == "One core; sqlite 3.40.1, httpx 0.28.1. layouts-machine."
    assert lines[4] == "The same machine. stages."


def test_the_page_has_a_place_for_every_table() -> None:
    places = set(re.findall(r"<!-- ([\w-]+):begin -->", page.PAGE.read_text(encoding="utf-8")))
    tables = {"headline", "goals", "layouts", "operations", "sending", "stages", "server", "shared"}
    assert places == tables | {f"{what}-machine" for what in ("layouts", "operations", "sending", "shared")}


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
