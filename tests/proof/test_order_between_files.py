"""Groups that wait for one in a file that isn't loaded: it counts as the project declares it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import group, run
from wfdeploy.model.event import ApplyReport
from wfdeploy.model.options import ApplyOptions

LOST_OR_REFUSED = (Fault.REFUSED, Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE)
HASTY = ApplyOptions(timeout_s=0.0)


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def apply_file(bench: VirtualBench, name: str) -> ApplyReport:
    return bench.apply(paths=[str(bench.root / "manifests" / f"{name}.yaml")], options=HASTY)


def reports(bench: VirtualBench) -> int:
    return sum(run_id.startswith("wfr_report-") for run_id in bench.remote.counts)


def write_nightly(bench: VirtualBench, *, cron: str = "0 3 * * *", zone: str = "UTC") -> None:
    first = {"cron": cron, "timezone": zone}
    bench.write(group("load", [run("a"), run("b")], schedule=first), file="load.yaml")
    schedule = {"cron": "0 3 * * *"}
    bench.write(group("report", [run("r")], schedule=schedule, dependsOn=[{"group": "load"}]), file="report.yaml")


def first_night(bench: VirtualBench) -> None:
    bench.apply()
    bench.at("2026-11-24T03:00:00Z")
    bench.apply()
    bench.pass_time(150)
    bench.apply()
    assert reports(bench) == 1


def goes_on(bench: VirtualBench) -> None:
    """The load is applied, has succeeded, and the report starts."""
    bench.pass_time(30)
    apply_file(bench, "load")
    apply_file(bench, "report")
    assert reports(bench) == 1
    bench.pass_time(150)
    apply_file(bench, "report")
    assert reports(bench) == 2


@pytest.mark.parametrize(("cron", "zone"), [("0 3 * * *", "UTC"), ("30 3 * * *", "Europe/Berlin")])
def test_tonights_load_is_due_and_only_the_report_is_applied(bench: VirtualBench, cron: str, zone: str) -> None:
    write_nightly(bench, cron=cron, zone=zone)
    first_night(bench)
    bench.at("2026-11-25T03:00:00Z")
    apply_file(bench, "report")
    goes_on(bench)


@pytest.mark.parametrize("fault", LOST_OR_REFUSED)
def test_tonights_load_was_refused_or_its_answer_was_lost(bench: VirtualBench, fault: Fault) -> None:
    write_nightly(bench)
    first_night(bench)
    bench.at("2026-11-25T03:00:00Z")
    bench.remote.faults = [fault]
    apply_file(bench, "load")
    apply_file(bench, "report")
    assert reports(bench) == 1
    bench.pass_time(20)
    apply_file(bench, "report")  # what was lost is looked up by now, and runs
    goes_on(bench)


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.CRASH_BEFORE])
def test_an_instance_that_never_arrived_is_not_given_up_by_an_apply_of_another_file(
    bench: VirtualBench, fault: Fault
) -> None:
    """Its time is decided, so nothing but the attempt tells that it is still to be triggered."""
    write_nightly(bench)
    first_night(bench)
    bench.at("2026-11-25T03:00:00Z")
    bench.remote.faults = [fault]
    with dying():
        apply_file(bench, "load")
    bench.write(group("other", [run("o")]), file="other.yaml")
    for _ in range(2):
        bench.pass_time(20)
        bench.apply(paths=[str(bench.root / "manifests" / "other.yaml")])
    bench.apply(paths=[str(bench.root / "manifests" / "load.yaml")])
    assert sum("load-" in run_id and "2026-11-25" in run_id for run_id in bench.remote.counts) == 2
    assert bench.triggered()


def write_plain(bench: VirtualBench, version: int, runs: int = 2) -> None:
    bench.write(group("load", [run(f"l{n}", body=version) for n in range(runs)]), file="load.yaml")
    bench.write(group("report", [run("r", body=version + runs)], dependsOn=[{"group": "load"}]), file="report.yaml")


@pytest.mark.parametrize("fault", [None, *LOST_OR_REFUSED])
@pytest.mark.parametrize(("version", "runs"), [(2, 2), (1, 3)])
def test_a_load_that_was_edited(bench: VirtualBench, fault: Fault | None, version: int, runs: int) -> None:
    write_plain(bench, 1)
    bench.apply()
    bench.pass_time(150)
    bench.apply()
    assert reports(bench) == 1
    write_plain(bench, version, runs)
    if fault is not None:
        bench.remote.faults = [fault]
        apply_file(bench, "load")
    apply_file(bench, "report")
    goes_on(bench)


@pytest.mark.parametrize("fault", LOST_OR_REFUSED)
def test_where_the_rest_can_not_be_read_what_is_recorded_tells(bench: VirtualBench, fault: Fault) -> None:
    write_plain(bench, 1)
    bench.apply()
    bench.pass_time(150)
    bench.apply()
    write_plain(bench, 2)
    bench.remote.faults = [fault]
    apply_file(bench, "load")
    good = (bench.root / "manifests" / "load.yaml").read_text()
    (bench.root / "manifests" / "load.yaml").write_text("kind: [")
    apply_file(bench, "report")
    assert reports(bench) == 1
    (bench.root / "manifests" / "load.yaml").write_text(good)
    goes_on(bench)


def test_what_is_as_declared_lets_it_go(bench: VirtualBench) -> None:
    write_plain(bench, 1)
    bench.apply(limit=2)
    bench.pass_time(150)
    apply_file(bench, "report")
    assert reports(bench) == 1
