"""Assumption 2: a 4xx, or an item's error, started nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.adversary.support import declare, is_warned_of_doubles, starts
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.model.remote import Answered, BatchRefused, Denied, Item, TriggerReply


def lie(bench: VirtualBench, monkeypatch: pytest.MonkeyPatch, *, items: bool, times: int = 1) -> None:
    """Have the server start the runs of the next requests, and refuse them."""
    honest = bench.remote.trigger
    left = [times]

    async def trigger(sent: Sequence[Item]) -> TriggerReply:
        reply = await honest(sent)
        left[0] -= 1
        if left[0] < 0:
            return reply
        return Answered(tuple(Denied("no") for _ in sent)) if items else BatchRefused(400, "no")

    monkeypatch.setattr(bench.remote, "trigger", trigger)


@pytest.mark.parametrize("items", [True, False], ids=["201 with errors", "400"])
def test_a_run_that_shows_by_the_next_apply_is_adopted(
    bench: VirtualBench, monkeypatch: pytest.MonkeyPatch, items: bool
) -> None:
    lie(bench, monkeypatch, items=items)
    declare(bench, "a")
    assert counts(bench.apply()) == {"rejected": 1, "kept": 1}
    bench.pass_time(60)
    assert counts(bench.apply()) == {"adopted": 1, "kept": 1}
    assert starts(bench) == 1


@pytest.mark.parametrize("duration_s", [0.001, 1000.0], ids=["quick", "slow"])
def test_what_does_not_show_yet_is_sent_again_and_its_id_decides(
    bench: VirtualBench, monkeypatch: pytest.MonkeyPatch, duration_s: float
) -> None:
    lie(bench, monkeypatch, items=True)
    bench.remote.durations_s = (duration_s,)
    declare(bench, "a")
    bench.apply()
    bench.apply()
    is_quick = duration_s < 1
    assert starts(bench) == (2 if is_quick else 1)
    bench.pass_time(60)
    declare(bench, "a", "b")
    assert is_warned_of_doubles(bench) is is_quick


@pytest.mark.parametrize("duration_s", [0.001, 1000.0], ids=["quick", "slow"])
def test_a_batch_that_was_refused_is_halved_at_once(
    bench: VirtualBench, monkeypatch: pytest.MonkeyPatch, duration_s: float
) -> None:
    lie(bench, monkeypatch, items=False)
    bench.remote.durations_s = (duration_s,)
    declare(bench, "a", "b")
    bench.apply()
    is_quick = duration_s < 1
    assert (starts(bench, "a"), starts(bench, "b")) == ((2, 2) if is_quick else (1, 1))
