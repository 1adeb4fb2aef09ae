"""Runs that are cancelled since they changed or were removed, with every way a cancel can go wrong, in virtual time."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import pytest

from tests.fakes.model_server import Fault, ModelRun, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import group, run
from wfdeploy.model.observed import RunState
from wfdeploy.model.workflow_id import parse_run_id

POLICY = {"onRemove": "cancel", "replaceRunning": "cancel", "onCancelled": "restart"}
FAULTS = (*Fault, Fault.NONE, Fault.NONE, Fault.NONE)


def by_address(bench: VirtualBench) -> dict[str, list[ModelRun]]:
    found = defaultdict(list)
    for one in sorted(bench.remote.runs, key=lambda one: one.created_ms):
        parts = parse_run_id(one.run_id)
        assert parts is not None
        found[parts.place].append(one)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_no_run_starts_beside_its_predecessor_and_none_that_was_removed_goes_on(seed: int) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    with virtual_bench(lag_s=dice.choice((0.0, 60.0))) as bench:
        remote = bench.remote
        remote.durations_s = tuple(dice.choice((3.0, 30.0, 1e6)) for _ in range(7))
        versions = dict.fromkeys(range(dice.choice((3, 8, 130))), 0)
        edits = dict.fromkeys(versions, 0)
        for _ in range(12):
            for name in list(versions):
                if dice.random() < 0.2:
                    versions[name] += 1
                    edits[name] += 1
                elif dice.random() < 0.05:
                    del versions[name]
            bench.write(
                group("g", [run(f"r{name}", body=version) for name, version in versions.items()], policy=POLICY)
            )
            remote.cancel_faults = dice.choices(FAULTS, k=3)
            with dying():
                bench.apply()
            bench.pass_time(dice.choice((1, 70, 700)))
        remote.cancel_faults = []
        for _ in range(4):
            bench.apply()
            bench.pass_time(130)
        assert set(remote.counts.values()) == {1}
        now_ms = remote.now_ms()
        found = by_address(bench)
        for runs in found.values():
            for before, after in pairwise(runs):
                assert before.ends_ms <= after.created_ms, "it was started beside its predecessor"
        going = sum(one.state(now_ms) is RunState.STARTED for one in remote.runs)
        assert going <= len(versions), "a removed run goes on"
        assert len(remote.runs) <= len(edits) + sum(edits.values()), "what wfdeploy cancelled was restarted"
        assert not bench.plan().has_changes
