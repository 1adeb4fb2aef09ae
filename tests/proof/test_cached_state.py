"""A state that comes from a CI cache: each job is another machine, and its state always counts as copied.

An attempt with a delay whose answer was lost is decided after a while all the same, and never starts a second run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, note, settings

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import group, run
from wfdeploy.errors import WfdeployError
from wfdeploy.model.options import ApplyOptions

LAG_S = 60.0
SENT_AGAIN = (Fault.NONE, Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE, Fault.CRASH_BEFORE, Fault.CRASH_LATE)


@contextmanager
def ci(duration_s: float = 0.5, *, hides_delayed: bool = True) -> Iterator[tuple[VirtualBench, Callable[..., None]]]:
    """A project, and a job that applies it: on a machine of its own, with what the last job has saved. `saves`: whether
    it saves the state when it ends. It has no time for more than one look at the logs."""
    with virtual_bench(lag_s=LAG_S, duration_s=duration_s) as bench, pytest.MonkeyPatch.context() as patch:
        bench.remote.hide_delayed = hides_delayed
        numbers = itertools.count()

        def job(*faults: Fault, saves: bool = True) -> None:
            patch.setenv("XDG_STATE_HOME", str(bench.root.parent / f"home{next(numbers)}"))
            bench.clock.boot()
            bench.remote.faults = list(faults)
            before = _read(bench.state_file)
            with dying():
                try:
                    bench.apply(options=ApplyOptions(timeout_s=LAG_S + 10))
                except WfdeployError as error:
                    note(f"apply: {error.message}")
            bench.remote.faults = []
            if not saves:
                _write(bench.state_file, before)

        yield bench, job


def _read(state: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in state.parent.glob(f"{state.name}*") if ".lock" not in file.name}


def _write(state: Path, content: dict[str, bytes]) -> None:
    for name in _read(state):
        (state.parent / name).unlink()
    for name, text in content.items():
        (state.parent / name).write_bytes(text)


def is_decided(bench: VirtualBench) -> bool:
    with bench.open() as store:
        return not any(attempt.is_open for attempt in store.attempts())


def declare(bench: VirtualBench, delay_s: int) -> None:
    bench.write(group("g", [run("a"), run("b", delay=delay_s)]))


def begin(bench: VirtualBench, job: Callable[..., None], delay_s: int, fault: Fault) -> None:
    """`b` is triggered with a delay, and its answer is lost."""
    bench.write(group("g", [run("a")]))
    job()
    bench.pass_time(1000)
    declare(bench, delay_s)
    job(fault)
    assert not is_decided(bench)


@pytest.mark.parametrize("minutes", [10, 60, 24 * 60])
@pytest.mark.parametrize("delay_s", [100, 600, 3600])
@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_LATE, Fault.CRASH_BEFORE, Fault.CRASH_LATE])
def test_it_is_decided_after_a_while(minutes: int, delay_s: int, fault: Fault) -> None:
    with ci() as (bench, job):
        begin(bench, job, delay_s, fault)
        began_s = bench.clock.true_ms / 1000
        while not is_decided(bench):
            bench.pass_time(60 * minutes)
            job()
            # By the first job after the delay and twice the lag, with what a second try within the delay adds. Of a job
            # that was killed, the next one can tell only that it can send no more.
            jobs_s = 60 * minutes * (2 if "CRASH" in fault.name else 1)
            assert bench.clock.true_ms / 1000 < began_s + 2 * delay_s + 4 * LAG_S + jobs_s
        assert len(bench.triggered()) == 2


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE])
@pytest.mark.parametrize("again", SENT_AGAIN)
@pytest.mark.parametrize("hides_delayed", [True, False])
@pytest.mark.parametrize("minutes", [1, 5, 11])
def test_it_is_never_started_twice_whatever_becomes_of_the_second_try(
    fault: Fault, again: Fault, hides_delayed: bool, minutes: int
) -> None:
    with ci(hides_delayed=hides_delayed) as (bench, job):
        begin(bench, job, 600, fault)
        for number in range(60):
            if is_decided(bench):
                break
            bench.pass_time(60 * minutes)
            job(*([again] if number < 3 else []))
        assert is_decided(bench)
        assert len(bench.triggered()) == 2


jobs = st.lists(
    st.tuples(st.sampled_from([1, 30, 59, 120, 240, 400]), st.sampled_from(SENT_AGAIN), st.booleans()), max_size=8
)


@settings(max_examples=60)
@given(
    delay_s=st.sampled_from([30, 300, 600]),
    fault=st.sampled_from([Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE, Fault.CRASH_LATE]),
    jobs=jobs,
    duration_s=st.sampled_from([0.001, 50.0]),
    hides_delayed=st.booleans(),
)
def test_any_course_of_jobs_ends_with_one_run(
    delay_s: int, fault: Fault, jobs: list[tuple[int, Fault, bool]], duration_s: float, hides_delayed: bool
) -> None:
    """Jobs of which some lose what they knew: where the server hides what is queued, only while nothing is (assumption
    4 of docs/guarantees.md)."""
    with ci(duration_s, hides_delayed=hides_delayed) as (bench, job):
        begin(bench, job, delay_s, fault)
        for wait_s, again, loses in jobs:
            bench.pass_time(wait_s)
            calls = bench.remote.calls
            job(again, saves=True) if hides_delayed or not loses else job(again, saves=False)
            note(f"{wait_s} s later: {bench.remote.calls - calls} requests, {again}, {loses=}")
        for _ in range(30):
            bench.pass_time(150)
            job()
        assert is_decided(bench)
        assert len(bench.triggered()) == 2
