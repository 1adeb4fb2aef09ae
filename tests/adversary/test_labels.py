"""Assumption 8: the logs show the labels of a run."""

from __future__ import annotations

import pytest

from tests.adversary.support import declare, starts
from tests.fakes.model_server import Fault, ModelRun
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.model.observed import ObservedRun


@pytest.fixture
def unlabelled(bench: VirtualBench, monkeypatch: pytest.MonkeyPatch) -> VirtualBench:
    """The server filters by label, and shows none."""
    honest = bench.remote._observed

    def observed(run: ModelRun, now_ms: int) -> ObservedRun:
        return honest(run, now_ms)._replace(labels=())

    monkeypatch.setattr(bench.remote, "_observed", observed)
    bench.remote.durations_s = (0.001,)
    return bench


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_BEFORE])
def test_derived_ids_are_known_without(unlabelled: VirtualBench, fault: Fault) -> None:
    declare(unlabelled, "a")
    unlabelled.remote.faults = [fault]
    assert counts(unlabelled.apply()) == {"triggered": 1, "kept": 1}
    assert starts(unlabelled) == 1


def test_an_id_of_the_authors_own_is_not_known_again(unlabelled: VirtualBench) -> None:
    declare(unlabelled, "a", workflowRunId="nightly")
    unlabelled.remote.faults = [Fault.LOST_AFTER]
    unlabelled.apply()
    assert [one.run_id for one in unlabelled.remote.runs].count("nightly") == 2


def test_a_resume_is_sent_again(unlabelled: VirtualBench) -> None:
    unlabelled.remote.failing = lambda _: True
    unlabelled.remote.keeps_letters = True
    declare(unlabelled, "a", policy={"onFailure": "resume"})
    unlabelled.apply()
    unlabelled.pass_time(60)
    unlabelled.remote.faults = [Fault.LOST_AFTER]
    unlabelled.apply()
    assert sum(one.run_id.startswith("wfr_resumed") for one in unlabelled.remote.runs) == 2
