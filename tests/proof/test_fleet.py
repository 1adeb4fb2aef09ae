"""A fleet over weeks: hundreds of reconciles against the embedded server, with everything that goes wrong in between.

Each world comes from a seed, which is printed. `FLEET_SEED=N` lives one world again; `FLEET_WEEKS` and `FLEET_RUNS` say
how long each lasts and how many reconciles it sees; `FLEET_SOAK=<seconds>` goes from world to world for so long.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.proof.fleet.extras import SIGNS, Extra, drawn
from tests.proof.fleet.observer import Violation
from tests.proof.fleet.world import World, world
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.model.blocking import Amount, Headcount
from wfdeploy.model.edits import Decide
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.project import Shard
from wfdeploy.model.remote import Taken
from wfdeploy.model.state import Attempt
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.operations import applying
from wfdeploy.planning import consent, inquiry, planner
from wfdeploy.planning.blocking import due as due_times
from wfdeploy.planning.blocking import recurring
from wfdeploy.planning.blocking.due import Due
from wfdeploy.planning.blocking.held_back import HeldBack
from wfdeploy.planning.diff import failure_policy as care
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.state import schedules_and_rollouts
from wfdeploy.upstash import replies

WEEKS = float(os.environ.get("FLEET_WEEKS", "2"))
RECONCILES = int(os.environ.get("FLEET_RUNS", "105"))


DEFAULT_SEEDS = (4, 8, 28, 39, 54)
"""With both changes of the clocks, with and without lost states; together with all extras."""


def _seeds() -> list[int]:
    if "FLEET_SEED" in os.environ:
        return [int(os.environ["FLEET_SEED"])]
    return list(DEFAULT_SEEDS)


def _extras(seed: int) -> frozenset[Extra]:
    if "FLEET_EXTRAS" in os.environ:
        return frozenset(Extra(name) for name in os.environ["FLEET_EXTRAS"].split(",") if name)
    return drawn(seed)


def _live(
    seed: int, weeks: float = WEEKS, reconciles: int = RECONCILES, extras: frozenset[Extra] | None = None
) -> World:
    extras = _extras(seed) if extras is None else extras
    told = ",".join(sorted(extra.value for extra in extras))
    print(f"FLEET_SEED={seed} FLEET_WEEKS={weeks:g} FLEET_RUNS={reconciles} FLEET_EXTRAS={told}", flush=True)
    with world(seed, extras) as one:
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
    if seed in DEFAULT_SEEDS and RECONCILES >= 105:
        missing = {sign for extra in drawn(seed) for sign in SIGNS[extra]} - (+one.wire.happened).keys()
        assert not missing, "each kind of trouble that the world has came"


def test_the_default_worlds_have_all_kinds_of_trouble() -> None:
    assert frozenset[Extra]().union(*map(drawn, DEFAULT_SEEDS)) == frozenset(Extra)


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

    def by_policy(case: care.Case, wanted: Any) -> care.Reaction:
        return whole(replace(case, standing=case.standing._replace(tries=0)), wanted)

    ours = [module for name, module in sys.modules.items() if name.startswith("wfdeploy.")]
    users = [module for module in ours if vars(module).get("by_policy") is whole]
    assert len(users) > 1, "where it is defined, and where it is used"
    for module in users:
        patch.setattr(module, "by_policy", by_policy)


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
    whole = schedules_and_rollouts.edit
    patch.setattr(
        schedules_and_rollouts,
        "edit",
        lambda connection, edit: None if isinstance(edit, Decide) else whole(connection, edit),
    )


def _lag_ignored(patch: pytest.MonkeyPatch) -> None:
    """What a listing doesn't show was never accepted, however early the listing began."""
    patch.setattr(Discovery, "log_lag_s", 0.0)


def _words_believed(patch: pytest.MonkeyPatch) -> None:
    """Whoever says that something is active, says that the refused run is."""
    whole = replies._refused

    def refused(status: int, message: str, *rest: Any) -> Any:
        heard = "already" in message or "active" in message
        return Taken(None, deduplicated=True) if heard else whole(status, message, *rest)

    patch.setattr(replies, "_refused", refused)


