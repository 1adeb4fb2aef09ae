"""Runs that nothing declared, and that are claimed by a manifest later: how they do is asked, not remembered."""

from __future__ import annotations

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run

HOUR_S = 3600.0


def nightly(*names: str) -> dict[str, object]:
    return group("n", [run(name) for name in names], schedule={"cron": "0 3 * * *", "concurrency": "skip"})


def lose_state(bench: VirtualBench) -> None:
    for file in bench.state_file.parent.iterdir():
        file.unlink()


@pytest.mark.parametrize("lasts_s", [2 * HOUR_S, 1000 * HOUR_S])
def test_an_instance_that_has_ended_meanwhile_has_no_other_skipped(lasts_s: float) -> None:
    with virtual_bench(duration_s=lasts_s) as bench:
        bench.write(nightly("a", "b"))
        bench.apply()
        bench.at("2026-11-24T03:00:00Z")
        assert counts(bench.apply()) == {"triggered": 2}
        lose_state(bench)
        bench.write(nightly("b"))
        bench.pass_time(HOUR_S)
        bench.apply()  # a's run is going, and nobody's
        with bench.open() as store:
            assert [remembered.state.is_final for remembered in store.unclaimed()] == [False]
        for day in (25, 26):
            bench.at(f"2026-11-{day}T03:00:00Z")
            bench.apply()
        bench.write(nightly("a", "b"))
        bench.at("2026-11-27T03:00:00Z")
        bench.apply()
        newest = {run_id for run_id in bench.remote.counts if "n-a-2026-11-27" in run_id}
        assert bool(newest) is (lasts_s < 100 * HOUR_S)
        with bench.open() as store:
            (record,) = store.records(["n/a@2026-11-24T03:00:00Z"])
        assert record.run_state is not None
        assert record.run_state.is_final is bool(newest)


@pytest.mark.parametrize("condition", ["succeeded", "finished"])
def test_dependents_of_a_run_that_was_claimed_go_by_how_it_does(condition: str) -> None:
    with virtual_bench(duration_s=2 * HOUR_S) as bench:
        other = group("other", [run("x")])
        bench.write(group("load", [run("a")]), other)
        bench.apply()
        lose_state(bench)
        bench.write(other)
        bench.pass_time(60)
        bench.apply()
        bench.pass_time(10 * HOUR_S)
        bench.write(group("always", [run("x", body=2)]), other)
        bench.apply()
        bench.pass_time(10 * HOUR_S)
        depends = [{"group": "load", "condition": condition}]
        bench.write(group("load", [run("a")]), group("report", [run("r")], dependsOn=depends), other)
        assert counts(bench.apply())["triggered"] == 1
