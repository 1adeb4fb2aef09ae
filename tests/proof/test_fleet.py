"""A fleet over weeks: hundreds of reconciles against the embedded server, with everything that goes wrong in between.

Each world comes from a seed, which is printed. `FLEET_SEED=N` lives one world again; `FLEET_WEEKS` and `FLEET_RUNS` say
how long each lasts and how many reconciles it sees; `FLEET_SOAK=<seconds>` goes from world to world for so long.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.proof.fleet.observer import Violation
from tests.proof.fleet.world import World, world
from wfdeploy.model.order import Headcount
from wfdeploy.model.rollout import Amount
from wfdeploy.model.schedule import Decide
from wfdeploy.operations import recurring
from wfdeploy.operations.discovery import Discovery
from wfdeploy.pipeline.diff import care
from wfdeploy.pipeline.recur import due as due_times
from wfdeploy.pipeline.recur.due import Due
from wfdeploy.state import pace

WEEKS = float(os.environ.get("FLEET_WEEKS", "2"))
RECONCILES = int(os.environ.get("FLEET_RUNS", "105"))


def _seeds() -> list[int]:
    if "FLEET_SEED" in os.environ:
        return [int(os.environ["FLEET_SEED"])]
    return [4, 6, 41]  # both changes of the clocks; with and without lost states


def _live(seed: int, weeks: float = WEEKS, reconciles: int = RECONCILES) -> World:
    print(f"FLEET_SEED={seed} FLEET_WEEKS={weeks:g} FLEET_RUNS={reconciles}", flush=True)
    with world(seed) as one:
        try:
            one.live(weeks, reconciles)
        except BaseException:
            print("\n".join(one.journal[-60:]))
            raise
    return one


@pytest.mark.slow
@pytest.mark.parametrize("seed", _seeds())
def test_weeks_of_reconciles_keep_every_promise(seed: int) -> None:
    one = _live(seed)
    assert one.reconciles >= RECONCILES
    assert len(one.observer.runs) > 2 * RECONCILES, "there was something to be kept"


@pytest.mark.skipif("FLEET_SOAK" not in os.environ, reason="FLEET_SOAK=<seconds> says for how long")
def test_soak() -> None:
    until = time.monotonic() + float(os.environ["FLEET_SOAK"])
    seed = int(os.environ.get("FLEET_SEED", random.SystemRandom().randrange(2**32)))
    while time.monotonic() < until:
        _live(seed)
        seed += 1


def test_a_seed_tells_the_whole_story() -> None:
    journals = []
    for _ in range(2):
        with world(4) as one:
            one.live(0.3, 15)
            journals.append([(run.key, run.version, run.created_ms, run.state) for run in one.observer.runs])
    assert journals[0] == journals[1]


# --- the rules can fail ----------------------------------------------------------------------------------------------


def _attempts_without_end(patch: pytest.MonkeyPatch) -> None:
    whole = care.by_policy

    def by_policy(case: care.Case, wanted: Any) -> care.Remedy:
        return whole(replace(case, standing=replace(case.standing, tries=0)), wanted)

    for module in ("pipeline.diff.care", "operations.recurring", "pipeline.diff.declared"):
        patch.setattr(f"wfdeploy.{module}.by_policy", by_policy, raising=False)


def _steps_without_bounds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Amount, "of", lambda self, total: total)


def _dependencies_always_met(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Headcount, "fulfils", lambda self, condition: True)


def _times_passed_over(patch: pytest.MonkeyPatch) -> None:
    """The cursor moves on before the instances are on their way."""
    whole = due_times.due

    def due(schedule: Any, **how: Any) -> Due:
        found = whole(schedule, **how)
        return Due(found.times[:-1], found.decided_s) if len(found.times) > 1 else found

    patch.setattr(recurring, "due", due)


def _cursor_never_written(patch: pytest.MonkeyPatch) -> None:
    whole = pace.edit
    patch.setattr(pace, "edit", lambda connection, edit: None if isinstance(edit, Decide) else whole(connection, edit))


def _lag_ignored(patch: pytest.MonkeyPatch) -> None:
    """What a listing doesn't show was never accepted, however early the listing began."""
    patch.setattr(Discovery, "log_lag_s", 0.0)


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (_attempts_without_end, "tried more than"),
        (_steps_without_bounds, "step [0-9] not over"),
        (_dependencies_always_met, "started, but"),
        (_times_passed_over, "never started"),
        (_lag_ignored, "accepted twice under one id|two runs under the label|started twice"),
        (_cursor_never_written, "never started|after it was decided"),
    ],
)
def test_a_broken_rule_is_noticed(breaks: Callable[[pytest.MonkeyPatch], None], told: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        with pytest.raises(Violation, match=told):
            _live_in_turn((4, 10, 13))


def _live_in_turn(seeds: Iterable[int]) -> None:
    for seed in seeds:
        _live(seed, 1, 40)