def _any_state_is_the_latest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inquiry, "why_suspect", lambda planner, *, is_new: "it is new" if is_new else None)


def _given_up_when_sent(patch: pytest.MonkeyPatch) -> None:
    """The logs are asked as if a request that was stuck had left at once."""
    whole = OutgoingRequest.unknown

    def unknown(self: OutgoingRequest, *rest: Any, **more: Any) -> Any:
        edit = whole(self, *rest, **more)
        assert self.ended_at is not None
        self.ended_at -= 29.0
        return edit

    patch.setattr(OutgoingRequest, "unknown", unknown)


def _waits_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """Later rounds of `apply --wait` do all that the manifests of the first one say."""
    patch.setattr(HeldBack, "has_moved_on", lambda self, store: False)
    patch.setattr(HeldBack, "allows", lambda self, change: True)


def _own_clock_believed(patch: pytest.MonkeyPatch) -> None:
    """An instance is due when the client's clock says so."""
    patch.setattr(planner, "due_until_ms", lambda now_ms, listing: now_ms)


def _numbers_as_they_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NumberFormat, "text", lambda self, value: str(value))


def _consent_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    whole = consent.require_consent

    def require_consent(plan: Any, options: ApplyOptions, *rest: Any, **more: Any) -> None:
        whole(plan, replace(options, allow_cancel=True), *rest, **more)

    patch.setattr(applying, "require_consent", require_consent)


def _a_part_is_nobodys(patch: pytest.MonkeyPatch) -> None:
    whole = Shard.covers
    patch.setattr(Shard, "covers", lambda self, place: self.index == 1 and whole(self, place))


def _ids_stand_for_runs(patch: pytest.MonkeyPatch) -> None:
    """What has the id of an attempt is its run, also where its author gave it to one run after the other."""
    whole = RunIndex.attempted

    def attempted(self: RunIndex, attempt: Attempt, names: Collection[str]) -> ObservedRun | None:
        return whole(self, attempt, names) or self.recorded(attempt.workflow_run_id, None)

    patch.setattr(RunIndex, "attempted", attempted)


@pytest.mark.parametrize(
    ("breaks", "told", "extra"),
    [
        (_attempts_without_end, "tried more than", None),
        (_steps_without_bounds, "step [0-9] not over", None),
        (_dependencies_always_met, "started, but", None),
        (_times_passed_over, "never started", None),
        (_lag_ignored, "accepted twice under one id|two runs under the label|started twice", None),
        (_cursor_never_written, "never started|after it was decided", None),
        (_words_believed, "called deduplicated, and not there|never started", Extra.ODD_WORDS),
        (_any_state_is_the_latest, "accepted twice under one id|started twice", Extra.RESTORES),
        (_given_up_when_sent, "accepted twice under one id|two runs under the label|started twice", Extra.STALLS),
        (_own_clock_believed, "before its time|never started", Extra.CLOCK_STEPS),
        (_numbers_as_they_come, "started twice", Extra.TABLES),
        (_consent_not_asked_for, "cancelled, and nobody wanted it", Extra.TABLES),
        (_a_part_is_nobodys, "is not there", Extra.SHARDS),
        (_waits_for_nobody, "by an older commit", Extra.SECOND_WRITER),
        (_ids_stand_for_runs, "called triggered, and not there", Extra.OWN_IDS),
    ],
)
def test_a_broken_rule_is_noticed(breaks: Callable[[pytest.MonkeyPatch], None], told: str, extra: Extra | None) -> None:
    extras = frozenset(() if extra is None else (extra,))
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        with pytest.raises(Violation, match=told):
            _live_in_turn((4, 10, 13) if extra in (None, Extra.OWN_IDS) else (25, 13, 4), extras)


def _live_in_turn(seeds: Iterable[int], extras: frozenset[Extra]) -> None:
    for seed in seeds:
        _live(seed, 1, 40, extras)
