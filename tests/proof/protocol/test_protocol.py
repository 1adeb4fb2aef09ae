"""The protocol of shared states, as a model of which every state is visited, and without each of its protections.

`PROTOCOL_WHOLE=N` visits up to N thousand states of larger models too.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.proof.protocol.model import Model
from tests.proof.protocol.search import walk
from tests.proof.protocol.values import ALL, Beginning, Protection

MOST = int(os.environ.get("PROTOCOL_WHOLE", "200")) * 1000

LEASES = Model(processes=2, troubles=1, renewals=1, prunes=False)
"""What has to do with time: renewals, take-overs, requests that arrive late."""

LOGS = Model(processes=3, troubles=0, renewals=0)
"""What has to do with the log: three holders, snapshots, pruning."""

PRUNED = Model(processes=2, troubles=1, renewals=0)

QUIET = Model(processes=2, troubles=0, renewals=0, prunes=False)

UNLUCKY = replace(QUIET, troubles=1)

LATE = Model(processes=2, troubles=0, renewals=0, begins=Beginning.LATE)

SET_BACK = Model(processes=2, troubles=0, renewals=1, begins=Beginning.SET_BACK)

WALKED = {"leases": LEASES, "logs": LOGS, "pruned": PRUNED, "late": LATE, "set back": SET_BACK}

LARGER = {
    "leases": replace(LEASES, troubles=2),
    "logs": replace(LOGS, troubles=1),
    "pruned": replace(PRUNED, troubles=2),
    "late": replace(LATE, processes=3),
}


@pytest.mark.parametrize("name", WALKED)
def test_no_promise_is_ever_broken(name: str) -> None:
    found = walk(WALKED[name], most=MOST)
    print(f"{found.states} states, {found.steps} steps")
    assert not found.broken, found.way
    assert found.is_whole
    assert len([goal for goal in found.reached if "recorded" in goal]) == WALKED[name].processes


@pytest.mark.skipif("PROTOCOL_WHOLE" not in os.environ, reason="PROTOCOL_WHOLE=N visits N thousand states")
@pytest.mark.parametrize("name", LARGER)
def test_no_promise_is_ever_broken_in_larger_models(name: str) -> None:
    found = walk(LARGER[name], most=MOST)
    print(f"{found.states} states, {found.steps} steps, whole: {found.is_whole}")
    assert not found.broken, found.way


TWICE, ONE_NUMBER = "the run started twice", "two entries with one number"

WITHOUT = [
    (Protection.FENCE, LATE, ONE_NUMBER),
    (Protection.FENCES_STAY, LATE, ONE_NUMBER),
    (Protection.BUT_ONE, PRUNED, ONE_NUMBER),
    (Protection.UNDECIDED, PRUNED, ONE_NUMBER),
    (Protection.SUSPICION, SET_BACK, TWICE),
    (Protection.STICKY, SET_BACK, TWICE),
    (Protection.STRAY, UNLUCKY, TWICE),
    (Protection.LATE_LISTING, QUIET, TWICE),
    (Protection.CHECK, QUIET, TWICE),
    (Protection.WATCH, QUIET, TWICE),
    (Protection.READ_BACK, UNLUCKY, TWICE),
    (Protection.FROM_BEFORE, LEASES, TWICE),
]


@pytest.mark.parametrize(("protection", "model", "told"), WITHOUT, ids=lambda value: getattr(value, "name", ""))
def test_each_protection_is_needed(protection: Protection, model: Model, told: str) -> None:
    found = walk(replace(model, protections=ALL - {protection}), most=MOST)
    print(f"{found.states} states until: {found.broken}", *found.way, sep="\n  ")
    assert found.broken.startswith(told)


def test_all_protections_are_tried() -> None:
    assert {protection for protection, _, _ in WITHOUT} == ALL
